"""Images of a folder as one array; what does not fit is refused by its name."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import DatasetError

__all__ = ["SUFFIXES", "read_folder"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
"""Kinds of pixels with 8 bits or fewer a colour, as PIL calls them."""


def read_folder(
    folder: Path, *, most_values: int
) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """The images of `folder`, in the order of their names.

    Images lie in the folder itself, or in one subfolder for each class. Files with other suffixes
    and hidden ones are passed over.

    Args:
        folder: where.
        most_values: the most that one image may have, pixels times colours.

    Returns:
        Images uint8 `(n, height, width)`, or `(n, height, width, 3)` where any of them has a
        colour; labels int64 `(n,)` or None; names of the classes.

    Raises:
        DatasetError: no image, images of several sizes, or one that is damaged, animated,
            transparent, too large or of more than 8 bits.
    """
    classes = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    direct = _images_in(folder)
    by_class = {name: _images_in(folder / name) for name in classes}
    by_class = {name: files for name, files in by_class.items() if files}
    if direct and by_class:
        raise DatasetError(
            f"{folder} holds images both directly and in subfolders ({', '.join(by_class)}): use "
            "one or the other, a subfolder for each class."
        )
    files = direct or [file for found in by_class.values() for file in found]
    if not files:
        deeper = any(_images_in(path) for path in folder.glob("*/*/") if path.is_dir())
        where = ": they lie deeper than in one subfolder for each class" if deeper else ""
        raise DatasetError(f"{folder} holds no images ({', '.join(SUFFIXES)}){where}.")
    pictures = [_read(file, folder, most_values) for file in files]
    _check_sizes(pictures, files, folder)
    images = np.stack(pictures)
    if (images == images[..., :1]).all():  # grey pictures are often stored in colour
        images = images[..., 0]
    labels = [number for number, found in enumerate(by_class.values()) for _ in found]
    return images, np.array(labels) if labels else None, tuple(by_class)


def _images_in(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def _check_sizes(pictures: list[np.ndarray], files: list[Path], folder: Path) -> None:
    sizes = Counter(picture.shape[:2] for picture in pictures)
    if len(sizes) == 1:
        return
    (height, width), count = sizes.most_common(1)[0]
    odd = next(i for i, p in enumerate(pictures) if p.shape[:2] != (height, width))
    found = pictures[odd].shape
    raise DatasetError(
        f"all images must be of one size: {count} of the {len(files)} in {folder} are {width} x "
        f"{height} pixels, and {files[odd].relative_to(folder)} is {found[1]} x {found[0]}."
    )


def _read(path: Path, folder: Path, most_values: int) -> np.ndarray:
    """One image as uint8 `(height, width, 3)`."""
    from PIL import Image, ImageOps, UnidentifiedImageError  # late: needed here alone

    name = path.relative_to(folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                _check_kind(image, name, most_values)
                upright = ImageOps.exif_transpose(image)
                if _is_transparent(upright):
                    raise DatasetError(f"{name} has transparent parts: save it without.")
                return np.array(upright.convert("RGB"))
    except DatasetError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DatasetError(f"{name} is far too large ({error}).") from error
    except UnidentifiedImageError as error:
        raise DatasetError(f"{name} is damaged or no image.") from error
    except Exception as error:  # damaged files make the decoders raise errors of any kind
        raise DatasetError(f"{name} is damaged ({error}).") from error


def _check_kind(image: Any, name: Path, most_values: int) -> None:
    """Refuse, before it is decoded, what cannot be used."""
    if getattr(image, "n_frames", 1) > 1:
        raise DatasetError(f"{name} is animated or has several pages: use single images.")
    width, height = image.size
    if 3 * width * height > most_values:
        raise DatasetError(
            f"{name} is too large: {width} x {height} pixels, above {most_values // 3} in all; "
            "scale the images down."
        )
    if image.mode not in MODES:
        raise DatasetError(
            f"{name} is of the kind {image.mode!r}: save it in grey or RGB with 8 bits a value."
        )


def _is_transparent(image: Any) -> bool:
    if not image.has_transparency_data:
        return False
    lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
    return bool(lowest < 255)
