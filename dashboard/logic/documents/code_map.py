"""Documents as points: where their codes lie on the two directions along which codes vary most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dashboard.components import charts
from dashboard.embedding import principal_plane

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["map_picture", "themes_of"]

HEIGHT = 520


def themes_of(class_names: Sequence[str]) -> list[str]:
    """The theme of each class: "comp" of "comp.graphics"; a name without a point is its own."""
    return [name.split(".")[0] for name in class_names]


def map_picture(
    codes: NDArray[np.floating],
    labels: NDArray[np.integer] | None,
    class_names: Sequence[str],
    chosen: int,
) -> go.Figure:
    """The documents on the principal plane of their codes, a colour a theme; `chosen` is ringed.

    Args:
        codes: `(documents, latent)`.
        labels: of the documents, `(documents,)`, or None.
        class_names: name of each label.
        chosen: position of a document.
    """
    import plotly.graph_objects as go

    plane = principal_plane(codes)
    points = plane.project(codes)
    explained = [f"{100 * share:.0f} %" for share in plane.explained or (0.0, 0.0)]
    fig = charts.figure(
        f"First principal axis of the codes ({explained[0]} of the variance)",
        f"Second principal axis ({explained[1]})",
        height=HEIGHT,
        square=True,
    )
    fig.update_layout(legend={"itemsizing": "constant"})  # dots of this size say no colour
    themes = np.array(themes_of(class_names))
    own = np.full(len(codes), "documents") if labels is None else themes[labels]
    for index, theme in enumerate(dict.fromkeys(own[np.argsort(own, kind="stable")].tolist())):
        where = np.flatnonzero(own == theme)
        names = ["" if labels is None else f"{class_names[labels[place]]}, " for place in where]
        fig.add_trace(
            go.Scattergl(
                x=points[where, 0].astype(np.float32),
                y=points[where, 1].astype(np.float32),
                mode="markers",
                name=theme,
                marker={"size": 4, "color": charts.series_colour(index), "opacity": 0.6},
                unselected={"marker": {"opacity": 0.6}},  # one that is chosen dims no others
                customdata=list(zip(where.tolist(), names, strict=True)),
                hovertemplate="%{customdata[1]}document %{customdata[0]}<extra></extra>",
            )
        )
    fig.add_trace(
        go.Scatter(
            x=[points[chosen, 0]],
            y=[points[chosen, 1]],
            mode="markers",
            name="this document",
            marker={
                "symbol": "circle-open",
                "size": 18,
                "color": charts.MUTED_COLOUR,
                "line": {"width": 3, "color": charts.MUTED_COLOUR},
            },
            hoverinfo="skip",
        )
    )
    return fig
