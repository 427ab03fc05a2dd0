"""What each estimator is, in a formula, a sentence or two, and its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["NOTES", "Note"]


@dataclass(frozen=True)
class Note:
    """What an estimator is.

    Attributes:
        formula: LaTeX, of the gradient or of what is differentiated.
        text: a sentence or two.
        bias: whether its mean is the gradient of its objective.
        source: citation, Markdown.
    """

    formula: str
    text: str
    bias: str
    source: str


_KINGMA = "Kingma and Welling (2014), [arXiv:1312.6114](https://arxiv.org/abs/1312.6114)"
_MNIH = "Mnih and Gregor (2014), [arXiv:1402.0030](https://arxiv.org/abs/1402.0030)"
_UNBIASED = "Unbiased for the ELBO."
_BIASED = "Biased for the ELBO."


def _arxiv(authors: str, number: str, where: str = "") -> str:
    return f"{authors}, [arXiv:{number}](https://arxiv.org/abs/{number}){where}"


_NOTES: dict[str, Note] = {
    "sgvb-a": Note(
        r"\nabla_\phi \big[\log p(x, z) - \log q(z \mid x)\big], \quad z = \mu + \sigma \epsilon",
        "The draw is a differentiable function of noise, so the gradient flows through z.",
        _UNBIASED,
        f"{_KINGMA}, Eq. 6",
    ),
    "sgvb-b": Note(
        r"\nabla_\phi \big[\log p(x \mid z) - \mathrm{KL}(q(z \mid x) \,\|\, p(z))\big], \quad "
        r"z = \mu + \sigma \epsilon",
        "As A, with the KL divergence in closed form: only the reconstruction is still sampled.",
        _UNBIASED,
        f"{_KINGMA}, Eq. 7",
    ),
    "sticking-the-landing": Note(
        r"\nabla_z \big[\log p(x, z) - \log q(z \mid x)\big]\, \partial z / \partial \phi, \quad "
        r"z = \mu + \sigma \epsilon",
        "As A, without the score of q, whose mean is zero. Where q is the posterior nothing is "
        "left that varies: the landing sticks.",
        _UNBIASED,
        _arxiv("Roeder, Wu and Duvenaud (2017)", "1703.09194"),
    ),
    "rezende": Note(
        r"\nabla_\mu E_q[f] = E_q[\nabla_z f], \qquad "
        r"\nabla_C E_q[f] = \tfrac12 E_q[\nabla_z^2 f], \qquad f = \log p(x \mid z)",
        "Bonnet's theorem for the mean and Price's for the covariance, by the Hessian of the "
        "decoder: one product with it for each latent, and so the most expensive of these.",
        "Unbiased for the ELBO where the decoder is twice differentiable: with relu units it is "
        "biased.",
        _arxiv("Rezende, Mohamed and Wierstra (2014)", "1401.4082", ", Sec. 3"),
    ),
    "iwae": Note(
        r"\nabla_\phi \log \tfrac{1}{K} \sum_k p(x, z_k) / q(z_k \mid x)",
        "K draws, weighted by importance. It climbs another, tighter bound, at K times the cost.",
        "Unbiased for L_K, not for the ELBO.",
        "Burda, Grosse and Salakhutdinov (2016), "
        "[arXiv:1509.00519](https://arxiv.org/abs/1509.00519), Eq. 8",
    ),
    "dreg": Note(
        r"\sum_k w_k^2\, \nabla_z \log \frac{p(x, z_k)}{q(z_k \mid x)}\, "
        r"\frac{\partial z_k}{\partial \phi}, \quad w = \mathrm{softmax}_k",
        "IWAE with the score of q reparameterised once more. Its signal-to-noise ratio rises with "
        "K, where that of IWAE falls.",
        "Unbiased for L_K, not for the ELBO.",
        _arxiv("Tucker, Lawson, Gu and Maddison (2019)", "1810.04152"),
    ),
    "score-function": Note(
        r"\big(\log p(x, z) - \log q(z \mid x)\big)\, \nabla_\phi \log q(z \mid x)",
        "Needs no derivative with respect to z, so it works for bits; the learning signal in front "
        "is a large number, and so is the variance.",
        _UNBIASED,
        f"{_MNIH}, Eq. 5",
    ),
    "nvil-c": Note(
        r"(l - c)\, \nabla_\phi \log q(z \mid x), \quad c \leftarrow \alpha c + (1 - \alpha)\,"
        r"\bar l",
        "The running mean of the learning signal l is subtracted.",
        _UNBIASED,
        f"{_MNIH}, Sec. 2.3.1",
    ),
    "nvil-c-idb": Note(
        r"(l - c - b_\psi(x))\, \nabla_\phi \log q(z \mid x)",
        "A network predicts the signal of each image: what is easy to predict adds no noise.",
        _UNBIASED,
        f"{_MNIH}, Eq. 8",
    ),
    "nvil-c-idb-vn": Note(
        r"\frac{l - c - b_\psi(x)}{\max(1, \hat\sigma_l)}\, \nabla_\phi \log q(z \mid x)",
        "The signal is divided by its running standard deviation. Gradients get shorter, not "
        "clearer: the signal-to-noise ratio stays as it was.",
        "Rescales the gradient of q, so its length is biased and its direction is not.",
        f"{_MNIH}, Sec. 2.3.3",
    ),
    "nvil": Note(
        r"\sum_i \frac{l_i - c_i - b_i(z_{i-1})}{\max(1, \hat\sigma_i)}\, "
        r"\nabla_\phi \log q(z_i \mid z_{i-1})",
        "Each layer has a signal, baseline and scale of its own, without the terms of the layers "
        "below, which it cannot change.",
        "As with normalisation, layer by layer.",
        f"{_MNIH}, Sec. 2.3.2",
    ),
    "leave-one-out": Note(
        r"\tfrac1K \sum_k \Big(f_k - \tfrac{1}{K-1} \sum_{j \ne k} f_j\Big)\, "
        r"\nabla_\phi \log q(z_k \mid x), \quad f_k = \log p(x, z_k) - \log q(z_k \mid x)",
        "K draws, the mean of the others as the baseline of each: it has to learn nothing.",
        _UNBIASED,
        "Kool, van Hoof and Welling (2019), “Buy 4 REINFORCE samples, get a baseline for free!”; "
        + _arxiv("Salimans and Knowles (2014)", "1401.1022"),
    ),
    "leave-one-out-branches": Note(
        r"\tfrac{1}{2^i} \sum_k (f_{i,k} - f_{i,j})\, \nabla_\phi \log q(z_{i,k} \mid z_{i-1}), "
        r"\quad z_{i,j} \text{ above the same } z_{i-1}",
        "Every draw of a layer goes on with two draws of the layer above, each the baseline of the "
        "other: they share all that lies below, so that only what they change themselves is left.",
        _UNBIASED,
        f"Leave-one-out on the local signals of {_MNIH}, Sec. 2.3.2",
    ),
    "arm": Note(
        r"\big(f(z) - f(z')\big) \big(\tfrac12 - u\big), \quad "
        r"z = 1[u < \sigma(a)],\ z' = 1[1 - u < \sigma(a)]",
        "Bits from a uniform draw u, and again from its mirror image 1 − u. Layers are taken one "
        "by one, given the draws below.",
        _UNBIASED,
        _arxiv("Yin and Zhou (2019)", "1807.11143"),
    ),
    "disarm": Note(
        r"\tfrac12 \big(f(z) - f(z')\big)\, (z - z')\, \sigma(|a|)",
        "The mean of ARM given the two states of its pair: the same cost and never more variance. "
        "Found twice, the other time as U2G.",
        _UNBIASED,
        _arxiv("Dong, Mnih and Tucker (2020)", "2006.10680")
        + "; "
        + _arxiv("Yin, Ho, Yan, Qian and Zhou (2020)", "2006.06448"),
    ),
    "straight-through": Note(
        r"z = 1[u < \sigma(a)], \qquad \partial z / \partial a := \sigma'(a)",
        "Bits forward, their probabilities backward: a gradient as if the rounding were not there.",
        "Biased for q; unbiased for p.",
        _arxiv("Bengio, Léonard and Courville (2013)", "1308.3432"),
    ),
    "concrete": Note(
        r"\tilde z = \sigma\big((a + \log(1 - u) - \log u) / \lambda\big)",
        "Numbers between 0 and 1 in place of bits, through which the gradient flows. The lower "
        "the temperature λ (here 2/3), the less bias and the more variance.",
        "Biased for the ELBO of the bits: it climbs the bound of a relaxed model.",
        _arxiv("Maddison, Mnih and Teh (2017)", "1611.00712", ", App. C.3"),
    ),
    "gumbel-straight-through": Note(
        r"z = 1[\zeta > 0], \quad \partial z / \partial a := \partial \sigma(\zeta / \lambda) / "
        r"\partial a, \quad \zeta = a + \log(1 - u) - \log u",
        "Bits forward, the relaxed bits of the same noise backward.",
        _BIASED,
        _arxiv("Jang, Gu and Poole (2017)", "1611.01144", ", Sec. 2.2"),
    ),
    "muprop": Note(
        r"\big(f(z) - f(\bar z) - f'(\bar z)^\top (z - \bar z)\big) \nabla_\phi \log q(z \mid x) + "
        r"f'(\bar z)^\top \nabla_\phi \bar z, \quad \bar z = E_q[z]",
        "A first-order expansion of the signal at the mean field is taken off, and its known mean "
        "added back.",
        _UNBIASED,
        _arxiv("Gu, Levine, Sutskever and Mnih (2016)", "1511.05176"),
    ),
    "rebar": Note(
        r"\big(f(z) - c(\zeta')\big) \nabla_a \log q(z) + \nabla_a c(\zeta) - \nabla_a c(\zeta'), "
        r"\quad c(\zeta) = \eta f(\sigma(\zeta / \lambda))",
        "The signal at relaxed bits is the control variate, with ζ′ drawn again given z. Its scale "
        "η and temperature λ are tuned to the least variance.",
        _UNBIASED,
        _arxiv("Tucker, Mnih, Maddison, Lawson and Sohl-Dickstein (2017)", "1703.07370"),
    ),
    "relax": Note(
        r"c(\zeta) = \eta f(\sigma(\zeta / \lambda)) + r(\sigma(\zeta / \lambda), z_{l-1})",
        "REBAR with a network r added to its control variate, tuned to the least variance as well.",
        _UNBIASED,
        _arxiv("Grathwohl, Choi, Wu, Roeder and Duvenaud (2018)", "1711.00123"),
    ),
    "vimco": Note(
        r"\sum_k w_k \nabla f_k + \sum_k \big(\hat L - \hat L^{-k}\big) "
        r"\nabla_\phi \log q(z_k \mid x)",
        "The bound of IWAE for any latents. Each draw has a signal of its own, in which the "
        "geometric mean of the other weights stands in for its own.",
        "Unbiased for L_K, not for the ELBO.",
        _arxiv("Mnih and Rezende (2016)", "1602.06725", ", Sec. 2.5"),
    ),
    "wake-sleep": Note(
        r"\nabla_\theta \log p(x, z),\ z \sim q(z \mid x); \qquad "
        r"\nabla_\phi \log q(\tilde z \mid \tilde x),\ (\tilde x, \tilde z) \sim p",
        "Awake, p learns from the data with the latents of q; asleep, q learns from dreams of p.",
        "Climbs no single objective: q follows KL(p ‖ q) over dreams, not the ELBO.",
        "Hinton, Dayan, Frey and Neal (1995), “The wake-sleep algorithm for unsupervised neural "
        f"networks”; as in {_KINGMA}, Sec. 5",
    ),
    "rws-wake": Note(
        r"\sum_k w_k \nabla_\theta \log p(x, z_k), \qquad "
        r"\sum_k w_k \nabla_\phi \log q(z_k \mid x)",
        "K draws of q, weighted by importance, for p and for q alike: q nears the posterior of the "
        "data.",
        "For p the gradient of L_K; for q biased for KL(p ‖ q), the less the larger K.",
        _arxiv("Bornschein and Bengio (2015)", "1406.2751"),
    ),
    "rws-sleep": Note(
        r"\sum_k w_k \nabla_\theta \log p(x, z_k), \qquad "
        r"\nabla_\phi \log q(\tilde z \mid \tilde x),\ (\tilde x, \tilde z) \sim p",
        "p as in the wake phase; q learns from dreams.",
        "For p the gradient of L_K; q follows KL(p ‖ q) over dreams, not the ELBO.",
        _arxiv("Bornschein and Bengio (2015)", "1406.2751"),
    ),
    "rws-both": Note(
        r"\tfrac12 \nabla_\phi^{\text{wake}} + \tfrac12 \nabla_\phi^{\text{sleep}}",
        "q follows the mean of the two phases; p is as before.",
        "For p the gradient of L_K; for q neither that of L_K nor of the ELBO.",
        _arxiv("Bornschein and Bengio (2015)", "1406.2751"),
    ),
    "mcem": Note(
        r"\nabla_\theta \log p(x, z), \quad z \sim p(z \mid x) \text{ by HMC}",
        "Latents of the posterior by a short Hamiltonian chain that starts at a draw of q, which "
        "learns where the chain ends.",
        "Biased for log p(x): a short chain forgets its start only in part.",
        f"{_KINGMA}, App. E",
    ),
}

NOTES: Mapping[str, Note] = MappingProxyType(_NOTES)
"""By key of `engine.estimators.variants.VARIANTS`, in its order."""
