"""The map of a layer's latents: which points, and on which plane."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Plane",
    "latent_plane",
    "principal_axes",
    "principal_plane",
    "subset",
    "to_quantiles",
]

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """Axes through a point of latent space, two of which span the plane of a map.

    Attributes:
        origin: `(latent,)`.
        axes: `(axes, latent)`, orthonormal.
        explained: share of the variance along each axis, or None where the axes are the latents.
    """

    origin: NDArray[np.float64]
    axes: NDArray[np.float64]
    explained: tuple[float, ...] | None = None

    def project(self, z: NDArray[np.floating]) -> Points:
        """The feet of the perpendiculars from z `(n, latent)` on the axes, `(n, axes)`."""
        return (np.asarray(z, dtype=np.float64) - self.origin) @ self.axes.T

    def lift(self, points: Points) -> NDArray[np.float64]:
        """The codes `(n, latent)` of coordinates on the axes `(n, axes)`."""
        return self.origin + np.asarray(points, dtype=np.float64) @ self.axes


def subset(total: int, count: int) -> NDArray[np.int64]:
    """Positions of `count` of `total` images, always the same ones, in increasing order."""
    if count >= total:
        return np.arange(total, dtype=np.int64)
    chosen = np.random.default_rng(0).choice(total, size=max(count, 0), replace=False)
    return np.sort(chosen).astype(np.int64)


def latent_plane() -> Plane:
    """The plane of a layer of two latents: the latents themselves."""
    return Plane(np.zeros(2), np.eye(2))


def principal_axes(
    z: NDArray[np.floating],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The directions along which z `(n, latent)` varies, most first.

    Signs are fixed (the largest component of an axis is positive), so that maps do not flip.

    Returns:
        Unit vectors, `(latent, latent)`, and the standard deviation along each, `(latent,)`.

    Raises:
        ValueError: fewer than two points.
    """
    z = np.asarray(z, dtype=np.float64)
    if z.ndim != 2 or len(z) < 2:
        raise ValueError(f"`z` must have at least two rows; got {z.shape}.")
    centred = z - z.mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(z))
    axes = vectors[:, ::-1].T
    largest = np.abs(axes).argmax(axis=1)
    signs = np.where(axes[np.arange(len(axes)), largest] < 0, -1.0, 1.0)
    return axes * signs[:, None], np.sqrt(values[::-1].clip(min=0))


def principal_plane(z: NDArray[np.floating], count: int = 2) -> Plane:
    """The first principal axes of z `(n, latent)`, at most `count`, through its mean.

    Raises:
        ValueError: fewer than two points or two latents.
    """
    if z.ndim != 2 or z.shape[1] < 2:
        raise ValueError(f"`z` must have at least two columns; got {z.shape}.")
    axes, deviations = principal_axes(z)
    variances = np.square(deviations)
    total = float(variances.sum())
    shares = tuple(float(v) / total if total > 0 else 0.0 for v in variances[:count])
    return Plane(np.asarray(z, dtype=np.float64).mean(0), axes[:count], shares)


def to_quantiles(points: Points) -> Points:
    """Coordinates as quantiles of the prior N(0, 1), in (0, 1)."""
    return np.vectorize(lambda value: 0.5 * math.erfc(-value / math.sqrt(2)), otypes=[float])(
        np.asarray(points, dtype=np.float64)
    )
