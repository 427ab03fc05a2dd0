"""Where a layer's codes are on the map, and what the model draws at any place of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dashboard import cache, cards
from dashboard.cards import Card
from dashboard.components.imputing import wants_bits
from dashboard.components.pickers import Images
from dashboard.embedding import (
    Limits,
    Plane,
    from_quantiles,
    latent_plane,
    principal_plane,
    square_limits,
    to_quantiles,
)

__all__ = ["MapLayout", "MapView", "decoded", "grid_columns", "lay_out"]

ROWS = {"images": 26, "manifold": 20}  # of images on the map: as many as can be made out


@dataclass(frozen=True)
class MapView:
    """Everything that decides what the map shows.

    Attributes:
        checkpoint: name of the checkpoint.
        card: its card.
        images: the split that is embedded.
        count: images on the map, at most.
        layer: of latents, 0 next to the image.
        projection: "latents", "quantiles", "pca" or "tsne".
        show: "points", "images" or "manifold".
    """

    checkpoint: str
    card: Card
    images: Images
    count: int
    layer: int
    projection: str
    show: str

    @property
    def source(self) -> tuple[str, str, int, int]:
        """What the points are of."""
        return self.images.dataset, self.images.split, self.count, self.layer

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of images that fill the map."""
        rows = ROWS[self.show]
        return rows, grid_columns(rows, self.images.image_shape)

    def codes(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Positions of the images in the split, and the recognition means of all layers."""
        return cache.codes(
            self.checkpoint,
            self.images.dataset,
            self.images.split,
            self.count,
            bits=wants_bits(self.card),
        )

    def layer_codes(self) -> NDArray[np.float32]:
        """The recognition means of the layer on the map, `(n, latents of the layer)`."""
        from dashboard.decoding import layer_slice

        return self.codes()[1][:, layer_slice(cards.layer_sizes(self.card), self.layer)]


@dataclass(frozen=True)
class MapLayout:
    """The images of a view at their places.

    Attributes:
        view: whose map it is.
        indices: positions of the images in their split, `(n,)`.
        codes: recognition means of all layers, `(n, latent)`.
        where: places on the map, `(n, 2)`.
        plane: that the map shows; None for t-SNE, which has none.
        limits: what the axes show.
    """

    view: MapView
    indices: NDArray[np.int64]
    codes: NDArray[np.float32]
    where: NDArray[np.float64]
    plane: Plane | None
    limits: Limits

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """The class of each image, `(n,)`; None where the classes are not known."""
        labels = self.view.images.labels
        if labels is None:
            return None
        known: NDArray[np.int64] = labels.numpy()[self.indices]
        return known

    def drawn(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """What the model draws at places `(n, 2)`; other layers are held at their mean code.

        Raises:
            ValueError: the map shows no plane.
        """
        view, plane = self.view, self.plane
        if plane is None:
            raise ValueError("`plane` must be given for a place to have a code; got None.")
        z = plane.lift(from_quantiles(points) if view.projection == "quantiles" else points)
        return decoded(view.checkpoint, view.card, view.layer, z, self.codes.mean(0))


def lay_out(view: MapView, tsne: NDArray[np.float64] | None) -> MapLayout:
    """Place the images of a view; `tsne` is the finished map `(n, 2)` for the projection "tsne"."""
    indices, codes = view.codes()
    if tsne is not None:
        return MapLayout(view, indices, codes, tsne, None, square_limits(tsne))
    z = view.layer_codes()
    plane = principal_plane(z) if view.projection == "pca" else latent_plane()
    where, limits = plane.project(z), Limits(0, 1, 0, 1)
    if view.projection == "quantiles":
        where = to_quantiles(where)
    else:
        limits = square_limits(where)
    return MapLayout(view, indices, codes, where, plane, limits)


def grid_columns(rows: int, image_shape: tuple[int, int]) -> int:
    """Columns of a grid of so many rows that fills a square, its cells in the shape of an image."""
    height, width = image_shape
    return round(rows * height / width)


def decoded(
    name: str,
    card: Card,
    layer: int,
    z: NDArray[np.floating],
    rest: NDArray[np.floating] | None = None,
) -> NDArray[np.float32]:
    """What the model draws for codes of one layer, `(n, data)` in [0, 1].

    Args:
        name: of the checkpoint.
        card: its card.
        layer: that `z` belongs to.
        z: `(n, latents of the layer)`.
        rest: `(latent,)`, where the other layers are held; at zero when None.
    """
    import torch

    from dashboard.decoding import decode, layer_slice

    sizes = cards.layer_sizes(card)
    codes = np.zeros((len(z), sum(sizes)), dtype=np.float32)
    if rest is not None:
        codes[:] = rest
    bits = cards.latent_kind(card) == "bernoulli"
    codes[:, layer_slice(sizes, layer)] = np.clip(z, 0, 1) if bits else z
    return decode(cache.model(name), torch.from_numpy(codes), layer=layer).numpy()
