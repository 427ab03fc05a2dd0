"""The pictures that lie on a map: test images among the points, or the manifold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dashboard import cache
from dashboard.components import charts
from dashboard.components.image_grid import png, to_pixels
from dashboard.components.map_layout import MapLayout
from dashboard.embedding import colour_ink, paste, room_for_images, tile_centres

__all__ = ["images_picture", "images_png", "manifold_picture", "manifold_png"]


def manifold_picture(layout: MapLayout) -> bytes:
    """What the model draws all over the map, as PNG, kept for all visitors."""
    view = layout.view
    rows, columns = view.grid

    def make() -> bytes:
        centres = tile_centres(layout.limits, rows, columns)
        return manifold_png(layout.drawn(centres), view.images.image_shape, columns)

    return _kept(layout, make)


def images_picture(layout: MapLayout) -> tuple[bytes, NDArray[np.int64]]:
    """As many images as there is room for, as PNG, kept for all visitors; and which points."""
    view = layout.view
    rows, columns = view.grid
    cells, pictured = room_for_images(layout.where, layout.limits, rows, columns)

    def make() -> bytes:
        x = view.images.x[layout.indices[pictured]]
        colours = None if layout.labels is None else layout.labels[pictured]
        return images_png(to_pixels(x, view.images.image_shape), colours, cells, rows, columns)

    return _kept(layout, make), pictured


def _kept(layout: MapLayout, make: Callable[[], bytes]) -> bytes:
    view = layout.view
    return cache.picture(view.checkpoint, (*view.source, view.projection, view.show), make)


def images_png(
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64] | None,
    cells: NDArray[np.int64],
    rows: int,
    columns: int,
) -> bytes:
    """Images in their cells of the map: digits as ink in the colour of their class, others grey.

    Args:
        pixels: uint8 `(n, height, width)`.
        labels: of each, or None.
        cells: of each, see `embedding.room_for_images`.
        rows, columns: of the grid.
    """
    if labels is None:
        shape = (*pixels.shape, 4)
        images = np.full(shape, 255, dtype=np.uint8)
        images[..., :3] = pixels[..., None]
    else:
        colours = [charts.CLASS_COLOURS[int(label) % 10] for label in labels]
        images = colour_ink(pixels, colours)
    return png(paste(images, cells, rows, columns, scale=2))


def manifold_png(images: NDArray[np.float32], shape: tuple[int, int], columns: int) -> bytes:
    """The images of a grid side by side without gaps, as one picture."""
    height, width = shape
    pixels = to_pixels(images, shape)
    rows = len(pixels) // columns
    picture = pixels.reshape(rows, columns, height, width).swapaxes(1, 2)
    flat = picture.reshape(rows * height, columns * width)
    return png(flat.repeat(2, axis=0).repeat(2, axis=1))
