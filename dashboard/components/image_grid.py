"""Many small images as one picture: plain arrays in, one array or PNG out, no Streamlit state."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["image_grid", "png", "rgba", "show_images", "show_picture", "to_pixels"]


def to_pixels(
    images: Tensor | NDArray[np.floating] | NDArray[np.integer], image_shape: Sequence[int]
) -> NDArray[np.uint8]:
    """Rows of values in [0, 1] as bytes: `(n, data)` to `(n, *image_shape)` in 0..255.

    Values outside [0, 1] are clipped (a Gaussian likelihood can leave the range), uint8 is taken as
    it is. One row without the batch axis counts as one image.

    Raises:
        ValueError: rows that do not have as many values as an image.
    """
    array: NDArray[np.generic]
    # A tensor is told by what it can do: importing torch here would cost every page a second.
    array = images.detach().cpu().numpy() if hasattr(images, "detach") else np.asarray(images)
    size = math.prod(image_shape)
    if array.shape[-1:] != (size,):
        raise ValueError(
            f"`images` must have rows of {size} values for images of "
            f"{' x '.join(str(length) for length in image_shape)}; got the shape "
            f"{tuple(array.shape)}."
        )
    array = array.reshape(-1, *image_shape)
    if array.dtype == np.uint8:
        return array.astype(np.uint8)
    return np.rint(np.clip(np.nan_to_num(array.astype(np.float32)), 0.0, 1.0) * 255).astype(
        np.uint8
    )


def image_grid(
    images: Tensor | NDArray[np.floating] | NDArray[np.integer],
    image_shape: Sequence[int],
    *,
    columns: int | None = None,
    gap: int = 2,
    scale: int = 1,
) -> NDArray[np.uint8]:
    """One RGBA picture of all images, row by row; the gaps are transparent on every theme.

    Args:
        images: `(n, data)` in [0, 1], tensor or array; or uint8 in 0..255.
        image_shape: of one image, `(height, width)`, or `(height, width, 3)` in colour, or with a
            fourth channel that says how opaque each pixel is.
        columns: images in a row; as square as possible when None.
        gap: pixels between images, after scaling.
        scale: each pixel becomes a square of this many pixels, so that browsers do not blur it.

    Returns:
        uint8 `(rows * height * scale + gaps, columns * width * scale + gaps, 4)`.

    Raises:
        ValueError: rows of the wrong length, no images, or a size below one.
    """
    if scale < 1 or gap < 0 or (columns is not None and columns < 1):
        raise ValueError(
            "`scale` and `columns` must be at least 1 and `gap` at least 0; "
            f"got scale={scale}, columns={columns}, gap={gap}."
        )
    pixels = rgba(to_pixels(images, image_shape))
    count = len(pixels)
    if count == 0:
        raise ValueError("`images` must hold at least one image; got none.")
    columns = min(count, columns or math.ceil(math.sqrt(count)))
    rows = math.ceil(count / columns)
    height, width = image_shape[0] * scale, image_shape[1] * scale

    grid = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, 4), dtype=np.uint8)
    for index, image in enumerate(pixels):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        large = image.repeat(scale, axis=0).repeat(scale, axis=1)
        grid[top : top + height, left : left + width] = large
    return grid


def rgba(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures `(n, height, width)`, or with 3 or 4 channels behind, with four: opaque ones.

    What has a fourth channel is taken as it is.
    """
    if pixels.shape[3:] == (4,):
        return pixels
    whole = np.full((*pixels.shape[:3], 4), 255, dtype=np.uint8)
    whole[..., :3] = pixels if pixels.ndim == 4 else pixels[..., None]
    return whole


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A `(height, width)` or `(height, width, 3 or 4)` uint8 array as PNG, packed fast."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def show_picture(
    pixels: NDArray[np.uint8],
    *,
    alt: str,
    caption: str | None = None,
    width: int | Literal["stretch", "content"] = "content",
) -> None:
    """Draw one picture at the current place of the page, and in the same message.

    As a file of its own, which `st.image` makes of pixels, the server forgets it with the next
    run: where runs follow each other fast, a browser would ask for pictures that are gone.

    Args:
        pixels: as in `png`.
        alt, caption: as in `show_images`.
        width: in screen pixels, the picture's own ("content") or that of the column ("stretch").
    """
    import streamlit as st

    inline = "data:image/png;base64," + base64.b64encode(png(pixels)).decode("ascii")
    st.image(inline, caption=caption, width=width, alt=alt)


def show_images(
    images: Tensor | NDArray[np.floating] | NDArray[np.integer],
    image_shape: Sequence[int],
    *,
    alt: str,
    columns: int | None = None,
    gap: int = 2,
    scale: int = 2,
    caption: str | None = None,
    stretch: bool = False,
) -> None:
    """Draw images as one grid at the current place of the page.

    Args:
        images: `(n, data)` in [0, 1].
        image_shape: as in `image_grid`.
        alt: what a reader who cannot see the picture is told.
        columns, gap, scale: as in `image_grid`.
        caption: small text below.
        stretch: fill the width of the column (the picture is then enlarged by the browser, so pick
            a `scale` near the final size); otherwise one picture pixel is one screen pixel.
    """
    grid = image_grid(images, image_shape, columns=columns, gap=gap, scale=scale)
    show_picture(grid, caption=caption, width="stretch" if stretch else "content", alt=alt)
