"""The map of a layer of latents, and the messages that bring it to the browser.

Two messages, so that the points are drawn before the images are there: `map_message` has places,
classes and the model, `details_message` thumbnails and codes. The other ends are `latent_pad.js`
and `latent_details.js` in `dashboard/frontend/latent_pad`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboard.blobs import pack, pack_bits
from dashboard.embedding import Plane, latent_plane, principal_plane

__all__ = ["MOST_AXES", "LatentMap", "axis_titles", "details_message", "lay_out", "map_message"]

MOST_AXES = 5
IMAGE_BYTES = 8_000_000  # of thumbnails: all 70 000 images of bits, 10 000 of grey digits
CODE_VALUES = 2_000_000  # of codes: 10 000 with 200 latents
CHUNK = 2000  # images at a time
_LARGEST = 32_767


@dataclass(frozen=True)
class LatentMap:
    """Images at their places.

    The rows are in an order that says nothing: the first ones are a fair sample of all, and points
    that are drawn over each other hide no class more than another.

    Attributes:
        positions: of the images in their split, `(n,)`.
        codes: recognition means of the layer, `(n, latents of the layer)`.
        where: coordinates, `(n, axes)`.
        plane: that the coordinates belong to; None for t-SNE, whose places have no codes.
        rest: mean code of all layers, `(latent,)`.
        layer: 0 next to the image.
    """

    positions: NDArray[np.int64]
    codes: NDArray[np.float32]
    where: NDArray[np.float64]
    plane: Plane | None
    rest: NDArray[np.float32]
    layer: int


def lay_out(
    positions: NDArray[np.int64],
    codes: NDArray[np.float32],
    sizes: Sequence[int],
    layer: int,
    tsne: NDArray[np.float64] | None = None,
) -> LatentMap:
    """Place images on the map of a layer.

    Args:
        positions: of the images in their split, `(n,)`.
        codes: recognition means of all layers, `(n, latent)`.
        sizes: latents of each layer.
        layer: 0 next to the image.
        tsne: places by t-SNE `(n, 2)`, in the same order; None for a plane.
    """
    start = sum(sizes[:layer])
    own = codes[:, start : start + sizes[layer]]
    rest = codes.mean(0) if len(codes) else np.zeros(sum(sizes), dtype=np.float32)
    order = np.random.default_rng(1).permutation(len(positions))
    plane: Plane | None = None
    if tsne is not None:
        where = tsne
    else:
        two = sizes[layer] == 2
        plane = latent_plane() if two else principal_plane(own, MOST_AXES)
        where = plane.project(own)
    return LatentMap(positions[order], own[order], where[order], plane, rest, layer)


def axis_titles(
    plane: Plane | None, *, layer: int | None, bits: bool
) -> list[dict[str, str | None]]:
    """Name, share of the variance and unit of each axis.

    Args:
        plane: of the map; None for t-SNE.
        layer: to be named; None where the model has only one.
        bits: whether the latents are bits.
    """
    if plane is None:
        return [{"name": f"t-SNE {i}", "share": None, "unit": "no unit"} for i in (1, 2)]
    of_layer = "" if layer is None else f", layer {layer + 1}"
    if plane.explained is None:
        unit = "probability" if bits else "prior standard deviations"
        names = [f"E[z{index} | x]{of_layer}" for index in "₁₂"]
        return [{"name": name, "share": None, "unit": unit} for name in names]
    unit = "units of probability" if bits else "prior standard deviations"
    return [
        {"name": f"principal axis {i}{of_layer}", "share": f"{share:.1%}", "unit": unit}
        for i, share in enumerate(plane.explained, start=1)
    ]


def map_message(
    found: LatentMap,
    header: Mapping[str, Any],
    model: tuple[dict[str, Any], Mapping[str, NDArray[Any]]],
    *,
    labels: NDArray[np.int64] | None,
    total: int,
) -> bytes:
    """Places as 16-bit integers, one byte of class, and the model.

    Args:
        found: the map.
        header: what else the component needs.
        model: from `weights.model_arrays`.
        labels: class of each image of the split; None colours by position.
        total: images in the split.
    """
    spec, arrays = model
    places = found.where if len(found.where) else np.zeros((0, 2))
    low = places.min(0) if len(places) else np.full(2, -3.0)
    high = places.max(0) if len(places) else np.full(2, 3.0)
    step = max(float((high - low).max()) / 2, 1e-6) / _LARGEST
    centre = (low + high) / 2
    by_position = found.positions * 256 // max(total, 1)
    classes = by_position if labels is None else labels[found.positions]
    own = {
        "coords": np.rint((places - centre) / step).astype(np.int16).T,
        "classes": classes.astype(np.uint8),
        "positions": found.positions.astype(np.int32),
        "rest": found.rest.astype(np.float32),
    }
    if found.plane is not None:
        own["origin"] = found.plane.origin.astype(np.float32)
        own["axes"] = found.plane.axes.astype(np.float32)
    whole = {
        **header,
        "model": spec,
        "layer": found.layer,
        "count": len(places),
        "centre": centre.tolist(),
        "step": step,
        "has_plane": found.plane is not None,
    }
    return pack(whole, {**own, **arrays})


def details_message(found: LatentMap, token: str, x: NDArray[np.floating], *, bits: bool) -> bytes:
    """Thumbnails and codes of as many of the first images of the map as are worth their bytes.

    Args:
        found: the map.
        token: that the map's own header has.
        x: all images of the split, `(images, data)` in [0, 1].
        bits: whether all of their pixels are 0 or 1.
    """
    width = x.shape[1]
    room = IMAGE_BYTES // (-(-width // 8) if bits else width)
    rows = np.array_split(found.positions[:room], max(1, min(room, len(found.positions)) // CHUNK))
    pieces = [np.rint(x[part] * 255).astype(np.uint8) for part in rows]
    images = np.concatenate([pack_bits(piece) if bits else piece for piece in pieces])
    arrays: dict[str, NDArray[Any]] = {"images": images}
    codes = 0
    if found.plane is None or found.plane.explained is not None:  # else the places are the codes
        codes = min(len(found.codes), CODE_VALUES // found.codes.shape[1])
        arrays["codes"] = found.codes[:codes].astype(np.float16)
    header = {"token": token, "packed": bits, "images": len(images), "codes": codes}
    return pack(header, arrays)
