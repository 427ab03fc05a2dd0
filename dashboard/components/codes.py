"""A code, one value for each latent of a model: where it comes from, and the image it makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import cache, cards, state
from dashboard.cards import Card
from dashboard.components.image_grid import png, show_images, to_pixels
from dashboard.components.imputing import wants_bits
from dashboard.components.pickers import data_picker

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Codes", "as_tensor", "image_code", "latent_name", "show_code"]

Codes = NDArray[np.float32]

SCALE = 10  # screen pixels of one pixel of the image


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
    from dashboard.decoding import encode

    images = data_picker(card, key=f"{key}.data")
    if images is None:
        return None
    most = len(images.x) - 1
    if state.integer(f"{key}.image") > most:  # another split or set has fewer
        st.session_state[f"{key}.image"] = 0
    left, right = st.columns([1, 5], vertical_alignment="bottom")
    with left:
        number = int(st.number_input("Number", min_value=0, max_value=most, key=f"{key}.image"))
    x = images.x[number : number + 1]
    with right:
        show_images(x, images.image_shape, scale=2, alt=f"Image {number}")
    if wants_bits(card):
        x = (x >= 0.5).to(x.dtype)
    code = encode(cache.model(name), x)[0]
    if cards.latent_kind(card) == "bernoulli":
        code = (code >= 0.5).to(code.dtype)
    return code.numpy(), f"{images.dataset} {images.split} {number}"


def show_code(name: str, card: Card, layer: int, code: Codes) -> None:
    """The image of a code `(latent,)`, given its layers from `layer` up."""
    from dashboard.decoding import decode

    image = decode(cache.model(name), as_tensor(code[None]), layer=layer)
    # Grey without an alpha channel: a quarter of the bytes, on the way of every move of a slider.
    picture = to_pixels(image, cards.image_shape(card))[0].repeat(SCALE, 0).repeat(SCALE, 1)
    st.image(png(picture), caption="E[x | z] at these values", width="content", alt="The image")
