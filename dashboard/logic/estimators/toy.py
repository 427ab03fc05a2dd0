"""The toy problem on the screen: what is measured beside what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboard.components import charts
from dashboard.logic.estimators.gradients import short

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["told", "toy_figure"]

ZERO = 1e-15  # below: rounding


def toy_figure(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Bars of the closed form and of the measurement for each estimator of `ToyRace.rows`."""
    import plotly.graph_objects as go

    fig = charts.figure("", "variance of one estimate of dL/da", log_y=True, height=340)
    titles = [str(row["title"]) for row in rows]
    known = [float(row["variance"]) for row in rows]
    series: list[tuple[str, list[float], list[float] | None, int]] = [("known", known, None, 0)]
    if rows[0]["measured"] is not None:
        found = [float(row["measured"]) for row in rows]
        series.append(("measured", found, [float(row["measured_se"]) for row in rows], 1))
    for name, values, errors, index in series:
        fig.add_trace(
            go.Bar(
                name=name,
                x=titles,
                y=[value if value > ZERO else 0.0 for value in values],
                error_y=None
                if errors is None
                else {
                    "type": "data",
                    "array": errors,
                    "thickness": 1.5,
                    "color": charts.MUTED_COLOUR,
                },
                marker={"color": charts.series_colour(index)},
                text=[short(value) if value > ZERO else "0" for value in values],
                textposition="outside",
                cliponaxis=False,
                hovertemplate="%{text}<extra>" + name + "</extra>",
            )
        )
    seen = [value for _, values, _, _ in series for value in values if value > ZERO]
    if seen:
        low, high = np.log10(min(seen)), np.log10(max(seen))
        fig.update_yaxes(range=[low - 0.6, high + 0.35])
        for title, value in zip(titles, known, strict=True):
            if value <= ZERO:  # a logarithmic axis has no zero
                fig.add_annotation(
                    x=title, y=low - 0.5, text="exactly 0", showarrow=False, yanchor="bottom"
                )
    fig.update_layout(barmode="group")
    fig.update_xaxes(type="category")
    fig.update_yaxes(exponentformat="power")
    return fig


def told(rows: Sequence[Mapping[str, Any]]) -> str:
    """The figure in words."""
    parts = []
    for row in rows:
        known = float(row["variance"])
        text = f"{row['title']} {short(known) if known > ZERO else '0'}"
        if row["measured"] is not None:
            text += f", measured {short(float(row['measured']))}"
        parts.append(text)
    return "; ".join(parts)
