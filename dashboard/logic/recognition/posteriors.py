"""The true posterior of one image, and q on a plane: what the recognition microscope draws."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dashboard.embedding import Plane

if TYPE_CHECKING:
    from torch import Tensor

    from engine.distributions import Distribution
    from engine.evaluation.grid import GridPosterior
    from engine.models import LatentVariableModel

__all__ = ["MASSES", "Posterior", "covariance", "mass_levels", "plane_normal", "true_posterior"]

MASSES = (1 - math.exp(-0.5), 1 - math.exp(-2))
"""What the ellipses of one and two standard deviations of a plane's Gaussian hold: 39 %, 86 %."""

GRID_DEPTH = 30.0  # nats below the top at which a density is as good as zero on a picture


@dataclass(frozen=True)
class Posterior:
    """The true posterior as the microscope draws it.

    Attributes:
        header, arrays: parts of the message.
        words: what it is and how far to trust it.
        mean: E[z | x] on the plane, or of the bits.
    """

    header: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    words: str
    mean: NDArray[np.float64]


def mass_levels(log_density: NDArray[np.floating]) -> list[float]:
    """The log-densities of a grid above which lie the shares `MASSES` of its mass."""
    sorted_logs = np.sort(log_density.ravel())[::-1]
    mass = np.cumsum(np.exp(sorted_logs - sorted_logs[0]))
    places = np.searchsorted(mass, np.array(MASSES) * mass[-1])
    return [float(sorted_logs[place]) for place in places]


def grid_picture(grid: GridPosterior) -> Posterior:
    """The posterior of two latents: a tint, and lines around the masses of the ellipses."""
    x, y = (axis.numpy() for axis in grid.axes)
    log_density = grid.log_density.numpy()
    shown = np.maximum(log_density, log_density.max() - GRID_DEPTH).astype(np.float32)
    levels = mass_levels(shown)
    columns, rows = (shown >= levels[-1]).nonzero()
    inner = [x[columns.min()], x[columns.max()], y[rows.min()], y[rows.max()]]
    header = {
        "grid": {
            "columns": len(x),
            "rows": len(y),
            "box": [float(x[0]), float(x[-1]), float(y[0]), float(y[-1])],
            "levels": levels,
            "inner": [float(side) for side in inner],
        }
    }
    words = "The true posterior is on a grid; its lines hold 39 % and 86 %, as the ellipses do."
    return Posterior(header, {"log_density": shown}, words, grid.mean.numpy())


def true_posterior(
    model: LatentVariableModel, x: Tensor, plane: Plane | None, *, samples: int, seed: int
) -> Posterior:
    """The true posterior of one image: by a grid, by enumeration, or by weighted draws of q.

    Args:
        model: in evaluation mode.
        x: `(data,)`.
        plane: of the map; None for bits.
        samples: weighted draws where neither a grid nor enumeration goes.
        seed: of the draws.
    """
    from engine.evaluation import exact
    from engine.evaluation.gap import MAX_BITS
    from engine.evaluation.grid import grid_posterior
    from engine.evaluation.importance import importance_posterior
    from engine.random import make_generator

    latents = sum(model.layer_sizes)
    if model.latent_kind == "gaussian" and latents == 2:
        return grid_picture(grid_posterior(model, x))
    if model.latent_kind == "bernoulli" and latents <= MAX_BITS:
        states = exact.all_bits(latents).double()
        probabilities = (exact.posterior(model, x[None])[:, 0].double() @ states).numpy()
        words = f"True posterior: exact, summed over all {2**latents} states."
        return Posterior({}, _probabilities(probabilities), words, probabilities)
    found = importance_posterior(model, x, samples, generator=make_generator(seed))
    words = (
        f"True posterior: {samples} weighted draws of q, worth {found.ess:.0f} (effective sample "
        f"size){'; too few to trust' if found.ess < 10 else ''}."
    )
    if plane is None:
        mean = found.mean.numpy()
        return Posterior({}, _probabilities(mean), words, mean)
    normal = _on_plane(found.mean.numpy(), found.covariance.numpy(), plane)
    return Posterior({"normal": normal}, {}, words, np.array([normal["x"], normal["y"]]))


def _probabilities(values: NDArray[np.floating]) -> dict[str, NDArray[Any]]:
    return {"probabilities": values.astype(np.float32)}


def _on_plane(
    mean: NDArray[np.floating], covariance: NDArray[np.floating], plane: Plane
) -> dict[str, Any]:
    x, y = plane.project(mean[None])[0]
    on_plane = plane.axes @ covariance @ plane.axes.T
    parts = (on_plane[0, 0], on_plane[0, 1], on_plane[1, 1])
    return {"x": float(x), "y": float(y), "covariance": [float(part) for part in parts]}


def plane_normal(q: Distribution, plane: Plane) -> dict[str, Any]:
    """Mean and covariance (xx, xy, yy) of a Gaussian q with a batch of one on the plane."""
    return _on_plane(q.mean[0].double().numpy(), covariance(q), plane)


def covariance(q: Distribution) -> NDArray[np.float64]:
    """Cov[z] `(latent, latent)` of a Gaussian q with a batch of one.

    Raises:
        TypeError: q is of another kind.
    """
    from engine.distributions import DiagonalNormal, IndependentLayers, RankOneNormal

    if isinstance(q, DiagonalNormal):
        return np.diag(q.stddev[0].double().square().numpy())
    if isinstance(q, RankOneNormal):
        # Sherman and Morrison: D^-1 - D^-1 u u' D^-1 / (1 + u' D^-1 u)
        variance = q.log_precision[0].double().neg().exp()
        scaled = variance * q.factor[0].double()
        inflation = 1 + float((scaled * q.factor[0]).sum())
        return (variance.diag() - scaled[:, None] * scaled / inflation).numpy()
    if isinstance(q, IndependentLayers):
        out = np.zeros((sum(q.sizes), sum(q.sizes)))
        start = 0
        for layer, size in zip(q.layers, q.sizes, strict=True):
            out[start : start + size, start : start + size] = covariance(layer)
            start += size
        return out
    raise TypeError(f"`q` must be Gaussian; got {type(q).__name__}.")
