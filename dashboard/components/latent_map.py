"""The map of a layer of latents as a Plotly figure: points, images among them, or the manifold."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dashboard import cards
from dashboard.components import charts
from dashboard.components.map_layout import MapLayout
from dashboard.components.map_pictures import images_picture, manifold_picture
from dashboard.embedding import tile_centres

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["map_figure", "show_map"]

HEIGHT = 580
MANY = 3000  # points from which the canvas of WebGL is faster than SVG

# From blue over magenta to orange: told apart with every kind of colour blindness, and each step
# legible on light and on dark.
ORDER_COLOURS = ["#3b7dd8", "#8a63c9", "#c7569b", "#e2664f", "#ee9b1f"]


def show_map(layout: MapLayout, *, key: str) -> Any:
    """Draw the map as wide as its column, and return what is selected on it."""
    return charts.show(
        map_figure(layout),
        key=key,
        alt=f"Map of {len(layout.where)} images of {layout.view.images.title}",
        on_select="rerun",
        selection_mode=("points", "box", "lasso"),
    )


def map_figure(layout: MapLayout) -> go.Figure:
    """The map of a layout; `customdata` of a point is its index, of a tile -1 minus its index."""
    figure = _axes(layout)
    if layout.view.show == "manifold":
        figure.update_xaxes(showgrid=False).update_yaxes(showgrid=False)  # it lies above pictures
        _add_picture(figure, layout, manifold_picture(layout))
        _add_tiles(figure, layout)
        return figure
    pictured = np.empty(0, dtype=np.int64)
    if layout.view.show == "images":
        picture, pictured = images_picture(layout)
        _add_picture(figure, layout, picture)
    _add_points(figure, layout, pictured)
    return figure


def _axes(layout: MapLayout) -> go.Figure:
    """Axes only, one unit as long in both directions."""
    figure = charts.figure(*_titles(layout), height=HEIGHT, square=True)
    limits = layout.limits
    # The plot shrinks to the square rather than showing empty places beside it.
    figure.update_xaxes(range=[limits.left, limits.right], constrain="domain", showgrid=True)
    figure.update_yaxes(
        range=[limits.bottom, limits.top], constrain="domain", constraintoward="top"
    )
    # Streamlit takes clicks on points while dragging moves the map, and not while it selects.
    figure.update_layout(dragmode="pan")
    return figure


def _titles(layout: MapLayout) -> tuple[str, str]:
    """Titles of both axes, with the explained variance or what the unit is."""
    view, plane = layout.view, layout.plane
    if plane is None:
        return "t-SNE 1 (no unit)", "t-SNE 2 (no unit)"
    several = len(cards.layer_sizes(view.card)) > 1
    of_layer = f", layer {view.layer + 1}" if several else ""
    if view.projection == "quantiles":
        return f"Φ(z₁), prior probability{of_layer}", f"Φ(z₂), prior probability{of_layer}"
    bits = cards.latent_kind(view.card) == "bernoulli"
    if plane.explained is not None:
        unit = "units of probability" if bits else "prior standard deviations"
        first, second = (
            f"principal axis {index}: {share:.0%} of the variance{of_layer} ({unit})"
            for index, share in enumerate(plane.explained, start=1)
        )
        return first, second
    unit = "probability" if bits else "prior standard deviations"
    return f"E[z₁ | x]{of_layer} ({unit})", f"E[z₂ | x]{of_layer} ({unit})"


def _add_points(figure: go.Figure, layout: MapLayout, pictured: NDArray[np.int64]) -> None:
    """One series for each class, or one coloured by position where the classes are not known.

    Args:
        figure: from `_axes`.
        layout: of the map.
        pictured: the points whose image is on the map: their own mark would hide it.
    """
    import plotly.graph_objects as go

    where, positions, labels = layout.where, layout.indices, layout.labels
    images = layout.view.images
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
        for label, name in enumerate(images.class_names):
            members = np.flatnonzero(labels == label)
            if len(members):
                groups.append((name, members, charts.CLASS_COLOURS[label % 10]))
    for name, members, colour in groups:
        marker: dict[str, Any] = {"size": size, "opacity": opacity[members], "color": colour}
        if labels is None:
            marker |= {
                "colorscale": ORDER_COLOURS,
                "cmin": 0,
                "cmax": max(len(images.x) - 1, 1),
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
    # Ten narrow entries fit into one row above the map, on a phone into two.
    figure.update_layout(margin={"t": 64}, legend={"itemsizing": "constant", "itemwidth": 30})


def _add_tiles(figure: go.Figure, layout: MapLayout) -> None:
    """An invisible point in the middle of each image of the manifold: it takes hover and clicks."""
    import plotly.graph_objects as go

    centres = tile_centres(layout.limits, *layout.view.grid)
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


def _add_picture(figure: go.Figure, layout: MapLayout, picture: bytes) -> None:
    """Lay a picture over the whole of the limits, below the points."""
    limits = layout.limits
    figure.add_layout_image(
        source=f"data:image/png;base64,{base64.b64encode(picture).decode()}",
        xref="x",
        yref="y",
        x=limits.left,
        y=limits.top,
        sizex=limits.width,
        sizey=limits.height,
        sizing="stretch",
        layer="below",
    )
