"""What is on the map of the Latent space page: whose codes, of which images, in which layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dashboard import cache, cards
from dashboard.cards import Card
from dashboard.components.imputing import wants_bits
from dashboard.components.pickers import Images
from dashboard.logic.latent_space.latent_map import MOST_AXES
from dashboard.logic.latent_space.pad_view import PadRules

__all__ = ["MapView"]


@dataclass(frozen=True)
class MapView:
    """Everything that decides which points are on the map.

    Attributes:
        checkpoint: name of the checkpoint.
        card: its card.
        images: the split that is embedded; None where no images are here.
        count: images on the map, at most.
        layer: of latents, 0 next to the image.
        projection: "plane" or "tsne".
    """

    checkpoint: str
    card: Card
    images: Images | None
    count: int
    layer: int
    projection: str

    @property
    def source(self) -> tuple[str, str, int, int]:
        """What the points are of."""
        if self.images is None:
            return "", "", 0, self.layer
        return self.images.dataset, self.images.split, self.count, self.layer

    @property
    def key(self) -> str:
        """Of the component: a view goes on as long as this stays, pins and all."""
        data, split, _, layer = self.source
        return f"latent.pad.{self.checkpoint}.{data}.{split}.{layer}.{self.projection}"

    def codes(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Positions of the images in the split, and the recognition means of all layers."""
        if self.images is None:
            empty = np.zeros((0, cards.latent_dim(self.card)), dtype=np.float32)
            return np.zeros(0, dtype=np.int64), empty
        return cache.codes(
            self.checkpoint,
            self.images.dataset,
            self.images.split,
            self.count,
            bits=wants_bits(self.card),
        )

    def layer_codes(self) -> NDArray[np.float32]:
        """The recognition means of the layer on the map, `(n, latents of the layer)`."""
        from engine.decoding import layer_slice

        return self.codes()[1][:, layer_slice(cards.layer_sizes(self.card), self.layer)]

    def rules(self) -> PadRules:
        """What its pad can show."""
        size = cards.layer_sizes(self.card)[self.layer]
        bits = cards.latent_kind(self.card) == "bernoulli"
        plane = self.projection == "plane"
        known = self.images is not None and self.images.labels is not None
        return PadRules(
            latents=cards.latent_dim(self.card),
            bits=bits,
            axes=min(size, MOST_AXES) if plane else 2,
            quantiles=plane and size == 2 and not bits,
            classes=len(self.images.class_names) if self.images is not None and known else 0,
            images=0 if self.images is None else len(self.images.x),
            has_plane=plane,
        )
