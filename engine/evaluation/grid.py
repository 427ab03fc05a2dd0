"""The true posterior of one, two or three Gaussian latents, on a grid.

On a uniform grid the plain sum is the trapezoidal rule, whose error falls exponentially with the
spacing for densities that are smooth and have died out at the edges (Trefethen and Weideman 2014,
SIAM Review 56(3)): a spacing of one posterior standard deviation is exact to eight digits. What is
hard is to find the posterior, which may be a hundredth as wide as the prior.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.checks import check_size
from engine.models.base import LatentVariableModel

REACH = 6.0
"""Standard deviations of the prior that the search starts with: 1e-8 of its mass is outside."""

DEPTH = 25.0
"""Nats below the highest density at which the posterior counts as zero."""

RESOLVED = 0.01
"""The error of a grid that is fine enough, nats."""

CHUNK_ROWS = 8192
"""Points decoded at a time."""

_SEARCH_SIZE = {1: 241, 2: 61, 3: 31}
_SIZE = {1: 81, 2: 81, 3: 41}
_STAGES = 8
_NEAR = 0.5  # nats to the neighbours of the highest point: one standard deviation of a Gaussian
_SHRUNK = 0.7

Limits = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class GridPosterior:
    """log p(z | x) of one item where the grid has its points.

    Attributes:
        axes: the values of each latent, ``(size,)`` each, float64.
        log_density: log p(z | x) in nats per unit of area (length), ``(size,)`` for one latent,
            ``(size, size)`` for two with the first latent along the first axis, and so on; float64.
        log_marginal: log p(x) in nats, the integral over this grid and no more: what lies
            outside its limits is missing.
        error: the most that the sum over every second point is away from it, in nats, from
            whichever point it begins. Below `RESOLVED` the whole sum is good to many more digits;
            a large one says that the grid is too coarse.
    """

    axes: tuple[Tensor, ...]
    log_density: Tensor
    log_marginal: float
    error: float

    @property
    def points(self) -> Tensor:
        """The latents of every point, ``(size ** latents, latents)``, float64."""
        return torch.cartesian_prod(*self.axes).view(-1, len(self.axes))

    @property
    def peak(self) -> Tensor:
        """The point of the highest density, ``(latents,)``."""
        return self.points[self.log_density.argmax()]

    @property
    def mean(self) -> Tensor:
        """E[z | x] ``(latents,)``."""
        return self._probabilities() @ self.points

    @property
    def covariance(self) -> Tensor:
        """Cov[z | x] ``(latents, latents)``."""
        centred = self.points - self.mean
        return (centred * self._probabilities()[:, None]).T @ centred

    def _probabilities(self) -> Tensor:
        return self.log_density.flatten().softmax(0)


def grid_axes(limits: Limits, size: int) -> tuple[Tensor, ...]:
    """`size` equally spaced values between the limits of each latent, float64."""
    return tuple(torch.linspace(low, high, size, dtype=torch.float64) for low, high in limits)


@torch.no_grad()
def grid_posterior(
    model: LatentVariableModel,
    x: Tensor,
    *,
    limits: Limits | None = None,
    size: int | None = None,
) -> GridPosterior:
    """The posterior of one item `x` ``(data,)`` or ``(1, data)`` on a grid.

    Args:
        model: with one to three Gaussian latents.
        limits: lowest and highest value of each latent; without them the grid is laid around
            the posterior, all that is less than `DEPTH` nats below its top, by looking at ever
            smaller boxes.
        size: points an axis; 81 if None, and 41 for three latents.

    Raises:
        ValueError: the latents are not one to three Gaussian ones, `x` is not one item, `size`
            is below 3 or the limits are not increasing pairs of finite numbers.
    """
    latents = _latents(model, 3)
    size = _SIZE[latents] if size is None else size
    if check_size("size", size) < 3:
        raise ValueError(f"`size` must be at least 3 points an axis; got {size}.")
    x = x.reshape(1, -1) if x.ndim == 1 else x
    if x.shape != (1, model.data_dim):
        raise ValueError(f"`x` must be one item of {model.data_dim} pixels; got {tuple(x.shape)}.")
    if limits is None:
        limits = _find(model, x, latents)
    elif len(limits) != latents or not all(
        math.isfinite(low) and math.isfinite(high) and low < high for low, high in limits
    ):
        raise ValueError(f"`limits` must be {latents} pairs (low, high); got {limits!r}.")
    axes = grid_axes(limits, size)
    log_joint = _log_joint(model, x, axes)
    log_marginal = _integral(log_joint, axes)
    return GridPosterior(axes, log_joint - log_marginal, log_marginal, _error(log_joint))


def _latents(model: LatentVariableModel, most: int) -> int:
    count = sum(model.layer_sizes)
    if model.latent_kind != "gaussian" or count > most:
        raise ValueError(
            f"`model` must have one to {most} Gaussian latents for a grid; got {count} "
            f"{model.latent_kind} ones."
        )
    return count


def _log_joint(model: LatentVariableModel, x: Tensor, axes: Sequence[Tensor]) -> Tensor:
    """Log p(x, z) at every point of the grid, float64."""
    points = torch.cartesian_prod(*axes).view(-1, 1, len(axes)).to(x)
    found = [model.log_joint(x, z).squeeze(-1) for z in points.split(CHUNK_ROWS)]
    return torch.cat(found).double().cpu().view([len(axis) for axis in axes])


def _integral(log_values: Tensor, axes: Sequence[Tensor]) -> float:
    """Log of the integral, a plain sum: the values have died out at the edges."""
    cell = sum(math.log(float(axis[1] - axis[0])) for axis in axes)
    return float(log_values.flatten().logsumexp(0)) + cell


def _error(log_values: Tensor) -> float:
    """The largest deviation of the sums over every second point along each axis."""
    starts = itertools.product((0, 1), repeat=log_values.ndim)
    parts = [log_values[tuple(slice(at, None, 2) for at in start)] for start in starts]
    sums = torch.stack([part.flatten().logsumexp(0) for part in parts])
    whole = sums.logsumexp(0) - math.log(len(sums))
    return float((sums - whole).abs().max())


def _find(model: LatentVariableModel, x: Tensor, latents: int) -> Limits:
    """The box around all that counts, from the prior's box down.

    Between two points of a coarse grid the density may rise above both; by how much is judged
    by the drop from the highest point to its neighbours, and half of it is added to the depth.
    A ridge across the axes that is much narrower than long may stay unresolved: see
    `GridPosterior.error`.
    """
    limits: Limits = [(-REACH, REACH)] * latents
    for _ in range(_STAGES):
        axes = grid_axes(limits, _SEARCH_SIZE[latents])
        values = _log_joint(model, x, axes)
        top = torch.unravel_index(values.argmax(), values.shape)
        around = tuple(slice(max(int(i) - 1, 0), int(i) + 2) for i in top)
        drop = float(values.max() - values[around].min())
        counts = (values >= values.max() - DEPTH - drop / 2).nonzero()
        before = limits
        limits = []
        for axis, first, last in zip(axes, counts.amin(0), counts.amax(0), strict=True):
            step = float(axis[1] - axis[0])
            limits.append((float(axis[first]) - step, float(axis[last]) + step))
        shrunk = any(
            (new[1] - new[0]) < _SHRUNK * (old[1] - old[0])
            for new, old in zip(limits, before, strict=True)
        )
        if drop < _NEAR or not shrunk:
            break
    return limits


def prior_grid(model: LatentVariableModel, size: int = 121) -> tuple[Tensor, Tensor]:
    """Points that cover the prior and their log-weights: sum of w f(z) is the integral of p(z) f.

    Returns:
        Points ``(size ** latents, latents)`` and log-weights ``(size ** latents,)`` in the
        model's dtype.

    Raises:
        ValueError: the latents are not one or two Gaussian ones.
    """
    axes = grid_axes([(-REACH, REACH)] * _latents(model, 2), size)
    points = torch.cartesian_prod(*axes).view(-1, len(axes))
    log_weights = (-points.square().sum(-1) / 2).log_softmax(0)
    like = next(model.parameters())
    return points.to(like), log_weights.to(like)
