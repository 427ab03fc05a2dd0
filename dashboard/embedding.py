"""The map of a layer's latents: which points, on which plane, with which images on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Limits",
    "Plane",
    "colour_ink",
    "from_quantiles",
    "latent_plane",
    "nearest",
    "paste",
    "principal_axes",
    "principal_plane",
    "room_for_images",
    "square_limits",
    "subset",
    "tile_centres",
    "to_quantiles",
]

Points = NDArray[np.float64]

QUANTILE_EDGE = 1e-4  # quantiles nearer to 0 and 1 are not decoded: their latents go to infinity


@dataclass(frozen=True)
class Limits:
    """The part of the plane that is shown: x from `left` to `right`, y from `bottom` to `top`."""

    left: float
    right: float
    bottom: float
    top: float

    @property
    def width(self) -> float:
        """Length of the horizontal axis."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Length of the vertical axis."""
        return self.top - self.bottom


@dataclass(frozen=True)
class Plane:
    """A plane in latent space: z = origin + x * axes[0] + y * axes[1].

    Attributes:
        origin: `(latent,)`.
        axes: `(2, latent)`, orthonormal.
        explained: share of the variance along each axis, or None where the axes are the latents.
    """

    origin: NDArray[np.float64]
    axes: NDArray[np.float64]
    explained: tuple[float, float] | None = None

    def project(self, z: NDArray[np.floating]) -> Points:
        """The feet of the perpendiculars from z `(n, latent)` on the plane, `(n, 2)`."""
        return (np.asarray(z, dtype=np.float64) - self.origin) @ self.axes.T

    def lift(self, points: Points) -> NDArray[np.float64]:
        """The codes `(n, latent)` of points on the plane `(n, 2)`."""
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


def principal_plane(z: NDArray[np.floating]) -> Plane:
    """The plane of the first two principal axes of z `(n, latent)`, through its mean.

    Raises:
        ValueError: fewer than two points or two latents.
    """
    if z.ndim != 2 or z.shape[1] < 2:
        raise ValueError(f"`z` must have at least two columns; got {z.shape}.")
    axes, deviations = principal_axes(z)
    variances = np.square(deviations)
    total = float(variances.sum())
    first, second = (float(v) / total if total > 0 else 0.0 for v in variances[:2])
    return Plane(np.asarray(z, dtype=np.float64).mean(0), axes[:2], (first, second))


def to_quantiles(points: Points) -> Points:
    """Coordinates as quantiles of the prior N(0, 1), in (0, 1)."""
    return np.vectorize(lambda value: 0.5 * math.erfc(-value / math.sqrt(2)), otypes=[float])(
        np.asarray(points, dtype=np.float64)
    )


def from_quantiles(points: Points) -> Points:
    """The inverse of `to_quantiles`; the edges are moved in by `QUANTILE_EDGE`."""
    from statistics import NormalDist

    inner = np.clip(points, QUANTILE_EDGE, 1 - QUANTILE_EDGE)
    return np.vectorize(NormalDist().inv_cdf, otypes=[float])(inner)


def square_limits(points: Points, margin: float = 0.04) -> Limits:
    """The smallest square around the points, and a margin; around the origin without points."""
    if len(points) == 0:
        return Limits(-1.0, 1.0, -1.0, 1.0)
    low, high = points.min(0), points.max(0)
    half = max(float((high - low).max()) / 2, 1e-6) * (1 + 2 * margin)
    x, y = ((low + high) / 2).tolist()
    return Limits(x - half, x + half, y - half, y + half)


def tile_centres(limits: Limits, rows: int, columns: int) -> Points:
    """Centres of the cells of a grid over the limits, `(rows * columns, 2)`, upper row first."""
    x = limits.left + (np.arange(columns) + 0.5) / columns * limits.width
    y = limits.top - (np.arange(rows) + 0.5) / rows * limits.height
    return np.stack([np.tile(x, rows), np.repeat(y, columns)], axis=1)


def room_for_images(
    points: Points, limits: Limits, rows: int, columns: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One point for each cell of a grid that has any: the one nearest to the cell's centre.

    Returns:
        The cells (numbered as by `tile_centres`, increasing) and the point of each.
    """
    column = np.floor((points[:, 0] - limits.left) / limits.width * columns).astype(np.int64)
    row = np.floor((limits.top - points[:, 1]) / limits.height * rows).astype(np.int64)
    inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    cell = row * columns + column
    centres = tile_centres(limits, rows, columns)
    scale = np.array([limits.width / columns, limits.height / rows])
    distance = np.full(len(points), np.inf)
    distance[inside] = np.square((points[inside] - centres[cell[inside]]) / scale).sum(1)
    order = np.argsort(distance, kind="stable")
    order = order[inside[order]]
    cells, first = np.unique(cell[order], return_index=True)
    return cells, order[first].astype(np.int64)


def colour_ink(pixels: NDArray[np.uint8], colours: Sequence[str]) -> NDArray[np.uint8]:
    """Images as ink of a colour on nothing: `(n, h, w)` to RGBA `(n, h, w, 4)`.

    Args:
        pixels: uint8, white is ink.
        colours: one for each image, "#rrggbb".
    """
    out = np.empty((*pixels.shape, 4), dtype=np.uint8)
    for image, shown, colour in zip(pixels, out, colours, strict=True):
        shown[..., :3] = tuple(bytes.fromhex(colour.removeprefix("#")))
        shown[..., 3] = image
    return out


def paste(
    images: NDArray[np.uint8], cells: NDArray[np.int64], rows: int, columns: int, scale: int = 1
) -> NDArray[np.uint8]:
    """One RGBA picture of a grid with images in some of its cells, the others transparent.

    Args:
        images: `(n, height, width, 4)`, all of the size of a cell.
        cells: the cell of each, numbered row by row from the upper left.
        rows, columns: of the grid.
        scale: each pixel becomes a square of this many, so that browsers blur it less.
    """
    height, width = images.shape[1:3]
    picture = np.zeros((rows, height, columns, width, 4), dtype=np.uint8)
    for image, cell in zip(images, cells, strict=True):
        picture[cell // columns, :, cell % columns] = image
    flat = picture.reshape(rows * height, columns * width, 4)
    return flat.repeat(scale, axis=0).repeat(scale, axis=1)


def nearest(z: NDArray[np.floating], index: int, count: int) -> NDArray[np.int64]:
    """Rows of z `(n, latent)` nearest to row `index` (Euclidean), nearest first, without it."""
    distance = np.square(z - z[index]).sum(1)
    distance[index] = np.inf
    order = np.argsort(distance, kind="stable")[: max(0, min(count, len(z) - 1))]
    return order.astype(np.int64)
