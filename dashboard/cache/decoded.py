"""What models read in images, and what they draw."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.cache.checkpoints import Stamp, model, stamp
from dashboard.cache.datasets import dataset

__all__ = ["codes", "latent_effects", "prior_means"]


@st.cache_data(show_spinner=False, max_entries=512)
def _prior_means(name: str, stamped: Stamp, count: int, seed: int) -> NDArray[np.uint8]:
    import torch

    from engine.random import make_generator

    shared = model(name)
    with torch.inference_mode():
        z = shared.prior().sample((count,), generator=make_generator(seed))
        means = shared.likelihood(z).mean
    return (means.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def prior_means(name: str, count: int, seed: int) -> NDArray[np.uint8]:
    """Means of p(x | z) for `count` draws z ~ p(z), uint8 `(count, data)`.

    The mean shows more than a draw of the pixels: their noise is the likelihood's, not the model's.

    Raises:
        engine.CheckpointError: as `checkpoint`.
    """
    return _prior_means(name, stamp(name), count, seed)


@st.cache_resource(show_spinner=False, max_entries=32)
def _codes(
    name: str, stamped: Stamp, data: str, split: str, count: int, bits: bool
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    import torch

    from dashboard.embedding import subset
    from engine.decoding import encode

    images = getattr(dataset(data), split)
    indices = subset(len(images), count)
    x = images[torch.from_numpy(indices)]
    found = encode(model(name), (x >= 0.5).to(x.dtype) if bits else x).numpy()
    for array in (indices, found):
        array.setflags(write=False)  # shared by all visitors
    return indices, found


def codes(
    name: str, data: str, split: str, count: int, *, bits: bool
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Recognition means of (at most) `count` images of a split.

    Args:
        name: of the checkpoint.
        data: name of a data set that is on this machine.
        split: "train", "valid" or "test".
        count: images; always the same ones, see `embedding.subset`.
        bits: whether grey values are first cut at one half, for a model that knows bits.

    Returns:
        Their positions in the split, `(n,)`, and E[z | x], `(n, latent)`; both read-only.

    Raises:
        engine.CheckpointError: as `checkpoint`.
        engine.DatasetError: as `dataset`.
    """
    return _codes(name, stamp(name), data, split, count, bits)


@st.cache_data(show_spinner=False, max_entries=96)
def _latent_effects(name: str, stamped: Stamp, layer: int) -> NDArray[np.float32]:
    from engine.decoding import effects

    return effects(model(name), layer).numpy()


def latent_effects(name: str, layer: int) -> NDArray[np.float32]:
    """How far each latent of a layer moves the image, see `decoding.effects`.

    Raises:
        engine.CheckpointError: as `checkpoint`.
    """
    return _latent_effects(name, stamp(name), layer)
