"""Missingness patterns: which pixels are observed. True means observed, and is never changed.

Every pattern is a bool tensor `(batch, data)`, pixels in the row order of the images. A pixel of a
colour image is there or missing as a whole, with its three values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator, Tensor

__all__ = [
    "NAMED",
    "SIDES",
    "array_mask",
    "half_mask",
    "named_mask",
    "random_mask",
    "square_mask",
]

SIDES = ("left", "right", "top", "bottom")
NAMED = ("60", "80", "square", "half")
"""The masks that imputation is measured with, see `named_mask`."""


def random_mask(
    image_shape: Sequence[int], missing: float, *, batch: int = 1, generator: Generator
) -> Tensor:
    """Pixels missing at random: in each image the same number of them, others in each.

    Args:
        image_shape: `(height, width)`, or `(height, width, colours)`.
        missing: fraction of pixels that is missing, in [0, 1]; rounded to whole pixels.
        batch: number of images.
        generator: source of the draws; the mask lies on its device.

    Returns:
        Bool `(batch, data)`.

    Raises:
        ValueError: `missing` outside [0, 1], or a bad shape.
    """
    height, width, colours = _sizes(image_shape, batch)
    pixels = height * width
    if not 0 <= missing <= 1:
        raise ValueError(f"`missing` must be a fraction in [0, 1]; got {missing}.")
    draws = torch.rand(batch, pixels, generator=generator, device=generator.device)
    hidden = draws.argsort(1)[:, : round(missing * pixels)]
    observed = torch.ones_like(draws, dtype=torch.bool).scatter_(1, hidden, False)
    return observed.repeat_interleave(colours, dim=1)


def square_mask(
    image_shape: Sequence[int],
    size: int,
    *,
    position: tuple[int, int] | None = None,
    batch: int = 1,
) -> Tensor:
    """A square of `size` by `size` pixels missing.

    Args:
        image_shape: `(height, width)`, or `(height, width, colours)`.
        size: side of the square in pixels, at least 1.
        position: `(row, column)` of its upper left pixel; None puts it in the middle.
        batch: number of images.

    Returns:
        Bool `(batch, data)`.

    Raises:
        ValueError: the square does not lie inside the image, or a bad shape.
    """
    height, width, colours = _sizes(image_shape, batch)
    if not 1 <= size <= min(height, width):
        raise ValueError(f"`size` must be in 1..{min(height, width)}; got {size}.")
    row, column = position or ((height - size) // 2, (width - size) // 2)
    if not (0 <= row <= height - size and 0 <= column <= width - size):
        raise ValueError(
            f"`position` must leave the square of {size} pixels inside the {height} x {width} "
            f"image; got {(row, column)}."
        )
    observed = torch.ones(height, width, dtype=torch.bool)
    observed[row : row + size, column : column + size] = False
    return _repeat(observed, colours, batch)


def half_mask(image_shape: Sequence[int], missing: str, *, batch: int = 1) -> Tensor:
    """One half of the image missing; of an odd number of rows or columns the smaller part.

    Args:
        image_shape: `(height, width)`, or `(height, width, colours)`.
        missing: "left", "right", "top" or "bottom".
        batch: number of images.

    Returns:
        Bool `(batch, data)`.

    Raises:
        ValueError: another side, or a bad shape.
    """
    height, width, colours = _sizes(image_shape, batch)
    rows, columns = torch.arange(height), torch.arange(width)
    if missing not in SIDES:
        raise ValueError(f"`missing` must be one of {', '.join(SIDES)}; got {missing!r}.")
    if missing in ("left", "right"):
        line = columns >= width // 2 if missing == "left" else columns < width - width // 2
        observed = line.expand(height, width)
    else:
        line = rows >= height // 2 if missing == "top" else rows < height - height // 2
        observed = line[:, None].expand(height, width)
    return _repeat(observed, colours, batch)


def named_mask(
    name: str, image_shape: Sequence[int], *, batch: int = 1, generator: Generator
) -> Tensor:
    """One of the masks that imputation is measured with.

    Args:
        name: "60" and "80": so many per cent of the pixels of each image missing at random;
            "square": one with half the side of the image missing in the middle; "half": the lower
            half missing.
        image_shape: `(height, width)`, or `(height, width, colours)`.
        batch: number of images.
        generator: of the draws of the first two.

    Returns:
        Bool `(batch, data)`.

    Raises:
        ValueError: no mask of that name.
    """
    if name == "square":
        return square_mask(image_shape, min(image_shape[:2]) // 2, batch=batch)
    if name == "half":
        return half_mask(image_shape, "bottom", batch=batch)
    if name not in NAMED:
        raise ValueError(f"`name` must be one of {', '.join(NAMED)}; got {name!r}.")
    return random_mask(image_shape, int(name) / 100, batch=batch, generator=generator)


def array_mask(
    image_shape: Sequence[int], values: np.ndarray | Tensor, *, batch: int = 1
) -> Tensor:
    """A mask that somebody drew: bright is observed, dark is missing.

    The array is brought to the image's size by its nearest pixels. Bright is True, or a value of at
    least half of the range: 255 for uint8, 1 for floating point.

    Args:
        image_shape: `(height, width)`, or `(height, width, colours)`.
        values: bool, uint8 or floating, `(rows, columns)` or `(rows, columns, colours)`.
        batch: number of images.

    Returns:
        Bool `(batch, data)`.

    Raises:
        ValueError: an array of another type or shape, empty, or with values that are not finite.
    """
    height, width, colours = _sizes(image_shape, batch)
    drawn = torch.as_tensor(values)
    if drawn.ndim not in (2, 3) or 0 in drawn.shape:
        raise ValueError(
            f"`values` must be (rows, columns) or (rows, columns, colours); got {drawn.shape}."
        )
    if not (drawn.dtype in (torch.bool, torch.uint8) or drawn.dtype.is_floating_point):
        raise ValueError(f"`values` must be bool, uint8 or floating; got {drawn.dtype}.")
    level = 255.0 if drawn.dtype == torch.uint8 else 1.0
    drawn = drawn.double()
    if not drawn.isfinite().all():
        raise ValueError("`values` must be finite; got NaN or infinity.")
    if drawn.ndim == 3:
        drawn = drawn.mean(2)
    rows, columns = drawn.shape
    # The centre of each image pixel, in pixels of the array: exact in integers.
    nearest_row = (2 * torch.arange(height) + 1) * rows // (2 * height)
    nearest_column = (2 * torch.arange(width) + 1) * columns // (2 * width)
    return _repeat(drawn[nearest_row][:, nearest_column] >= level / 2, colours, batch)


def _sizes(image_shape: Sequence[int], batch: int) -> tuple[int, int, int]:
    """Height, width and colours of an image."""
    if len(image_shape) not in (2, 3) or min(image_shape) < 1:
        raise ValueError(
            "`image_shape` must be (height, width) or (height, width, colours), all positive; "
            f"got {tuple(image_shape)}."
        )
    if batch < 0:
        raise ValueError(f"`batch` must not be negative; got {batch}.")
    height, width, colours = (*image_shape, 1)[:3]
    return height, width, colours


def _repeat(observed: Tensor, colours: int, batch: int) -> Tensor:
    return observed.reshape(1, -1).repeat_interleave(colours, dim=1).repeat(batch, 1)
