"""What a visitor takes along from the latent pad: points, films of the ways, the code."""

from __future__ import annotations

import csv
import io

import numpy as np

from dashboard import cache, cards
from dashboard.components.codes import as_tensor
from dashboard.components.exports import Export
from dashboard.components.image_grid import to_pixels
from dashboard.components.imputing import wants_bits
from dashboard.components.map_view import MapView
from dashboard.embedding import to_quantiles
from dashboard.films import gif
from dashboard.logic.latent_space.interpolation import journey
from dashboard.logic.latent_space.latent_map import LatentMap
from dashboard.logic.latent_space.pad_view import PadView
from dashboard.scripts.latent_space import plane_script, tsne_script, ways_script

__all__ = ["pad_code", "pad_files", "points_table", "way_film"]

FILM_FRAMES = 25


def pad_files(view: MapView, now: PadView, found: LatentMap) -> list[Export]:
    """The points as a table and, between two pins, both ways as films."""
    files = [
        Export("Points, CSV", "points.csv", "text/csv", lambda: points_table(view, now, found))
    ]
    if len(now.pins) > 1:
        files += [
            Export(
                f"{way.capitalize()} way, GIF",
                f"{way}.gif",
                "image/gif",
                lambda way=way: way_film(view, now, way),  # type: ignore[misc]
            )
            for way in ("linear", "spherical")
        ]
    return files


def points_table(view: MapView, now: PadView, found: LatentMap) -> bytes:
    """A line for each point: its position in the split, its class, where it is on the map."""
    across, up = now.axes
    where = found.where[:, [across, up]]
    if now.scale == "quantiles":
        where = to_quantiles(where)
    images = view.images
    known = images is not None and images.labels is not None
    labels = images.labels.numpy() if images is not None and images.labels is not None else None
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["image", *(["class"] if known else []), "x", "y"])
    for row in np.argsort(found.positions, kind="stable"):
        position = int(found.positions[row])
        kind = []
        if labels is not None and images is not None:
            kind = [images.class_names[int(labels[position])]]
        writer.writerow([position, *kind, *(f"{value:.6g}" for value in where[row])])
    return out.getvalue().encode()


def way_film(view: MapView, now: PadView, way: str) -> bytes:
    """The way between two pins and back, as a GIF."""
    from engine.decoding import decode

    a, b = (now.pins[index].z for index in now.between)
    bits = cards.latent_kind(view.card) == "bernoulli"
    z = journey(a, b, FILM_FRAMES, way, cards.layer_sizes(view.card), bits=bits)
    images = decode(cache.model(view.checkpoint), as_tensor(z), layer=view.layer)
    frames = to_pixels(images, cards.picture_shape(view.card))
    return gif(np.concatenate([frames, frames[-2:0:-1]]), milliseconds=80, scale=8)


def pad_code(view: MapView, now: PadView) -> str:
    """The script for the pins, or without any for the manifold (of t-SNE: the places)."""
    sizes = cards.layer_sizes(view.card)
    bits = cards.latent_kind(view.card) == "bernoulli"
    shape = cards.picture_shape(view.card)
    if now.pins:
        return ways_script(
            view.checkpoint,
            np.stack([pin.z for pin in now.pins]),
            now.between if len(now.pins) > 1 else None,
            sizes,
            view.layer,
            shape,
            bits=bits,
        )
    data, split, count, layer = view.source
    if view.projection == "tsne":
        source = (data, split, count, wants_bits(view.card))
        return tsne_script(view.checkpoint, source, sizes, layer)
    return plane_script(
        view.checkpoint,
        (data, split, count, wants_bits(view.card)),
        sizes,
        layer,
        now.axes,
        now.window,
        shape,
        bits=bits,
        quantiles=now.scale == "quantiles",
    )
