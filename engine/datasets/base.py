"""The contract of a data set: three splits, kept small, and how they become `x`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Generator, Tensor

__all__ = ["SPLITS", "Dataset", "draw_bits", "held_out_rows"]

SPLITS = ("train", "valid", "test")
LIKELIHOODS = ("bernoulli", "gaussian", "multinomial")

# Every bit that is drawn once and kept comes from this seed: changing it changes the protocol.
BINARISATION_SEED = 20140116
SUBSET_SEED = 1


def draw_bits(grey: Tensor, *, generator: Generator) -> Tensor:
    """Bits that are 1 with probability grey / 255, each on its own.

    Args:
        grey: uint8, any shape.
        generator: source of the draws, on any device.

    Returns:
        Bool tensor of the same shape, on the device of `grey`.
    """
    # A uniform integer in 0..254 is below v with probability v / 255, exactly, 0 and 255 included;
    # bytes also cost less to draw and to compare than floats.
    uniform = torch.randint(
        0, 255, grey.shape, dtype=torch.uint8, generator=generator, device=generator.device
    )
    return uniform.to(grey.device) < grey


def held_out_rows(count: int, most: int, seed: int) -> dict[str, Tensor]:
    """Rows of "train" and of "valid", int64 `(n,)` in order, where a set has no validation split.

    Args:
        count: items to share out.
        most: how many validate, but never more than a tenth.
        seed: chooses them.
    """
    valid = min(most, count // 10)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return {"train": order[valid:].sort().values, "valid": order[:valid].sort().values}


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images or documents in three splits, as small integers; `x` is made of them on demand.

    Attributes:
        name: the key in `DATASETS`, or what a user's own set is called.
        pixels: split -> `(n, data)`: pixels as uint8 in 0..levels, or counts of words as int16.
        image_shape: shape of one item, whose product is data: `(height, width)`,
            `(height, width, 3)` in colour, or `(words,)` for documents.
        likelihood: "bernoulli", "gaussian" or "multinomial": what p(x | z) has to be.
        protocol: which split and which binarisation, i.e. what numbers on this set mean.
        labels: split -> int64 `(n,)`, or None where the classes are not known.
        class_names: name of each label; empty where there are none.
        vocabulary: the word that each of the counts is of; empty where there are no words.
        levels: the stored value that stands for 1.0: 1 for bits and counts, 255 for grey.
        dynamic: whether the training bits are drawn afresh from grey values for each batch.
    """

    name: str
    pixels: Mapping[str, Tensor]
    image_shape: tuple[Any, ...]
    likelihood: str
    protocol: str
    labels: Mapping[str, Tensor] | None = None
    class_names: tuple[str, ...] = ()
    vocabulary: tuple[str, ...] = ()
    levels: int = 255
    dynamic: bool = False

    def __post_init__(self) -> None:
        if self.likelihood not in LIKELIHOODS:
            raise ValueError(f"`likelihood` must be one of {LIKELIHOODS}; got {self.likelihood!r}.")
        if tuple(self.pixels) != SPLITS:
            raise ValueError(f"`pixels` must have the keys {SPLITS}; got {tuple(self.pixels)}.")
        # Counts may lie above 255, and never far above: 2000 words by 11 000 documents are 45 MB.
        dtype = torch.int16 if self.likelihood == "multinomial" else torch.uint8
        for split, pixels in self.pixels.items():
            if pixels.dtype != dtype or pixels.ndim != 2 or pixels.shape[1] != self.data_dim:
                raise ValueError(
                    f"`pixels` must be {str(dtype).removeprefix('torch.')} (n, {self.data_dim}) "
                    f"for items of shape {self.image_shape}; "
                    f"got {pixels.dtype} {tuple(pixels.shape)} for {split!r}."
                )
        if self.vocabulary and len(self.vocabulary) != self.data_dim:
            raise ValueError(
                f"`vocabulary` must have a word for each of the {self.data_dim} counts; "
                f"got {len(self.vocabulary)}."
            )

    @property
    def data_dim(self) -> int:
        """Values per item: pixels times colours, or words."""
        return math.prod(self.image_shape)

    @cached_property
    def train(self) -> Tensor:
        """Training items, float32 `(n, data)` in [0, 1], counts as they are.

        Of a dynamic set this is one fixed draw of the bits; `batch` draws afresh.
        """
        if not self.dynamic:
            return self._scale(self.pixels["train"])
        grey, generator = self.pixels["train"], torch.Generator().manual_seed(BINARISATION_SEED)
        # In pieces: the whole draw at once would need another copy of the split.
        return torch.cat([draw_bits(g, generator=generator).float() for g in grey.split(5000)])

    @cached_property
    def valid(self) -> Tensor:
        """Validation items, float32 `(n, data)` in [0, 1], counts as they are."""
        return self._scale(self.pixels["valid"])

    @cached_property
    def test(self) -> Tensor:
        """Test items, float32 `(n, data)` in [0, 1], counts as they are."""
        return self._scale(self.pixels["test"])

    @cached_property
    def train_mean(self) -> Tensor:
        """Mean of the training items, float32 `(data,)`; of a dynamic set: of its grey values."""
        pixels = self.pixels["train"]
        total = torch.zeros(self.data_dim, dtype=torch.float64, device=pixels.device)
        for piece in pixels.split(10_000):  # float32 sums of 10 000 bytes are exact
            total += piece.float().sum(0)
        return (total / (self.levels * max(len(pixels), 1))).float()

    def batch(self, split: str, indices: Tensor, generator: Generator | None = None) -> Tensor:
        """The items at `indices`, float32 `(batch, data)` in [0, 1], counts as they are.

        Args:
            split: "train", "valid" or "test".
            indices: int64 `(batch,)`, on the device of the data.
            generator: draws the bits of the training split of a dynamic set; unused elsewhere.

        Raises:
            ValueError: unknown split, or no generator where bits have to be drawn.
        """
        if split not in self.pixels:
            raise ValueError(f"`split` must be one of {SPLITS}; got {split!r}.")
        chosen = self.pixels[split].index_select(0, indices)
        if not (self.dynamic and split == "train"):
            return self._scale(chosen)
        if generator is None:
            raise ValueError(
                f"`generator` must be given: {self.name!r} draws training bits afresh; got None."
            )
        return draw_bits(chosen, generator=generator).float()

    def with_fewer(self, items: int) -> Dataset:
        """The same data set with `items` of its training items, always the same ones.

        Raises:
            ValueError: `items` is not between 1 and the size of the training split.
        """
        count = len(self.pixels["train"])
        if not 1 <= items <= count:
            raise ValueError(
                f"`items` must lie between 1 and the {count} training items; got {items}."
            )
        order = torch.randperm(count, generator=torch.Generator().manual_seed(SUBSET_SEED))
        chosen = order[:items].sort().values
        labels = self.labels
        return replace(
            self,
            pixels={**self.pixels, "train": self.pixels["train"][chosen]},
            labels=labels and {**labels, "train": labels["train"][chosen]},
            protocol=f"{self.protocol}, {items} training items",
        )

    def to(self, device: str | torch.device) -> Dataset:
        """The same data set with its tensors on `device`."""
        labels = self.labels
        return replace(
            self,
            pixels={split: pixels.to(device) for split, pixels in self.pixels.items()},
            labels=labels and {split: values.to(device) for split, values in labels.items()},
        )

    def _scale(self, pixels: Tensor) -> Tensor:
        return pixels.float() if self.levels == 1 else pixels.float().div_(self.levels)
