"""Signed weights as colours, and which units come first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEGATIVE", "ORDERS", "POSITIVE", "ordered", "scales", "signed_pixels"]

# Okabe and Ito's vermilion and blue: told apart with every kind of colour blindness.
POSITIVE, NEGATIVE = (213, 94, 0), (0, 114, 178)
ORDERS = ("size", "number")

_QUANTILE = 0.995  # of the weights of all units: a few outliers do not pale the rest


def ordered(importance: NDArray[np.floating], order: str) -> NDArray[np.intp]:
    """The units `(units,)` in the order they are shown in: important first, or as numbered.

    Raises:
        ValueError: the order is unknown.
    """
    if order not in ORDERS:
        raise ValueError(f"`order` must be one of {ORDERS}; got {order!r}.")
    if order == "number":
        return np.arange(len(importance))
    return np.argsort(-importance, kind="stable")


def scales(weights: NDArray[np.floating], *, own: bool) -> NDArray[np.float64]:
    """The weight that gets the full colour, of each unit, `(units,)`.

    Args:
        weights: `(units, data)`.
        own: whether a unit's picture is scaled by its own largest weight, or all by one number.
    """
    size = np.abs(weights).astype(np.float64)
    largest = size.max(1) if own else np.full(len(size), np.quantile(size, _QUANTILE))
    return np.maximum(largest, 1e-12)


def signed_pixels(
    weights: NDArray[np.floating], scale: NDArray[np.floating], image_shape: Sequence[int]
) -> NDArray[np.uint8]:
    """Weights as pictures with a neutral zero.

    Grey images: vermilion above zero, blue below, the more opaque the larger, and nothing at zero,
    so that it suits a light and a dark page. Colour images: each channel around middle grey.

    Args:
        weights: `(units, data)`.
        scale: the weight of the full colour, of each unit, `(units,)`.
        image_shape: `(height, width)`, or `(height, width, 3)`.

    Returns:
        uint8 `(units, height, width, 4)`.
    """
    share = np.clip(weights / scale[:, None], -1, 1).reshape(len(weights), *image_shape)
    pixels = np.full((*share.shape[:3], 4), 255, dtype=np.uint8)
    if len(image_shape) == 3:
        pixels[..., :3] = np.rint(127.5 * (1 + share))
        return pixels
    pixels[..., :3] = np.where(share[..., None] > 0, POSITIVE, NEGATIVE)
    pixels[..., 3] = np.rint(255 * np.abs(share))
    return pixels
