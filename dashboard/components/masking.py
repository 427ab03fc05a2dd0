"""What is hidden: the mask brush, a mask from a file, and the mask in the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import permalinks, state
from dashboard.blobs import pack
from dashboard.components.image_grid import to_pixels
from dashboard.components.uploads import prepared, show_stages, upload
from dashboard.frontend import register
from dashboard.images import prepare_mask

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["choose_mask", "default_mask", "read_report"]

_brush = register("mask_brush")

LAST_SHAPE, LAST_FILE = "impute.mask_shape", "impute.mask_taken"


def default_mask(image_shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The lower half, `(pixels,)`: what is left often has room for more than one digit."""
    from engine.datasets.masks import half_mask

    hidden: NDArray[np.bool_] = ~half_mask(image_shape[:2], "bottom")[0].numpy()
    return hidden


def read_report(value: object, token: str, pixels: int) -> NDArray[np.bool_] | None:
    """The mask that the brush reports, `(pixels,)`, true where hidden; None for anything else.

    It comes from a browser and may say anything. A report on a mask that the page has replaced
    since (another token) does not count.
    """
    if not isinstance(value, Mapping) or value.get("token") != token:
        return None
    bits = value.get("bits")
    if not isinstance(bits, str):
        return None
    try:
        return permalinks.decode_bits(bits, pixels)
    except ValueError:
        return None


def choose_mask(x: Tensor, image_shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The brush on the image `(data,)`, with the field for a file.

    Returns:
        Bool `(pixels,)`, true where hidden.
    """
    pixels = image_shape[0] * image_shape[1]
    kept = f"impute.mask.{image_shape[0]}x{image_shape[1]}"
    before = st.session_state.get(kept)
    if st.session_state.get(LAST_SHAPE, image_shape) != image_shape:
        # What stands in the address is the mask of images of another size.
        permalinks.keep(kept, "mask", None if before is None else _text(before, image_shape))
    st.session_state[LAST_SHAPE] = image_shape
    permalinks.follow(kept, "mask", lambda: _linked(image_shape))
    pushed = f"{kept}.pushed"
    if st.session_state[kept] is not before:
        st.session_state[pushed] = _token(st.session_state[kept])
    slot = st.container()
    _from_file(kept, pushed, image_shape)

    token = st.session_state[pushed]
    brush_key = f"impute.brush.{image_shape[0]}x{image_shape[1]}"
    found = read_report(state.reported(brush_key, "mask"), token, pixels)
    if found is not None:
        st.session_state[kept] = found
    hidden: NDArray[np.bool_] = st.session_state[kept]
    data = pack(
        {"token": token, "shape": list(image_shape)},
        {"image": to_pixels(x, image_shape)[0], "mask": hidden.astype(np.uint8)},
    )
    with slot:
        _brush(key=brush_key, data=data, default={"mask": None}, on_mask_change=lambda: None)
    permalinks.keep(kept, "mask", _text(hidden, image_shape))
    return hidden


def _text(hidden: NDArray[np.bool_], image_shape: tuple[int, ...]) -> str | None:
    """For the address, where the default is left out."""
    if np.array_equal(hidden, default_mask(image_shape)):
        return None
    return permalinks.encode_bits(hidden)


def _linked(image_shape: tuple[int, ...]) -> NDArray[np.bool_]:
    found = permalinks.read_bits("mask", image_shape[0] * image_shape[1])
    return default_mask(image_shape) if found is None else found


def _token(mask: NDArray[np.bool_]) -> str:
    """Another one each time: what the page sets counts, even if it set the same before."""
    count = int(st.session_state.get("impute.mask_count", 0)) + 1
    st.session_state["impute.mask_count"] = count
    return f"{count}.{permalinks.encode_bits(mask)}"


def _from_file(kept: str, pushed: str, image_shape: tuple[int, ...]) -> None:
    """A file becomes the mask once; it can be painted on like any other."""
    with st.popover("Mask from a file", icon=":material/upload:"):
        data = upload(
            "A mask",
            "impute.mask_file",
            "PNG or JPEG: what is bright or transparent stays visible, what is dark is hidden.",
        )
        if data is None:
            st.session_state.pop(LAST_FILE, None)
            return
        made = prepared(
            "impute.prepared_mask", data, image_shape, lambda: prepare_mask(data, image_shape[:2])
        )
        if made is None:
            return
        show_stages("Your mask", made)
    if st.session_state.get(LAST_FILE) != (data, image_shape):
        st.session_state[LAST_FILE] = (data, image_shape)
        hidden = np.asarray(made.pixels).reshape(-1) < 0.5
        st.session_state[kept] = hidden
        st.session_state[pushed] = _token(hidden)
