"""A code, one value for each latent of a model: where it comes from, and the image it makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import cache, cards, permalinks, state
from dashboard.cards import Card
from dashboard.components.image_grid import show_images
from dashboard.components.imputing import wants_bits
from dashboard.components.linked import choose_number
from dashboard.components.pickers import data_picker

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Codes", "as_tensor", "image_code", "latent_name"]

Codes = NDArray[np.float32]


def as_tensor(codes: NDArray[np.floating]) -> Tensor:
    """Codes as the models take them; torch is imported here and not with the page."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(codes, dtype=np.float32))


def latent_name(index: int) -> str:
    """How a reader calls the latent at `index`: z₁ is the first."""
    return "z" + str(index + 1).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def image_code(name: str, card: Card, *, key: str) -> tuple[Codes, str] | None:
    """Widgets that choose a test image, and its code: the mean of q(z | x), bits cut at one half.

    Args:
        name: of the checkpoint.
        card: its card.
        key: start of the widgets' keys.

    Returns:
        The code, `(latent,)`, and words that tell this image from others; None without images.

    Raises:
        engine.EngineError: the checkpoint or the data are damaged.
    """
    from engine.decoding import encode

    images = data_picker(card, key=f"{key}.data")
    if images is None:
        return None
    most = len(images.x) - 1
    if state.integer(f"{key}.image") > most:  # another split or set has fewer
        permalinks.write(image=None)
        st.session_state.pop(f"{key}.image")
    left, right = st.columns([1, 5], vertical_alignment="bottom")
    with left:
        number = choose_number("Number", 0, most, 0, name="image", key=f"{key}.image")
    x = images.x[number : number + 1]
    with right:
        show_images(x, images.image_shape, scale=2, alt=f"Image {number}")
    if wants_bits(card):
        x = (x >= 0.5).to(x.dtype)
    code = encode(cache.model(name), x)[0]
    if cards.latent_kind(card) == "bernoulli":
        code = (code >= 0.5).to(code.dtype)
    return code.numpy(), f"{images.dataset} {images.split} {number}"
