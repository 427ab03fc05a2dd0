"""The gradient rules of Rezende, Mohamed and Wierstra: Bonnet's for the mean, Price's for C."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engine.distributions import DiagonalNormal, IndependentLayers
from engine.estimators.base import Estimate
from engine.estimators.pathwise import Pathwise
from engine.models.base import LatentVariableModel
from engine.random import Generator

__all__ = ["FORMS", "Rezende"]

FORMS = ("hessian", "noise")


class Rezende(Pathwise):
    r"""Stochastic backpropagation by rules for the Gaussian (2014, arXiv:1401.4082v3, Sec. 3).

    With f(z) = log p(x | z), g its gradient and H its Hessian in z, and q = N(mu, C),

    .. math:: \nabla_\mu E_q[f] = E_q[g], \qquad
              \nabla_C E_q[f] = \tfrac12 E_q[H] \quad (\text{"hessian"}), \qquad
              \nabla_R E_q[f] = E[g\, \epsilon^\top] \quad (\text{"noise"}),

    for z = mu + R eps and C = R R^T: the theorems of Bonnet and of Price, and the form by a change
    of coordinates that needs no second derivative. The divergence from the prior is exact. The
    noise form is the gradient of `SGVBB` draw by draw, written out. The Hessian form holds for
    functions that are twice differentiable: with "relu" the kinks carry curvature that no Hessian
    sees, and it is biased.

    Args:
        samples: L, draws an item.
        form: of the gradient of the covariance. "hessian" costs as many further evaluations a
            draw as there are latents, one a column of H.
    """

    def __init__(
        self, model: LatentVariableModel, *, samples: int = 1, form: str = "hessian"
    ) -> None:
        super().__init__(model, samples=samples)
        if form not in FORMS:
            raise ValueError(f"`form` must be one of {FORMS}; got {form!r}.")
        self.form = form
        if form == "hessian":
            self.evaluations = samples * (1 + sum(model.layer_sizes))
            self.unbiased = model.config.get("activation") != "relu"

    def forward(
        self, model: LatentVariableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``."""
        q, z = self._draw(model, x, generator)

        def total(point: Tensor) -> tuple[Tensor, Tensor]:
            log_likelihood = model.likelihood(point).log_prob(x)
            return log_likelihood.sum(), log_likelihood

        slope_of = torch.func.grad(total, has_aux=True)
        fixed = z.detach()
        if self.form == "noise":
            slope, log_likelihood = slope_of(fixed)
            path = (slope.detach() * z).sum(-1)  # g . mu + g . (R eps)
        else:
            result: Any = torch.func.vjp(slope_of, fixed, has_aux=True)
            slope, pull, log_likelihood = result
            units = torch.eye(z.shape[-1], dtype=z.dtype, device=z.device)
            # H e_i for every item at once: the items do not depend on one another
            columns = torch.func.vmap(lambda unit: pull(unit.expand_as(fixed))[0])(units).detach()
            path = (slope.detach() * q.mean).sum(-1) + 0.5 * _trace(columns.movedim(0, -1), q)
        kl = q.kl_standard_normal()
        loss = (kl - (log_likelihood + path).mean(0)).mean()
        return Estimate((log_likelihood.mean(0) - kl).detach(), loss)


def _trace(hessian: Tensor, q: Any) -> Tensor:
    """tr(H C) with the covariance of q, ``(*sample, batch)``, for `hessian` ``(..., K, K)``."""
    if isinstance(q, IndependentLayers):
        start, traces = 0, []
        for layer, size in zip(q.layers, q.sizes, strict=True):
            block = hessian[..., start : start + size, start : start + size]
            traces.append(_trace(block, layer))
            start += size
        return torch.stack(traces).sum(0)
    diagonal = hessian.diagonal(dim1=-2, dim2=-1)
    if isinstance(q, DiagonalNormal):
        return (diagonal * (2 * q.log_scale).exp()).sum(-1)
    along = (hessian @ q.scaled_factor.unsqueeze(-1)).squeeze(-1)  # H D^-1 u
    outer = (along * q.scaled_factor).sum(-1) / q.inflation.squeeze(-1)
    return (diagonal * torch.exp(-q.log_precision)).sum(-1) - outer
