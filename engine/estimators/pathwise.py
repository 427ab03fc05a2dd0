"""The SGVB estimators (reparameterisation, stochastic backpropagation) and the IWAE bound."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from engine.checks import check_size
from engine.estimators.base import Estimate, GradientEstimator
from engine.models.base import LatentVariableModel
from engine.random import Generator


class Pathwise(GradientEstimator):
    """What the estimators by reparameterisation share: L differentiable draws an item."""

    latent_kinds = ("gaussian",)

    def __init__(self, model: LatentVariableModel, *, samples: int = 1) -> None:
        super().__init__(model)
        self.samples = self.evaluations = check_size("samples", samples)

    def _draw(
        self, model: LatentVariableModel, x: Tensor, generator: Generator | None
    ) -> tuple[Any, Tensor]:
        """q(z | x) and z ``(samples, batch, latent)``, differentiable in the parameters of q."""
        q: Any = model.recognition(model.corrupt(x, generator=generator))
        return q, q.rsample((self.samples,), generator=generator)


class SGVBA(Pathwise):
    r"""Estimator A of Kingma and Welling (2014), Eq. 6: every term sampled.

    .. math:: \tilde L^A = \tfrac1L \sum_l \log p(x, z_l) - \log q(z_l \mid x), \quad
              z_l = g(\epsilon_l, x)

    Args:
        samples: L, draws an item.
    """

    def forward(
        self, model: LatentVariableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``."""
        q, z = self._draw(model, x, generator)
        elbo = (model.log_joint(x, z) - q.log_prob(z)).mean(0)
        return Estimate(elbo.detach(), -elbo.mean())


class SGVBB(Pathwise):
    r"""Estimator B of Kingma and Welling (2014), Eq. 7: the KL divergence in closed form.

    .. math:: \tilde L^B = -KL(q(z \mid x) \| p(z)) + \tfrac1L \sum_l \log p(x \mid z_l)

    Args:
        samples: L, draws an item.
    """

    def forward(
        self, model: LatentVariableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``."""
        q, z = self._draw(model, x, generator)
        reconstruction = model.likelihood(z).log_prob(x).mean(0)
        elbo = reconstruction - q.kl_standard_normal()
        return Estimate(elbo.detach(), -elbo.mean())


class IWAE(Pathwise):
    r"""The importance-weighted bound of Burda et al. (2016), arXiv:1509.00519, Eq. 8.

    .. math:: L_K = \log \tfrac1K \sum_k p(x, z_k) / q(z_k \mid x)

    Its reparameterised gradient is that of L_K, a tighter bound than the ELBO.

    Args:
        samples: K, draws an item.
    """

    def __init__(self, model: LatentVariableModel, *, samples: int = 5) -> None:
        super().__init__(model, samples=samples)
        self.objective = f"iwae-{samples}"

    def forward(
        self, model: LatentVariableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``; `elbo` is the one-sample bound."""
        q, z = self._draw(model, x, generator)
        log_weights = model.log_joint(x, z) - q.log_prob(z)
        bound = torch.logsumexp(log_weights, dim=0) - math.log(self.samples)
        return Estimate(log_weights.detach().mean(0), -bound.mean())
