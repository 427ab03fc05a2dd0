"""Pictures of a recording as files: where the chains stand, and how they got there."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dashboard.components.image_grid import to_pixels

if TYPE_CHECKING:
    from dashboard.logic.impute.recording import Recording

__all__ = [
    "HIDDEN_COLOUR",
    "INFERNO",
    "chain_frames",
    "given_picture",
    "spread_colours",
    "spread_top",
    "state_picture",
    "traces_csv",
]

HIDDEN_COLOUR = (230, 159, 0)  # orange of Okabe and Ito (2008): no grey of an image is like it

# Inferno (van der Walt and Smith 2015) at equal distances: rises in brightness from black, so it
# reads in grey as well. frontend/pictures.js has the same.
INFERNO = (
    (0, 0, 4), (40, 11, 84), (101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21),
    (250, 193, 39), (252, 255, 164),
)  # fmt: skip

MOST_FRAMES = 120  # of a GIF


def spread_top(*, density: bool) -> float:
    """The spread that is shown in the brightest colour: faces differ less than bits."""
    return 0.1 if density else 0.5


def given_picture(
    x: NDArray[np.uint8], hidden: NDArray[np.bool_], image_shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """The image with its hidden values in orange, `(height, width, 3)`."""
    picture = _in_colour(x, image_shape)[0]
    picture[hidden.reshape(*image_shape[:2], -1).all(-1)] = HIDDEN_COLOUR
    return picture


def _in_colour(images: NDArray[np.uint8], image_shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Images `(n, data)`, grey or in colour, as `(n, height, width, 3)`."""
    pixels = to_pixels(images, (*image_shape, 1)[:3])
    return np.tile(pixels, 3 // pixels.shape[-1])


def spread_colours(
    values: NDArray[np.floating], top: float, image_shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Standard deviations from 0 (black) to `top` (pale yellow) and above, `(height, width, 3)`.

    Of an image in colour the root mean square of a pixel's three.
    """
    spread = np.sqrt(np.square(values).reshape(*image_shape[:2], -1).mean(-1))
    places = np.clip(spread / top, 0, 1) * (len(INFERNO) - 1)
    channels = [
        np.interp(places, range(len(INFERNO)), stops) for stops in zip(*INFERNO, strict=True)
    ]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def state_picture(
    recording: Recording, image_shape: tuple[int, ...], step: int, kind: str, *, top: float
) -> NDArray[np.uint8]:
    """What the page shows of a step in a row: given, each chain, mean, spread.

    Args:
        recording: has the step.
        image_shape: `(height, width)`, or `(height, width, 3)` in colour.
        step: 0 is the random fill.
        kind: "means" or "draws" of the chains.
        top: see `spread_colours`.

    Returns:
        `(height, width * (chains + 3), 3)`.
    """
    mean, spread = recording.moments(step)
    shown = np.concatenate([recording.images(step, kind), to_pixels(mean, (1, len(mean)))[0]])
    given = given_picture(recording.given, recording.hidden, image_shape)
    pictures = [given, *_in_colour(shown, image_shape), spread_colours(spread, top, image_shape)]
    return np.concatenate(pictures, axis=1)


def chain_frames(
    recording: Recording, image_shape: tuple[int, ...], step: int, kind: str
) -> NDArray[np.uint8]:
    """The chains side by side from the fill to a step, `(frames, height, chains * width[, 3])`.

    Every step, or every second (third …) where there are more than `MOST_FRAMES`.
    """
    stride = -(-(step + 1) // MOST_FRAMES)
    frames = [
        to_pixels(recording.images(at, kind), image_shape) for at in range(0, step + 1, stride)
    ]
    return np.stack([np.concatenate(list(chains), axis=1) for chains in frames])


def traces_csv(recording: Recording, step: int, pixel: int) -> bytes:
    """A row for each step (from 0) and chain (from 1): log p(x_o, z), acceptance, the pixel."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["step", "chain", "log_joint_nats", "accepted", f"mean_of_pixel_{pixel}"])
    log_joint, accepted = recording.log_joint(0, step + 1), recording.accepted(0, step + 1)
    values = recording.pixel(pixel)
    for at in range(step + 1):
        for chain in range(recording.chains):
            row = [at, chain + 1, f"{log_joint[at, chain]:.4f}", int(accepted[at, chain])]
            writer.writerow([*row, f"{values[at, chain]:.4f}"])
    return out.getvalue().encode()
