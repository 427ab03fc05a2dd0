"""Pictures from uploaded files, whatever is in them: grey or in colour, as arrays of working size.

Nothing of an upload (its name, its text chunks) is used for anything but its pixels.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = ["MAX_BYTES", "MAX_PIXELS", "PictureError", "read_colour", "read_grey"]

MAX_BYTES = 8 * 2**20
"""As `server.maxUploadSize` in .streamlit/config.toml, for callers that did not come that way."""

MAX_PIXELS = 50_000_000
"""What a large telephone takes. A file of a few kilobytes can claim far more (a bomb)."""

WORKING_SIDE = 512
"""The longer side is reduced to this before anything else: plenty for pictures of 28 pixels."""


class PictureError(ValueError):
    """An upload that cannot be used; the message is for the visitor."""


def _opened(data: bytes, mode: str) -> Picture:
    """A PNG or JPEG as Pillow has it, turned the way up that the camera noted.

    Args:
        data: the file.
        mode: "L" or "RGB", what a JPEG is decoded to where that saves work.

    Raises:
        PictureError: too large in bytes or pixels, of another format, broken or cut off.
    """
    from PIL import Image, ImageOps

    if len(data) > MAX_BYTES:
        raise PictureError(
            f"The file is larger than {MAX_BYTES // 2**20} MB. Save it smaller and try again."
        )
    too_large = PictureError(
        f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels. Scale it down first."
    )
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise too_large
            image.draft(mode, (WORKING_SIDE, WORKING_SIDE))  # JPEG: decode no finer than needed
            image.load()
            return ImageOps.exif_transpose(image)
    except PictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large from error
    except Exception as error:
        # Pillow's decoders answer a damaged file with almost any exception: OSError, SyntaxError,
        # ValueError, struct.error, zlib.error, and from a bent EXIF block even TypeError.
        raise PictureError(
            "This is not a PNG or JPEG that can be read: the file is of another kind, damaged or "
            "cut off. Open it in a picture program, save it as PNG and try again."
        ) from error


def read_grey(data: bytes) -> NDArray[np.float32]:
    """Decode a PNG or JPEG to grey values, `(height, width)` in [0, 1], longer side at most 512.

    Transparent parts become white.

    Raises:
        PictureError: as `read_colour`.
    """
    from PIL import Image

    image = _opened(data, "L")
    if image.mode.startswith(("I", "F")):  # 16 bits: Pillow's own conversion would cut them off
        values = np.asarray(image, dtype=np.float32) / 65535
    else:
        values = np.asarray(_flattened(image).convert("L"), dtype=np.float32) / 255
    return _reduce(Image.fromarray(values))


def read_colour(data: bytes) -> NDArray[np.float32]:
    """Decode a PNG or JPEG, `(height, width, 3)` in [0, 1], longer side at most 512.

    Turned the way up that the camera noted; transparent parts become white.

    Raises:
        PictureError: too large in bytes or pixels, of another format, broken or cut off.
    """
    image = _opened(data, "RGB")
    if image.mode.startswith(("I", "F")):  # 16 bits of grey
        return np.repeat(read_grey(data)[..., None], 3, axis=-1)
    image = _flattened(image).convert("RGB")
    image.thumbnail((WORKING_SIDE, WORKING_SIDE))
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def _flattened(image: Picture) -> Picture:
    """A loaded Pillow image on white where it is transparent, its longer side at most 1023."""
    from PIL import Image

    if image.mode in ("1", "P", "PA", "LA") or "transparency" in image.info:
        image = image.convert("RGBA")
    factor = max(image.size) // WORKING_SIDE
    if factor > 1:
        image = image.reduce(factor)  # before the conversions below copy it
    if image.mode == "RGBA":
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image)
    return image


def _reduce(image: Picture) -> NDArray[np.float32]:
    from PIL import Image

    longer = max(image.size)
    if longer > WORKING_SIDE:
        scale = WORKING_SIDE / longer
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BILINEAR)
    return np.clip(np.asarray(image, dtype=np.float32), 0, 1)
