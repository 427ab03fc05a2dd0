"""The state of a layer of latents as a small picture: bits as a grid, values as bars."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["bars_picture", "bits_picture"]

# Legible on light and on dark; orange and blue are told apart with every kind of colour blindness.
_ABOVE, _BELOW, _LINE = (217, 115, 26), (43, 143, 206), (128, 138, 148)
_ON, _OFF = (*_BELOW, 255), (*_LINE, 64)  # blue as a pill that is on; faint on either background

WIDTH = 200  # pixels of every picture of a layer, about
BARS_HEIGHT = 120


def bits_picture(bits: NDArray[np.floating], *, width: int = WIDTH) -> NDArray[np.uint8]:
    """Bits row by row, about twice as wide as high, RGBA; what is over in the last row stays empty.

    Args:
        bits: `(n,)`; above one half is on.
        width: of the picture, at most.

    Raises:
        ValueError: there are none.
    """
    if bits.ndim != 1 or len(bits) == 0:
        raise ValueError(f"`bits` must be a vector of at least one value; got {bits.shape}.")
    columns = min(len(bits), math.ceil(math.sqrt(2 * len(bits))))
    rows = math.ceil(len(bits) / columns)
    cell = max(2, min(24, width // columns))
    gap = 1 if cell < 8 else 2
    picture = np.zeros((rows * cell, columns * cell, 4), dtype=np.uint8)
    for index, bit in enumerate(bits):
        top, left = index // columns * cell, index % columns * cell
        square = picture[top : top + cell - gap, left : left + cell - gap]
        square[:] = _ON if bit > 0.5 else _OFF
    return picture


def bars_picture(
    values: NDArray[np.floating], reach: float, *, width: int = WIDTH
) -> NDArray[np.uint8]:
    """A bar for each value, up (orange) or down (blue) from a line at zero, RGBA, in the middle.

    Args:
        values: `(n,)`; more than a pixel each are drawn wider.
        reach: the value of a bar that fills its half; longer ones are cut there.
        width: of the picture; more values than pixels make it wider.

    Raises:
        ValueError: there are none, or `reach` is not positive.
    """
    if values.ndim != 1 or len(values) == 0 or reach <= 0:
        raise ValueError(
            "`values` must be a vector of at least one value and `reach` positive; "
            f"got {values.shape} and {reach}."
        )
    step = max(1, min(28, width // len(values)))
    gap = 0 if step == 1 else 1 if step < 8 else 3
    middle = BARS_HEIGHT // 2
    whole = max(width, step * len(values))
    left = (whole - step * len(values)) // 2
    picture = np.zeros((BARS_HEIGHT, whole, 4), dtype=np.uint8)
    for index, value in enumerate(np.nan_to_num(values)):
        length = round(min(abs(float(value)) / reach, 1.0) * middle)
        rows = slice(middle - length, middle) if value > 0 else slice(middle, middle + length)
        start = left + index * step
        bar = picture[rows, start : start + step - gap]
        bar[..., :3] = _ABOVE if value > 0 else _BELOW
        bar[..., 3] = 255
    picture[middle, :, :3], picture[middle, :, 3] = _LINE, 255
    return picture
