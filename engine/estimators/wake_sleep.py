"""Wake-sleep and reweighted wake-sleep: p and q climb objectives of their own."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.checks import check_size
from engine.estimators.base import Estimate, GradientEstimator
from engine.models.base import LatentVariableModel
from engine.random import Generator

__all__ = ["PHASES", "ReweightedWakeSleep", "WakeSleep"]

PHASES = ("wake", "sleep", "both")


def dream(model: LatentVariableModel, count: int, generator: Generator | None) -> Tensor:
    """-log q(z | x) of `count` pairs drawn from p(x, z), ``(count,)``; only q has a gradient."""
    with torch.no_grad():
        z = model.prior().sample((count,), generator=generator)
        x = model.likelihood(z).sample(generator=generator)
    return -model.recognition(model.corrupt(x, generator=generator)).log_prob(z)


class WakeSleep(GradientEstimator):
    r"""The wake-sleep algorithm (Hinton, Dayan, Frey and Neal 1995); any latents.

    .. math:: \text{wake: } \nabla_\theta \log p(x, z),\ z \sim q(z \mid x); \qquad
              \text{sleep: } \nabla_\phi \log q(z \mid x),\ (x, z) \sim p(x, z).

    The wake phase is the gradient of the ELBO in the parameters of p. The sleep phase is that of
    E_p[log q(z | x)], the divergence KL(p || q) over dreams instead of KL(q || p) over data: no
    single function has both as its gradient, hence `unbiased` is false. One minibatch of dreams a
    minibatch of data. As in Kingma and Welling (2014), Sec. 5, both at each call.
    """

    objective = "wake-sleep"
    unbiased = False

    def forward(
        self, model: LatentVariableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``."""
        with torch.no_grad():
            q = model.recognition(model.corrupt(x, generator=generator))
            z = q.sample(generator=generator)
            log_q = q.log_prob(z)
        log_joint = model.log_joint(x, z)
        loss = dream(model, len(x), generator).mean() - log_joint.mean()
        return Estimate(log_joint.detach() - log_q, loss)


class ReweightedWakeSleep(GradientEstimator):
    r"""Reweighted wake-sleep (Bornschein and Bengio 2015, arXiv:1406.2751); any latents.

    With weights w_k, the softmax of log p(x, z_k) - log q(z_k | x) over K draws of q,

    .. math:: \nabla_\theta = \sum_k w_k \nabla_\theta \log p(x, z_k), \qquad
              \nabla_\phi^{wake} = \sum_k w_k \nabla_\phi \log q(z_k \mid x), \qquad
              \nabla_\phi^{sleep} = \nabla_\phi \log q(z \mid x),\ (x, z) \sim p(x, z)

    In the parameters of p it is the gradient of L_K exactly; q descends
    KL(p || q), on the data with a bias that falls with K (wake), on dreams without one (sleep).
    `unbiased` is false, as no single function has both as its gradient.

    Args:
        samples: K, at least 2 draws an item, each one evaluation of log p(x, z).
        phi: what moves q: "wake", "sleep", or the mean of "both".
    """

    objective = "reweighted-wake-sleep"
    unbiased = False

    def __init__(self, model: LatentVariableModel, *, samples: int = 5, phi: str = "wake") -> None:
        super().__init__(model)
        if phi not in PHASES:
            raise ValueError(f"`phi` must be one of {PHASES}; got {phi!r}.")
        self.samples = self.evaluations = check_size("samples", samples, least=2)
        self.phi = phi

    def forward(
        self, model: LatentVariableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``; `elbo` is the one-sample bound."""
        q = model.recognition(model.corrupt(x, generator=generator))
        z = q.sample((self.samples,), generator=generator)
        log_joint, log_q = model.log_joint(x, z), q.log_prob(z)
        log_weights = (log_joint - log_q).detach()
        weights = torch.softmax(log_weights, dim=0)
        losses = []
        if self.phi != "sleep":
            losses.append(-(weights * log_q).sum(0).mean())
        if self.phi != "wake":
            losses.append(dream(model, len(x), generator).mean())
        loss = torch.stack(losses).mean() - (weights * log_joint).sum(0).mean()
        return Estimate(log_weights.mean(0), loss)
