"""What the recognition microscope sends, receives and says: plain functions, no Streamlit."""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dashboard.blobs import pack
from dashboard.embedding import Plane, latent_plane, principal_plane
from dashboard.weights import model_arrays

if TYPE_CHECKING:
    from dashboard.logic.recognition.posteriors import Posterior
    from engine.models import LatentVariableModel

__all__ = [
    "LARGEST_SEED",
    "LONGEST_TEXT",
    "STARTS",
    "Codes",
    "View",
    "checked_view",
    "decode_image",
    "encode_image",
    "microscope_message",
    "news_message",
    "plane_of",
]

Image = NDArray[np.float32]

LONGEST_TEXT = 1500
"""Letters of a drawn image that an address takes: longer ones get cut on their way by mail."""

LARGEST_SEED = 999_999

STARTS = ("image", "blank")


@dataclass(frozen=True)
class Codes:
    """Recognition means on a plane, for the map.

    Attributes:
        plane: of the latents.
        points: `(n, 2)` on it.
        labels: class of each, or None.
        class_names: of the labels.
    """

    plane: Plane
    points: NDArray[np.float64]
    labels: NDArray[np.integer] | None
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class View:
    """What the visitor looks at.

    Attributes:
        image: as text, see `encode_image`.
        start: "image" or "blank", what the drawing began from.
        seed: of the draws.
    """

    image: str
    start: str
    seed: int


def encode_image(x: NDArray[np.floating], *, bits: bool) -> str:
    """An image `(data,)` in [0, 1] as text for an address: packed bits, or bytes."""
    whole = np.packbits(x >= 0.5) if bits else np.rint(np.clip(x, 0, 1) * 255).astype(np.uint8)
    return base64.urlsafe_b64encode(whole.tobytes()).decode().rstrip("=")


def decode_image(text: str, pixels: int, *, bits: bool) -> Image:
    """The inverse of `encode_image`, float32 `(pixels,)`.

    Raises:
        ValueError: it is something else; the message is the rule, without the text.
    """
    rule = f"must be an image of {pixels} {'bits' if bits else 'bytes'} as this page writes it"
    size = math.ceil(pixels / 8) if bits else pixels
    if len(text) != math.ceil(size * 4 / 3):
        raise ValueError(rule)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):  # ValueError: letters beyond ASCII
        raise ValueError(rule) from None
    whole = np.frombuffer(raw, dtype=np.uint8)
    if bits:
        return np.unpackbits(whole)[:pixels].astype(np.float32)
    return whole.astype(np.float32) / np.float32(255)


def checked_view(raw: object, token: str, pixels: int, *, bits: bool) -> View | None:
    """What the browser reported, if it is about the image at hand and as it should be."""
    if not isinstance(raw, Mapping) or raw.get("token") != token:
        return None
    image, start, seed = raw.get("image"), raw.get("start"), raw.get("seed")
    if not isinstance(image, str) or start not in STARTS:
        return None
    if isinstance(seed, bool) or not isinstance(seed, int | float) or seed != seed // 1:
        return None
    if not 0 <= seed <= LARGEST_SEED:
        return None
    try:
        x = decode_image(image, pixels, bits=bits)
    except ValueError:
        return None
    return View(encode_image(x, bits=bits), str(start), int(seed))


def plane_of(codes: NDArray[np.floating]) -> Plane:
    """The plane of a map: two latents themselves, or the two principal axes of more."""
    return latent_plane() if codes.shape[1] == 2 else principal_plane(codes)


def _axis_names(plane: Plane) -> tuple[list[str], list[str]]:
    """Short names of the axes, and ones that tell what they are."""
    if plane.explained is None:
        return ["z₁", "z₂"], ["z₁ across", "z₂ up"]
    names = ["axis 1", "axis 2"]
    shares = [f"{name}: {share:.0%}" for name, share in zip(names, plane.explained, strict=True)]
    return names, [f"principal {shares[0]} of the variance", shares[1]]


def microscope_message(
    model: LatentVariableModel,
    codes: Codes | None,
    image_shape: tuple[int, ...],
    channel: str,
    class_colours: Sequence[str],
    *,
    bits: bool,
) -> bytes:
    """The data of microscope.js: the model and, for Gaussian latents, the map."""
    spec, arrays = model_arrays(model)
    header: dict[str, Any] = {
        "model": spec,
        "image_shape": list(image_shape),
        "is_bits": bits,
        "channel": channel,
        "class_names": [],
        "class_colours": list(class_colours),
    }
    if codes is not None:
        header["short_names"], header["axis_names"] = _axis_names(codes.plane)
        arrays["plane.origin"] = codes.plane.origin.astype(np.float32)
        arrays["plane.axes"] = codes.plane.axes.astype(np.float32)
        arrays["points"] = codes.points.astype(np.float32)
        if codes.labels is not None:
            header["class_names"] = list(codes.class_names)
            arrays["classes"] = codes.labels.astype(np.uint8)
        low, high = np.array([[-3.0, -3.0], [3.0, 3.0]])
        if len(codes.points):
            low, high = codes.points.min(0), codes.points.max(0)
        header["limits"] = [float(v) for v in (low[0], high[0], low[1], high[1])]
    return pack(header, arrays)


def news_message(
    *,
    channel: str,
    token: str,
    view: View,
    item: Image | None,
    pixels: int,
    bits: bool,
    posterior: Posterior,
    local: dict[str, Any] | None,
) -> bytes:
    """The data of recognition_news.js: the image to start from and what is known about it."""
    arrays: dict[str, NDArray[Any]] = {
        "image": _bytes(decode_image(view.image, pixels, bits=bits)),
    }
    if item is not None:
        arrays["item"] = _bytes(item)
    header: dict[str, Any] = {
        "channel": channel,
        "token": token,
        "seed": view.seed,
        "start": view.start,
        "has_item": item is not None,
        "of_image": view.image,
        "posterior_words": posterior.words,
        **posterior.header,
    }
    arrays |= posterior.arrays
    if local is not None:
        header["local"] = local
    body = pack(header, arrays)
    return pack({**header, "version": hashlib.sha256(body).hexdigest()}, arrays)


def _bytes(x: Image) -> NDArray[np.uint8]:
    return np.rint(x * 255).astype(np.uint8)
