"""What is selected on the map: images, their reconstructions and neighbours, or one tile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import cache, cards
from dashboard.components.codes import as_tensor
from dashboard.components.image_grid import show_images
from dashboard.components.map_layout import MapLayout
from dashboard.embedding import nearest, tile_centres

__all__ = ["in_pairs", "selection", "show_selection"]

MOST_SHOWN = 30  # selected images
MOST_QUERIES, NEIGHBOURS = 4, 8


def selection(event: Any, count: int) -> tuple[list[int], list[int]]:
    """The points and the tiles that a chart says are selected, each once, in the order given.

    Args:
        event: what `st.plotly_chart(on_select="rerun")` returned.
        count: points on the map; anything else in the event is left out.
    """
    chosen: Mapping[str, Any] = event.get("selection", {}) if isinstance(event, Mapping) else {}
    points: list[int] = []
    tiles: list[int] = []
    for point in chosen.get("points", []):
        value = point.get("customdata")
        value = value[0] if isinstance(value, list) and value else value
        if not isinstance(value, int | float):
            continue
        index = int(value)
        if 0 <= index < count and index not in points:
            points.append(index)
        elif index < 0 and -1 - index not in tiles:
            tiles.append(-1 - index)
    return points, tiles


def show_selection(layout: MapLayout, event: Any) -> None:
    """The panel beside the map, for what its chart returned."""
    points, tiles = selection(event, len(layout.where))
    if points:
        _images(layout, points)
        _neighbours(layout, _some(points, MOST_QUERIES))
    elif tiles and layout.plane is not None:
        _tile(layout, tiles[0])
    else:
        st.markdown("**Nothing is selected yet.**")
        st.caption(
            "Click a point or an image of the manifold, or take the box or the lasso from the "
            "tools above the map and draw around several; with these in hand a double click "
            "ends the selection. Dragging moves the map; a click on a class in the legend "
            "hides it."
        )


def _some(points: list[int], most: int) -> list[int]:
    """At most so many, evenly from all: the browser gives them class by class."""
    if len(points) <= most:
        return points
    return [points[index * len(points) // most] for index in range(most)]


def _images(layout: MapLayout, points: list[int]) -> None:
    """The selected images, and each redrawn."""
    from dashboard.decoding import decode

    view, shown = layout.view, _some(points, MOST_SHOWN)
    x = view.images.x[layout.indices[shown]].numpy()
    redrawn = decode(cache.model(view.checkpoint), as_tensor(layout.codes[shown])).numpy()
    noun = "image" if len(points) == 1 else "images"
    more = f", {len(shown)} of them shown" if len(points) > len(shown) else ""
    st.markdown(f"**{len(points)} {noun} selected**{more}{_classes(layout, points)}")
    scale = 3 if len(shown) <= 5 else 2
    columns = min(len(shown), 10 if scale == 2 else 5)
    show_images(
        in_pairs(x, redrawn, columns),
        view.images.image_shape,
        columns=columns,
        scale=scale,
        alt="The selected images and their reconstructions",
        caption="Selected images; below each row, E[x | z] at their codes: the reconstructions.",
    )


def in_pairs(
    images: NDArray[np.floating], redrawn: NDArray[np.floating], columns: int
) -> NDArray[np.floating]:
    """Rows of a grid: `columns` images, below them the same redrawn; NaN where a row has ended."""
    rows: list[NDArray[np.floating]] = []
    for start in range(0, len(images), columns):
        for part in (images[start : start + columns], redrawn[start : start + columns]):
            missing = columns - len(part)
            rows.append(np.pad(part, ((0, missing), (0, 0)), constant_values=np.nan))
    return np.concatenate(rows)


def _classes(layout: MapLayout, points: list[int]) -> str:
    """How many of each class, the most frequent first."""
    if layout.labels is None:
        return ""
    labels, counts = np.unique(layout.labels[points], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    class_names = layout.view.images.class_names
    names = [f"{class_names[labels[i]]} ({counts[i]})" for i in order[:5]]
    return " · classes: " + ", ".join(names) + (" …" if len(order) > 5 else "")


def _neighbours(layout: MapLayout, queries: list[int]) -> None:
    """Rows of images: a selected one, then those whose codes are nearest to its code."""
    view = layout.view
    z = view.layer_codes()
    rows = [[query, *nearest(z, query, NEIGHBOURS)] for query in queries]
    if len(rows[0]) < 2:
        return
    several = len(cards.layer_sizes(view.card)) > 1
    in_layer = f" in layer {view.layer + 1}" if several else ""
    st.markdown("**Nearest in latent space**")
    show_images(
        view.images.x[layout.indices[np.concatenate(rows)]],
        view.images.image_shape,
        columns=len(rows[0]),
        alt="Selected images and their nearest neighbours",
        caption=(
            f"First column: selected; then its {len(rows[0]) - 1} nearest of the {len(z)} images "
            f"on the map, by the Euclidean distance of their codes{in_layer}."
        ),
    )


def _tile(layout: MapLayout, tile: int) -> None:
    """One image of the manifold, large, and the test images whose points are nearest to it."""
    rows, columns = layout.view.grid
    if tile >= rows * columns:
        return
    images = layout.view.images
    centre = tile_centres(layout.limits, rows, columns)[tile]
    st.markdown(f"**Drawn at ({centre[0]:.2f}, {centre[1]:.2f})**".replace("-", "−"))
    show_images(
        layout.drawn(centre[None]),
        images.image_shape,
        scale=6,
        alt="The image drawn at this place",
    )
    order = np.argsort(np.square(layout.where - centre).sum(1), kind="stable")[: NEIGHBOURS + 1]
    st.markdown("**Nearest images on the map**")
    show_images(
        images.x[layout.indices[order]],
        images.image_shape,
        columns=len(order),
        alt="Images whose points are nearest to this place",
    )
