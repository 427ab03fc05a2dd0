"""The gradient rules of Rezende, Mohamed and Wierstra: Bonnet's for the mean, Price's for C."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.distributions import DiagonalNormal, IndependentLayers
from engine.estimators.base import Estimate
from engine.estimators.pathwise import Pathwise
from engine.models.base import LatentVariableModel
from engine.random import Generator

__all__ = ["FORMS", "Rezende"]

FORMS = ("hessian", "noise")
COLUMN_FLOATS = 2**18
"""Pixels decoded at a time while the diagonal of the Hessian is made."""


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
            draw as there are latents, and one for each layer with a rank-one precision: one for
            each product of H and a vector.
    """

    def __init__(
        self, model: LatentVariableModel, *, samples: int = 1, form: str = "hessian"
    ) -> None:
        super().__init__(model, samples=samples)
        if form not in FORMS:
            raise ValueError(f"`form` must be one of {FORMS}; got {form!r}.")
        self.form = form
        if form == "hessian":
            rank_one = model.config.get("covariance") == "rank-one"
            products = sum(model.layer_sizes) + rank_one * len(model.layer_sizes)
            self.evaluations = samples * (1 + products)
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

            def times(direction: Tensor) -> Tensor:
                """H times a vector for every item at once: the items know nothing of each other."""
                return pull(direction.expand_as(fixed))[0].detach()

            diagonal = _diagonal(times, fixed, model.data_dim)
            path = (slope.detach() * q.mean).sum(-1) + 0.5 * _trace(times, diagonal, q)
        kl = q.kl_standard_normal()
        loss = (kl - (log_likelihood + path).mean(0)).mean()
        return Estimate((log_likelihood.mean(0) - kl).detach(), loss)


def _diagonal(times: Callable[[Tensor], Tensor], z: Tensor, width: int) -> Tensor:
    """The diagonal of H, of the shape of `z`, from its columns, some of them at a time.

    All of H for every item and draw would not fit into memory for hundreds of latents.
    """
    units = torch.eye(z.shape[-1], dtype=z.dtype, device=z.device)
    together = max(1, COLUMN_FLOATS // (z.shape[:-1].numel() * width))
    columns = torch.func.vmap(
        lambda unit: (times(unit) * unit).sum(-1), chunk_size=min(together, len(units))
    )
    return columns(units).movedim(0, -1)


def _trace(times: Callable[[Tensor], Tensor], diagonal: Tensor, q: Any) -> Tensor:
    """tr(H C), ``(sample, batch)``, with the gradient of C but not of H.

    The covariance of a rank-one layer is diagonal less w w^T / r, with w = D^-1 u and r = 1 + s.
    """
    layers = q.layers if isinstance(q, IndependentLayers) else (q,)
    sizes = [layer.loc.shape[-1] for layer in layers]
    traces = []
    for index, (layer, part) in enumerate(zip(layers, diagonal.split(sizes, -1), strict=True)):
        if isinstance(layer, DiagonalNormal):
            traces.append((part * (2 * layer.log_scale).exp()).sum(-1))
            continue
        w = layer.scaled_factor
        before, after = sum(sizes[:index]), sum(sizes[index + 1 :])
        along = times(F.pad(w.detach(), (before, after))).split(sizes, -1)[index]  # H w
        form = ((2 * w - w.detach()) * along).sum(-1)  # w^T H w, and its gradient 2 H w
        traces.append((part * torch.exp(-layer.log_precision)).sum(-1))
        traces.append(-form / layer.inflation.squeeze(-1))
    return torch.stack(traces).sum(0)
