"""Pathwise gradients without the score of q: sticking the landing, and DReG."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engine.distributions import DiagonalNormal, IndependentLayers, RankOneNormal
from engine.estimators.base import Estimate
from engine.estimators.derivatives import slope_and_value
from engine.estimators.pathwise import IWAE, Pathwise
from engine.models.base import LatentVariableModel
from engine.random import Generator

__all__ = ["DReG", "StickingTheLanding", "frozen"]


def frozen(q: Any) -> Any:
    """The same Gaussian with parameters that carry no gradient.

    Raises:
        TypeError: `q` is none of the Gaussians of `engine.distributions`.
    """
    if isinstance(q, IndependentLayers):
        return IndependentLayers([frozen(layer) for layer in q.layers])
    if isinstance(q, DiagonalNormal):
        return DiagonalNormal(q.loc.detach(), q.log_scale.detach())
    if isinstance(q, RankOneNormal):
        return RankOneNormal(q.loc.detach(), q.log_precision.detach(), q.factor.detach())
    raise TypeError(f"`q` must be a Gaussian; got {type(q).__name__}.")


class StickingTheLanding(Pathwise):
    r"""The path derivative of Roeder, Wu and Duvenaud (2017), arXiv:1703.09194; unbiased.

    SGVB A without the term -grad_phi log q(z | x) at a fixed z, whose mean is zero:

    .. math:: \nabla_\phi L \approx \tfrac1L \sum_l
              \nabla_z \bigl(\log p(x, z_l) - \log q(z_l \mid x)\bigr)
              \frac{\partial z_l}{\partial \phi}

    Where q is the posterior the difference is constant in z, and the variance is zero:
    the landing sticks.

    Args:
        samples: L, draws an item.
    """

    def forward(
        self, model: LatentVariableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``."""
        q, z = self._draw(model, x, generator)
        elbo = (model.log_joint(x, z) - frozen(q).log_prob(z)).mean(0)
        return Estimate(elbo.detach(), -elbo.mean())


class DReG(IWAE):
    r"""Doubly reparameterised gradients (Tucker et al. 2019, arXiv:1810.04152); unbiased for L_K.

    The score of q in the gradient of `IWAE` is reparameterised once more. With w_k the softmax
    over the draws of the log weights f_k = log p(x, z_k) - log q(z_k | x),

    .. math:: \nabla_\phi L_K \approx \sum_k w_k^2\, \nabla_z f_k
              \frac{\partial z_k}{\partial \phi}, \qquad
              \nabla_\theta L_K \approx \sum_k w_k \nabla_\theta \log p(x, z_k)

    Its signal-to-noise ratio rises with K, where that of `IWAE` falls.

    Args:
        samples: K, draws an item.
    """

    def forward(
        self, model: LatentVariableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``; `elbo` is the one-sample bound."""
        q, z = self._draw(model, x, generator)
        fixed = frozen(q)

        def total(point: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            log_joint = model.log_joint(x, point)
            log_weights = log_joint - fixed.log_prob(point)
            return log_weights.sum(), (log_joint, log_weights)

        slope, (log_joint, log_weights) = slope_and_value(total, z.detach())
        weights = torch.softmax(log_weights.detach(), dim=0)
        path = (weights.square() * (slope.detach() * z).sum(-1)).sum(0)
        loss = -(path + (weights * log_joint).sum(0)).mean()
        return Estimate(log_weights.detach().mean(0), loss)
