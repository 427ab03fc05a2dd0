"""Contrastive divergence and persistent chains, for restricted Boltzmann machines."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.checks import check_flag, check_size
from engine.estimators.base import Estimate, GradientEstimator
from engine.models.base import GenerativeModel
from engine.models.rbm import RBM
from engine.random import Generator, uniform

__all__ = ["ContrastiveDivergence", "PersistentContrastiveDivergence", "pseudo_log_likelihood"]

_MEAN_RATE = 0.01  # of the moving mean of the hidden units


def pseudo_log_likelihood(model: RBM, x: Tensor, generator: Generator | None) -> Tensor:
    """An estimate of the sum of log p(x_i | all other pixels), ``(batch,)`` nats, from one i each.

    Neither log p(x) nor a bound of it, but a number without Z that moves with it.
    """
    with torch.no_grad():
        logits = model.hidden_logits(x)
        place = uniform((len(x),), generator=generator, like=x) * model.data_dim
        chosen = place.long().clamp(max=model.data_dim - 1)
        step = 1 - 2 * x.gather(1, chosen[:, None])[:, 0]  # what turns the bit over adds
        there = F.softplus(logits + step[:, None] * model.weight[chosen]) - F.softplus(logits)
        return -model.data_dim * F.softplus(step * model.visible_bias[chosen] + there.sum(-1))


class ContrastiveDivergence(GradientEstimator):
    r"""CD-k: chains of k Gibbs sweeps from the data stand in for draws of the model.

    .. math:: -\nabla F(x) + \operatorname{E}_{x' \sim T^k(\cdot \mid x)} \nabla F(x')

    estimates the gradient of log p(x), whose second term is E_p. Biased while the chains remember
    the data; the bias falls with k (Hinton 2002; Salakhutdinov and Murray 2008 take k = 25).
    Hidden units are averaged out of both terms.

    With `centring` the step is that of a machine in the coordinates x - mean and h - mean:

    .. math:: \nabla_W = \langle (x - \mu)(h - \lambda)^\top \rangle_{data - model}, \quad
              \nabla_b = \langle x \rangle_{data - model} - \nabla_W \lambda, \quad
              \nabla_c = \langle h \rangle_{data - model} - \nabla_W^\top \mu,

    another ascent direction of the same function, which does not change where a bit is called its
    opposite and learns faster (Melchior, Fischer and Wiskott 2016, arXiv:1311.1354).

    `Estimate.loss` is linear in the parameters, with the step as its gradient: its value says
    nothing. `Estimate.elbo` is `pseudo_log_likelihood`. The first chains' ends become the model's
    particles, from which it draws its samples.

    Args:
        model: an `RBM`.
        steps: k, Gibbs sweeps of a chain.
        centring: see above; without it the plain gradient.

    Raises:
        ValueError: the model is none or `steps` is below 1.
    """

    unbiased = False
    model_kind: ClassVar[str] = "energy"
    latent_kinds: ClassVar[tuple[str, ...]] = ()
    hidden_mean: Tensor

    def __init__(self, model: GenerativeModel, *, steps: int = 1, centring: bool = True) -> None:
        super().__init__(model)
        self._build(self.machine(model), steps, centring)

    def _build(self, machine: RBM, steps: int, centring: bool) -> None:
        self.steps = check_size("steps", steps)
        self.evaluations = self.steps + 1
        self.objective = f"contrastive-divergence-{self.steps}"
        self.centring = check_flag("centring", centring)
        self.register_buffer("hidden_mean", torch.full((machine.hidden,), 0.5))

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Forget the mean of the hidden units; there are no weights."""
        self.hidden_mean.fill_(0.5)

    def machine(self, model: GenerativeModel) -> RBM:
        """The part of the model that is trained."""
        if not isinstance(model, RBM):
            raise ValueError(f"`model` must be an RBM; got {type(model).__name__}.")
        return model

    def forward(
        self, model: GenerativeModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One step for the minibatch `x` ``(batch, data)``."""
        return self.step(self.machine(model), x, generator)

    def step(self, machine: RBM, x: Tensor, generator: Generator | None) -> Estimate:
        """One step of `machine` for its visible bits `x` ``(batch, data)``."""
        with torch.no_grad():
            fantasy = self.chains(machine, x, generator)
            gradients = self.directions(machine, x, fantasy)
        parameters = (machine.weight, machine.visible_bias, machine.hidden_bias)
        pairs = zip(parameters, gradients, strict=True)
        loss = -torch.stack([(parameter * gradient).sum() for parameter, gradient in pairs]).sum()
        return Estimate(pseudo_log_likelihood(machine, x, generator), loss)

    def chains(self, machine: RBM, x: Tensor, generator: Generator | None) -> Tensor:
        """Stand-ins for draws of the model, ``(chains, data)``."""
        ends = machine.gibbs(x, self.steps, generator=generator)
        count = min(len(ends), len(machine.particles))
        machine.particles[:count] = ends[:count]
        return ends

    def directions(self, machine: RBM, x: Tensor, fantasy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The step up in the couplings, the visible and the hidden biases."""
        # one product for both phases: their difference is rounded once where it runs in 16 bits
        both = torch.cat([x, fantasy])
        h = machine.hidden_logits(both).sigmoid()
        sign = torch.cat([x.new_ones(len(x)), x.new_full((len(fantasy),), -len(x) / len(fantasy))])
        signed = both * sign[:, None]
        pairs = (signed.T @ h).to(x.dtype) / len(x)
        visible, hidden = signed.sum(0) / len(x), (sign @ h).to(x.dtype) / len(x)
        if not self.centring:
            return pairs, visible, hidden
        self.hidden_mean.lerp_(h[: len(x)].mean(0), _MEAN_RATE)
        mu, lam = machine.data_mean, self.hidden_mean
        pairs = pairs - torch.outer(mu, hidden) - torch.outer(visible, lam)
        return pairs, visible - pairs @ lam, hidden - mu @ pairs


class PersistentContrastiveDivergence(ContrastiveDivergence):
    """CD whose chains never restart: the model's particles move on by k sweeps at each step.

    Persistent contrastive divergence (Tieleman 2008), or stochastic maximum likelihood (Younes
    1989): where the weights stand still, the chains come to draw from the model and the estimate
    of the gradient of log p(x) loses its bias; where they move, the chains lag behind. Centring
    and the rest as in `ContrastiveDivergence`.

    Args:
        model: an `RBM`; `RBM.particles` are the chains.
        steps: k, Gibbs sweeps at each step.
        centring: see `ContrastiveDivergence`.

    Raises:
        ValueError: the model is none or `steps` is below 1.
    """

    def _build(self, machine: RBM, steps: int, centring: bool) -> None:
        super()._build(machine, steps, centring)
        self.objective = "log-likelihood"

    def chains(self, machine: RBM, x: Tensor, generator: Generator | None) -> Tensor:
        """The particles after k more sweeps, ``(particles, data)``."""
        ends = machine.gibbs(machine.particles, self.steps, generator=generator)
        machine.particles.copy_(ends)
        return ends
