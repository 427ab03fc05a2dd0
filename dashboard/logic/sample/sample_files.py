"""The files of the Sample page, drawn with the browser's own weights and random numbers."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dashboard.components.image_grid import png
from dashboard.films import gif
from dashboard.logic.sample.browser_draws import layer_image, layer_state, view_image
from dashboard.logic.sample.sample_views import Draws

if TYPE_CHECKING:
    from engine.models import LatentVariableModel

__all__ = ["FRAMES", "draws_gif", "image_png", "to_bytes", "traversal_gif", "units_csv"]

SCALE = 8  # screen pixels of one pixel
WAY = 13  # images from one end of a slider to the other
FRAMES = 24  # of the film of layer draws, at most

Code = NDArray[np.float32]


def to_bytes(image: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """An image `(data,)` in [0, 1] as pixels of a shape, rounded as a canvas does."""
    return np.floor(np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8).reshape(shape)


def image_png(image: NDArray[np.floating], shape: tuple[int, ...]) -> bytes:
    """An image `(data,)`, enlarged."""
    return png(to_bytes(image, shape).repeat(SCALE, 0).repeat(SCALE, 1))


def traversal_gif(
    model: LatentVariableModel, codes: Code, layer: int, draws: int, shape: tuple[int, ...]
) -> bytes:
    """There and back along codes `(n, latent)`.

    Args:
        model: from `as_in_browser`.
        codes: in the order of the way.
        layer: from which on they count.
        draws: of layers of bits below it.
        shape: of an image.
    """
    frames = [to_bytes(view_image(model, z, layer, draws), shape) for z in codes]
    slow = len(frames) < 4  # a bit has two ends and nothing between
    there_and_back = np.stack(frames + frames[-2:0:-1])
    return gif(there_and_back, milliseconds=600 if slow else 120, scale=SCALE)


def draws_gif(model: LatentVariableModel, draws: Draws, shape: tuple[int, ...]) -> bytes:
    """The last `FRAMES` draws of the layers, as they were played; arguments as above."""
    frames = []
    for tick in range(max(0, draws.step - FRAMES + 1), draws.step + 1):
        z = layer_state(model, draws.seed, tick, draws.locks)
        image = layer_image(model, z, draws.seed, tick, pixels=draws.show == "pixels")
        frames.append(to_bytes(image, shape))
    return gif(np.stack(frames), milliseconds=400, scale=SCALE)


def units_csv(
    code: Code, start: Code, kl: NDArray[np.floating] | None, effects: NDArray[np.floating]
) -> bytes:
    """The units of a layer: number, value, value at the start, KL in nats (or empty), effect."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["unit", "z", "z_at_start", "kl_nats", "effect"])
    for index in range(len(code)):
        one = "" if kl is None else f"{kl[index]:.6g}"
        row = (f"{code[index]:.8g}", f"{start[index]:.8g}", one, f"{effects[index]:.6g}")
        writer.writerow([index + 1, *row])
    return text.getvalue().encode()
