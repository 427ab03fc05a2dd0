"""The map of a layer of latents as a Plotly figure: points, images among them, or the manifold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dashboard import cache, cards
from dashboard.cards import Card
from dashboard.components import charts
from dashboard.components.image_grid import png, to_pixels
from dashboard.embedding import (
    Limits,
    Plane,
    colour_ink,
    from_quantiles,
    latent_plane,
    paste,
    principal_plane,
    square_limits,
    tile_centres,
    to_quantiles,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = [
    "add_picture",
    "add_points",
    "add_tiles",
    "axis_titles",
    "decoded",
    "empty_map",
    "images_png",
    "in_pairs",
    "limits_of",
    "manifold_png",
    "on_map",
    "place",
    "reconstructions",
    "selection",
]

HEIGHT = 580
MANY = 3000  # points from which the canvas of WebGL is faster than SVG

# From blue over magenta to orange: told apart with every kind of colour blindness, and each step
# legible on light and on dark.
ORDER_COLOURS = ["#3b7dd8", "#8a63c9", "#c7569b", "#e2664f", "#ee9b1f"]


def place(
    card: Card,
    layer: int,
    projection: str,
    codes: NDArray[np.floating],
    tsne: NDArray[np.float64] | None,
) -> tuple[NDArray[np.float64], Plane | None]:
    """Where the codes are on the map, `(n, 2)`, and the plane it shows (None: there is none).

    Args:
        card: of the checkpoint.
        layer: of latents.
        projection: "latents", "quantiles", "pca" or "tsne".
        codes: `(n, latent)`, all layers.
        tsne: the finished map for "tsne".
    """
    from dashboard.decoding import layer_slice

    if tsne is not None:
        return tsne, None
    z = codes[:, layer_slice(cards.layer_sizes(card), layer)]
    plane = principal_plane(z) if projection == "pca" else latent_plane()
    where = plane.project(z)
    return (to_quantiles(where) if projection == "quantiles" else where), plane


def limits_of(projection: str, where: NDArray[np.float64]) -> Limits:
    """What the axes show: all points, or all quantiles."""
    return Limits(0, 1, 0, 1) if projection == "quantiles" else square_limits(where)


def axis_titles(projection: str, layer: int, card: Card, plane: Plane | None) -> tuple[str, str]:
    """Titles of both axes, with the explained variance or what the unit is."""
    if projection == "tsne":
        return "t-SNE 1 (no unit)", "t-SNE 2 (no unit)"
    kind = cards.latent_kind(card)
    several = len(cards.layer_sizes(card)) > 1
    of_layer = f", layer {layer + 1}" if several else ""
    if projection == "pca":
        assert plane is not None
        assert plane.explained is not None
        unit = "units of probability" if kind == "bernoulli" else "prior standard deviations"
        first, second = (
            f"principal axis {index}: {share:.0%} of the variance{of_layer} ({unit})"
            for index, share in enumerate(plane.explained, start=1)
        )
        return first, second
    if projection == "quantiles":
        return f"Φ(z₁), prior probability{of_layer}", f"Φ(z₂), prior probability{of_layer}"
    unit = "probability" if kind == "bernoulli" else "prior standard deviations"
    return f"E[z₁ | x]{of_layer} ({unit})", f"E[z₂ | x]{of_layer} ({unit})"


def empty_map(titles: tuple[str, str], limits: Limits) -> go.Figure:
    """Axes only, one unit as long in both directions."""
    figure = charts.figure(*titles, height=HEIGHT, square=True)
    # The plot shrinks to the square rather than showing empty places beside it.
    figure.update_xaxes(range=[limits.left, limits.right], constrain="domain", showgrid=True)
    figure.update_yaxes(
        range=[limits.bottom, limits.top], constrain="domain", constraintoward="top"
    )
    # Streamlit takes clicks on points while dragging moves the map, and not while it selects.
    figure.update_layout(dragmode="pan")
    return figure


def add_points(
    figure: go.Figure,
    where: NDArray[np.float64],
    positions: NDArray[np.int64],
    labels: NDArray[np.int64] | None,
    class_names: Sequence[str],
    pictured: NDArray[np.int64],
    total: int,
) -> None:
    """One series for each class, or one coloured by position where the classes are not known.

    Args:
        figure: from `empty_map`.
        where: `(n, 2)`.
        positions: of the images in their split, `(n,)`: for the reader.
        labels: of the points, or None.
        class_names: name of each label.
        pictured: the points whose image is on the map: their own mark would hide it.
        total: images in the split.
    """
    import plotly.graph_objects as go

    plain = np.ones(len(where), dtype=bool)
    plain[pictured] = False
    some = len(pictured) > 0
    opacity = np.where(plain, 0.35 if some else 0.75, 0.0)
    series = go.Scattergl if len(where) > MANY else go.Scatter
    size = (4 if some else 6) if len(where) > 1000 else (5 if some else 7)
    groups: list[tuple[str, NDArray[np.int64], Any]] = []
    if labels is None:
        groups.append(("image", np.arange(len(where)), positions))
    else:
        for label, name in enumerate(class_names):
            members = np.flatnonzero(labels == label)
            if len(members):
                groups.append((name, members, charts.CLASS_COLOURS[label % 10]))
    for name, members, colour in groups:
        marker: dict[str, Any] = {"size": size, "opacity": opacity[members], "color": colour}
        if labels is None:
            marker |= {
                "colorscale": ORDER_COLOURS,
                "cmin": 0,
                "cmax": max(total - 1, 1),
                "colorbar": {
                    "title": {"text": "position in the split", "side": "top"},
                    "orientation": "h",
                    "thickness": 10,
                    "len": 0.6,
                    "x": 0,
                    "xanchor": "left",
                    "y": 1.02,
                    "yanchor": "bottom",
                    "outlinewidth": 0,
                },
            }
        title = "image" if labels is None else f"class {name}, image"
        figure.add_trace(
            series(
                x=where[members, 0],
                y=where[members, 1],
                customdata=members,
                text=[str(position) for position in positions[members]],
                mode="markers",
                name=name,
                marker=marker,
                showlegend=labels is not None,
                selected={"marker": {"opacity": 1.0, "size": 5 if some else size + 3}},
                unselected={"marker": {"opacity": 0.0 if some else 0.25}},
                hovertemplate=f"{title} %{{text}}<br>(%{{x:.2f}}, %{{y:.2f}})<extra></extra>",
            )
        )
    # Ten narrow entries fit into one row above the map, below the bar of tools.
    figure.update_layout(
        margin={"t": 64},
        legend={"itemsizing": "constant", "itemwidth": 30, "xref": "container", "x": 0.04},
    )


def add_tiles(figure: go.Figure, limits: Limits, rows: int, columns: int) -> None:
    """An invisible point in the middle of each image of the manifold: it takes hover and clicks."""
    import plotly.graph_objects as go

    centres = tile_centres(limits, rows, columns)
    figure.add_trace(
        go.Scatter(
            x=centres[:, 0],
            y=centres[:, 1],
            customdata=-1 - np.arange(len(centres)),
            mode="markers",
            marker={"size": 22, "opacity": 0.0, "symbol": "square"},
            selected={"marker": {"opacity": 0.35}},
            unselected={"marker": {"opacity": 0.0}},
            showlegend=False,
            hovertemplate="(%{x:.2f}, %{y:.2f})<extra></extra>",
        )
    )


def add_picture(figure: go.Figure, uri: str, limits: Limits) -> None:
    """Lay a picture over the whole of the limits, below the points."""
    figure.add_layout_image(
        source=uri,
        xref="x",
        yref="y",
        x=limits.left,
        y=limits.top,
        sizex=limits.width,
        sizey=limits.height,
        sizing="stretch",
        layer="below",
    )


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


def images_png(
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64] | None,
    cells: NDArray[np.int64],
    rows: int,
    columns: int,
) -> bytes:
    """Images in their cells of the map: digits as ink in the colour of their class, others grey.

    Args:
        pixels: uint8 `(n, height, width)`.
        labels: of each, or None.
        cells: of each, see `embedding.room_for_images`.
        rows, columns: of the grid.
    """
    if labels is None:
        shape = (*pixels.shape, 4)
        images = np.full(shape, 255, dtype=np.uint8)
        images[..., :3] = pixels[..., None]
    else:
        colours = [charts.CLASS_COLOURS[int(label) % 10] for label in labels]
        images = colour_ink(pixels, colours)
    return png(paste(images, cells, rows, columns, scale=2))


def decoded(
    name: str,
    card: Card,
    layer: int,
    z: NDArray[np.floating],
    rest: NDArray[np.floating] | None = None,
) -> NDArray[np.float32]:
    """What the model draws for codes of one layer, `(n, data)` in [0, 1].

    Args:
        name: of the checkpoint.
        card: its card.
        layer: that `z` belongs to.
        z: `(n, latents of the layer)`.
        rest: `(latent,)`, where the other layers are held; at zero when None.
    """
    import torch

    from dashboard.decoding import decode, layer_slice

    sizes = cards.layer_sizes(card)
    codes = np.zeros((len(z), sum(sizes)), dtype=np.float32)
    if rest is not None:
        codes[:] = rest
    bits = cards.latent_kind(card) == "bernoulli"
    codes[:, layer_slice(sizes, layer)] = np.clip(z, 0, 1) if bits else z
    return decode(cache.model(name), torch.from_numpy(codes), layer=layer).numpy()


def on_map(projection: str, plane: Plane, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The codes of places on the map, `(n, latents of the layer)`."""
    return plane.lift(from_quantiles(points) if projection == "quantiles" else points)


def manifold_png(images: NDArray[np.float32], shape: tuple[int, int], columns: int) -> bytes:
    """The images of a grid side by side without gaps, as one picture."""
    height, width = shape
    pixels = to_pixels(images, shape)
    rows = len(pixels) // columns
    picture = pixels.reshape(rows, columns, height, width).swapaxes(1, 2)
    flat = picture.reshape(rows * height, columns * width)
    return png(flat.repeat(2, axis=0).repeat(2, axis=1))


def reconstructions(name: str, codes: NDArray[np.float32]) -> NDArray[np.float32]:
    """E[x | z] at codes `(n, latent)` of all layers, `(n, data)` in [0, 1]."""
    import torch

    from dashboard.decoding import decode

    return decode(cache.model(name), torch.tensor(codes)).numpy()


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
