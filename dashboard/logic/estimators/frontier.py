"""Variance against cost: what an estimator buys with its evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dashboard.components import charts
from dashboard.logic.estimators.gradients import Row, layer_title
from dashboard.logic.estimators.notes import NOTES

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["best", "frontier_figure"]


def best(rows: Sequence[Row], layer: str) -> Row | None:
    """The row of one layer with the least variance at equal cost."""
    found = [row for row in rows if row["layer"] == layer and row["trace"] > 0]
    return min(found, key=lambda row: float(row["variance_evaluations"]), default=None)


def frontier_figure(rows: Sequence[Row], layer: str, titles: Mapping[str, str]) -> go.Figure:
    """Evaluations an item against the trace, a labelled point for each estimator of `titles`.

    A dashed line goes through the best: along it twice the evaluations buy half the variance, as
    averaging two estimates would. What lies above it is worth less than averaging the best.
    """
    import plotly.graph_objects as go

    fig = charts.figure(
        "evaluations of log p(x, z), an item",
        "gradient variance, tr Cov[g] (nats²)",
        log_x=True,
        log_y=True,
        legend=False,
        height=440,
    )
    known = list(NOTES)
    shown = [row for row in rows if row["layer"] == layer and row["estimator"] in titles]
    shown = [row for row in shown if row["trace"] > 0]
    sides = _sides(shown)
    for row in shown:
        key = row["estimator"]
        fig.add_trace(
            go.Scatter(
                x=[row["evaluations"]],
                y=[row["trace"]],
                error_y={
                    "type": "data",
                    "array": [row["trace_se"]],
                    "thickness": 1.2,
                    "color": charts.MUTED_COLOUR,
                },
                name=titles[key],
                meta=f"{titles[key]}, {layer_title(layer)}",
                mode="markers+text",
                marker={
                    "color": charts.series_colour(known.index(key) if key in known else 0),
                    "size": 11,
                },
                text=[titles[key]],
                textposition=sides[key],
                cliponaxis=False,
                hovertemplate="%{y:.3g} nats² at %{x} evaluations<extra>"
                + titles[key]
                + "</extra>",
            )
        )
    lead = best(shown, layer)
    if lead is None:
        return fig
    costs = [float(row["evaluations"]) for row in shown]
    ends = np.array([min(costs) / 2.2, max(costs) * 2.6])
    fig.add_trace(
        go.Scatter(
            x=ends,
            y=float(lead["variance_evaluations"]) / ends,
            name="equal variance × cost",
            mode="lines",
            line={"color": charts.MUTED_COLOUR, "dash": "dash", "width": 1.2},
            hoverinfo="skip",
        )
    )
    ticks = sorted({int(cost) for cost in costs})
    fig.update_xaxes(
        range=np.log10(ends).tolist(),
        tickmode="array",
        tickvals=ticks,
        ticktext=[str(t) for t in ticks],
    )
    return fig


def _sides(rows: Sequence[Row]) -> dict[str, str]:
    """Where the names stand: of points above each other that are near, on both sides in turn."""
    heights = [float(np.log10(row["trace"])) for row in rows]
    near = 0.06 * (max(heights, default=0.0) - min(heights, default=0.0))
    turns = ("middle right", "middle left", "top right", "bottom left")
    sides: dict[str, str] = {}
    before, cost, turn = 0.0, 0, 0
    for row in sorted(rows, key=lambda row: (row["evaluations"], row["trace"])):
        height = float(np.log10(row["trace"]))
        apart = row["evaluations"] != cost or height - before > near
        turn = 0 if apart else (turn + 1) % len(turns)
        sides[row["estimator"]] = turns[turn]
        before, cost = height, row["evaluations"]
    return sides
