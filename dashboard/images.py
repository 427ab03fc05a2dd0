"""From an uploaded file to the pixels that a model takes: plain functions on bytes and arrays.

Whatever is in the file, the outcome is a small array or a `PictureError` with a message for the
visitor. Nothing of an upload (its name, its text chunks) is used for anything but its pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dashboard.picture_files import PictureError, read_colour, read_grey

__all__ = ["CROPS", "Prepared", "Stage", "prepare_colour", "prepare_mask", "prepare_picture"]

FLAT = 0.02
"""A picture whose brightness varies less than this shows nothing."""

DIGIT_BOX = 20 / 28
"""How much of the picture the longer side of a digit takes in MNIST."""

LEAST_MARGIN = 2 / 28
"""How much of the picture stays free beside a digit whose weight is far off its middle."""

CROPS = ("strokes", "middle")
Crop = Literal["strokes", "middle"]


@dataclass(frozen=True)
class Stage:
    """A picture on its way: what was done to it, and uint8 `(height, width)`, in colour by 3."""

    label: str
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Prepared:
    """What came of an upload.

    Attributes:
        pixels: float32 `(data,)` in [0, 1], row by row; of a mask 1 = observed.
        stages: every step on the way, the first as uploaded, the last what the model gets.
        inverted: whether dark and bright were exchanged.
    """

    pixels: NDArray[np.float32]
    stages: tuple[Stage, ...]
    inverted: bool = False


def prepare_picture(
    data: bytes,
    image_shape: tuple[int, ...],
    *,
    binary: bool,
    crop: Crop = "middle",
    invert: bool | None = False,
    threshold: float = 0.5,
) -> Prepared:
    """Crop, scale, invert and binarise an upload until it looks like the training images.

    Args:
        data: the file.
        image_shape: `(height, width)` that the model takes. A picture of just that size is not
            cropped.
        binary: bits as in MNIST, after stretching to the full contrast; otherwise grey values.
        crop: "strokes" puts a frame around what is drawn, with MNIST's margins and centred on its
            centre of mass; "middle" takes the largest frame of the right proportions.
        invert: exchange dark and bright; None: if the paper is brighter than the strokes.
        threshold: brightness from which a pixel is 1, where `binary`.

    Raises:
        PictureError: as `read_grey`, or the picture is of one brightness.
        ValueError: `crop` or `threshold` is out of range.
    """
    if crop not in CROPS:
        raise ValueError(f"`crop` must be one of {CROPS}; got {crop!r}.")
    if not 0 < threshold < 1:
        raise ValueError(f"`threshold` must be between 0 and 1; got {threshold}.")
    grey = read_grey(data)
    if np.ptp(grey) < FLAT:
        raise PictureError(
            "The whole picture has one brightness: there is nothing in it to complete."
        )
    level = _otsu(grey)
    paper = float(np.median(_border(grey)))
    bright_paper = paper > level
    inverted = bright_paper if invert is None else invert
    stages = [Stage("As uploaded", _bytes(grey))]

    if grey.shape != image_shape:
        if crop == "strokes":
            framed = _frame_strokes(grey, grey < level if bright_paper else grey > level, paper)
        else:
            framed = _frame_middle(grey, image_shape)
        stages.append(Stage("Cropped", _bytes(framed)))
        grey = _resize(framed, image_shape)
        stages.append(Stage(f"Scaled to {image_shape[1]} × {image_shape[0]}", _bytes(grey)))
    if inverted:
        grey = 1 - grey
        stages.append(Stage("Inverted", _bytes(grey)))
    if binary:
        low, high = float(grey.min()), float(grey.max())
        grey = (grey - low) / max(high - low, 1e-6)
        bits = (grey >= threshold).astype(np.float32)
        stages += [Stage("Full contrast", _bytes(grey)), Stage("Binarised", _bytes(bits))]
        grey = bits
    return Prepared(grey.reshape(-1).astype(np.float32), tuple(stages), inverted)


def prepare_colour(data: bytes, image_shape: tuple[int, ...]) -> Prepared:
    """Crop the middle of an upload in colour and scale it to what the model takes.

    Args:
        data: the file.
        image_shape: `(height, width, 3)`. A picture of just that size is not cropped.

    Raises:
        PictureError: as `read_colour`, or the picture is of one colour.
    """
    picture = read_colour(data)
    if np.ptp(picture, axis=(0, 1)).max() < FLAT:
        raise PictureError("The whole picture has one colour: there is nothing in it to complete.")
    stages = [Stage("As uploaded", _bytes(picture))]
    if picture.shape != image_shape:
        picture = _frame_middle(picture, image_shape)
        stages.append(Stage("Cropped", _bytes(picture)))
        channels = [_resize(channel, image_shape) for channel in np.moveaxis(picture, -1, 0)]
        picture = np.stack(channels, axis=-1)
        stages.append(Stage(f"Scaled to {image_shape[1]} × {image_shape[0]}", _bytes(picture)))
    return Prepared(picture.reshape(-1), tuple(stages))


def prepare_mask(data: bytes, image_shape: tuple[int, ...]) -> Prepared:
    """A mask from a picture: what is bright (or transparent) stays, what is dark is missing.

    Raises:
        PictureError: as `read_grey`.
    """
    grey = read_grey(data)
    stages = [Stage("As uploaded", _bytes(grey))]
    if grey.shape != image_shape:
        grey = _frame_middle(grey, image_shape)
        stages.append(Stage("Cropped", _bytes(grey)))
        grey = _resize(grey, image_shape)
        stages.append(Stage(f"Scaled to {image_shape[1]} × {image_shape[0]}", _bytes(grey)))
    kept = (grey >= 0.5).astype(np.float32)
    stages.append(Stage("White stays", _bytes(kept)))
    return Prepared(kept.reshape(-1), tuple(stages))


def _resize(grey: NDArray[np.float32], image_shape: tuple[int, ...]) -> NDArray[np.float32]:
    from PIL import Image

    height, width = image_shape[:2]
    small = Image.fromarray(grey).resize((width, height), Image.Resampling.BILINEAR)
    return np.clip(np.asarray(small, dtype=np.float32), 0, 1)


def _frame_middle(grey: NDArray[np.float32], image_shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The largest part of the proportions of `image_shape`, from the middle."""
    height, width = grey.shape[:2]
    scale = min(height / image_shape[0], width / image_shape[1])
    rows = max(1, round(image_shape[0] * scale))
    columns = max(1, round(image_shape[1] * scale))
    top, left = (height - rows) // 2, (width - columns) // 2
    return grey[top : top + rows, left : left + columns]


def _frame_strokes(
    grey: NDArray[np.float32], strokes: NDArray[np.bool_], paper: float
) -> NDArray[np.float32]:
    """A square around the strokes with MNIST's margins; paper where it sticks out of the picture.

    As in MNIST the middle is the centre of mass, but never so far off that the strokes come nearer
    to the edge than `LEAST_MARGIN`.
    """
    places = np.nonzero(strokes)
    # Half a percent at each side may be specks of dust.
    ends = [np.percentile(axis, (0.5, 99.5)) for axis in places]
    longer = max(high - low for low, high in ends) + 1
    side = max(1, round(longer / DIGIT_BOX))
    corner = []
    for axis, (low, high) in zip(places, ends, strict=True):
        room = (side - (high - low + 1)) / 2 - LEAST_MARGIN * side
        middle = np.clip(axis.mean(), (low + high) / 2 - room, (low + high) / 2 + room)
        corner.append(round(middle + 0.5 - side / 2))
    first_row, first_column = corner
    framed = np.full((side, side), paper, dtype=np.float32)
    height, width = grey.shape
    source = (
        slice(max(first_row, 0), min(first_row + side, height)),
        slice(max(first_column, 0), min(first_column + side, width)),
    )
    part = grey[source]
    row, column = source[0].start - first_row, source[1].start - first_column
    framed[row : row + part.shape[0], column : column + part.shape[1]] = part
    return framed


def _border(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])


def _otsu(grey: NDArray[np.float32]) -> float:
    """The brightness that parts a picture best in two (Otsu 1979)."""
    counts, edges = np.histogram(grey, bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    total, sums = below[-1], np.cumsum(counts * centres)
    above = total - below
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = sums / below - (sums[-1] - sums) / above
        between = np.where((below > 0) & (above > 0), below * above * distance**2, -1.0)
    best = np.flatnonzero(between == between.max())
    return float(edges[1 + round(best.mean())])  # the middle of the gap where there is one


def _bytes(grey: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)
