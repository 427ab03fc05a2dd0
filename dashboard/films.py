"""Moving pictures as files: a traversal or a chain, frame by frame."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

__all__ = ["gif"]


def gif(frames: NDArray[np.uint8], *, milliseconds: int = 120, scale: int = 1) -> bytes:
    """An endless GIF of grey frames `(n, height, width)` or coloured ones `(n, height, width, 3)`.

    Args:
        frames: uint8.
        milliseconds: that each frame stays; the format knows steps of 10.
        scale: each pixel becomes a square of this many.

    Raises:
        ValueError: no frames, or not of these shapes.
    """
    from PIL import Image

    if frames.ndim not in (3, 4) or len(frames) == 0:
        raise ValueError(
            f"`frames` must be (n, height, width[, 3]) with n >= 1; got {frames.shape}."
        )
    large = frames.repeat(scale, axis=1).repeat(scale, axis=2)
    first, *rest = (Image.fromarray(frame) for frame in large)
    out = io.BytesIO()
    first.save(
        out, "GIF", save_all=True, append_images=rest, duration=milliseconds, loop=0, optimize=False
    )
    return out.getvalue()
