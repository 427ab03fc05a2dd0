"""Recorded gradient variances: curves over the training images, or dots at the end of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from dashboard.components import charts
from dashboard.logic.estimators.gradients import QUANTITIES, Row, interval, resolved, short

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["recorded_figure", "recorded_rows", "told_last"]


def recorded_rows(columns: Mapping[str, NDArray[Any]]) -> list[dict[str, Any]]:
    """The recorded columns as rows; empty where a column that the page needs is missing."""
    needed = {"samples", "estimator", "layer", "trace", "mean_square"}
    if not needed <= columns.keys():
        return []
    length = len(columns["samples"])
    return [{name: column[i].item() for name, column in columns.items()} for i in range(length)]


def recorded_figure(rows: Sequence[Row], layer: str, quantity: str) -> go.Figure:
    """The recorded curves of one layer, a colour an estimator; error bars are standard errors.

    A ratio that cannot be told from 0 is drawn as an open triangle at its upper end. The first
    measurement, before training, stands left of the others on the logarithmic axis. Where there
    is one measurement alone, every estimator has a place of its own, and a dot.
    """
    import plotly.graph_objects as go

    if len({float(row["samples"]) for row in rows}) == 1:
        return _dots(rows, layer, quantity)
    fig = charts.figure(
        "training images seen", QUANTITIES[quantity][1], log_x=True, log_y=True, height=460
    )
    shown = [row for row in rows if row["layer"] == layer]
    labels = list(dict.fromkeys(str(row["estimator"]) for row in rows))
    places = {float(row["samples"]) for row in shown}
    positive = sorted(place for place in places if place > 0)
    start = positive[0] / 3 if positive else 1.0
    for index, label in enumerate(labels):
        points = [row for row in shown if row["estimator"] == label]
        samples = [float(row["samples"]) for row in points]
        x = [place or start for place in samples]
        spans = [interval(row, quantity) for row in points]
        good = [i for i, span in enumerate(spans) if resolved(*span)]
        lost = [i for i, span in enumerate(spans) if i not in good and span[2] > 0]
        fig.add_trace(
            go.Scatter(
                x=[x[i] for i in good],
                y=[spans[i][1] for i in good],
                customdata=[samples[i] for i in good],
                error_y={
                    "type": "data",
                    "array": [spans[i][2] - spans[i][1] for i in good],
                    "arrayminus": [spans[i][1] - spans[i][0] for i in good],
                    "thickness": 1.2,
                    "width": 3,
                    "color": charts.series_colour(index),
                },
                name=label,
                mode="lines+markers",
                line={"color": charts.series_colour(index), "width": 2},
                marker={"color": charts.series_colour(index), "size": 6},
                legendgroup=label,
                hovertemplate="%{y:.3g}<extra>" + label + "</extra>",
            )
        )
        if lost:
            fig.add_trace(
                go.Scatter(
                    x=[x[i] for i in lost],
                    y=[spans[i][2] for i in lost],
                    customdata=[samples[i] for i in lost],
                    name=label,
                    meta=f"{label}, upper end",
                    mode="markers",
                    marker={
                        "color": charts.series_colour(index),
                        "symbol": "triangle-down-open",
                        "size": 10,
                    },
                    legendgroup=label,
                    showlegend=not good,
                    hovertemplate="below %{y:.3g}<extra>" + label + "</extra>",
                )
            )
    ticks = [10.0**power for power in range(2, 9)]
    ticks = [tick for tick in ticks if positive and positive[0] / 2 < tick <= positive[-1]]
    if 0.0 in places:
        fig.update_xaxes(
            tickmode="array",
            tickvals=[start, *ticks],
            ticktext=["0", *(_count(tick) for tick in ticks)],
        )
    return fig


def _dots(rows: Sequence[Row], layer: str, quantity: str) -> go.Figure:
    """The one measurement of a layer: estimators side by side."""
    import plotly.graph_objects as go

    fig = charts.figure("", QUANTITIES[quantity][1], log_y=True, legend=False, height=460)
    labels = list(dict.fromkeys(str(row["estimator"]) for row in rows))
    for index, label in enumerate(labels):
        for row in rows:
            if row["layer"] != layer or row["estimator"] != label:
                continue
            low, value, high = interval(row, quantity)
            told = resolved(low, value, high)
            if not told and not high > 0:
                continue
            fig.add_trace(
                go.Scatter(
                    x=[label],
                    y=[value if told else high],
                    customdata=[float(row["samples"])],
                    error_y={
                        "type": "data",
                        "array": [high - value if told else 0.0],
                        "arrayminus": [value - low if told else 0.0],
                        "thickness": 1.5,
                        "width": 4,
                        "color": charts.series_colour(index),
                    },
                    name=label,
                    meta=label if told else f"{label}, upper end",
                    mode="markers",
                    marker={
                        "color": charts.series_colour(index),
                        "symbol": "circle" if told else "triangle-down-open",
                        "size": 10,
                    },
                    hovertemplate=("" if told else "below ")
                    + "%{y:.3g}<extra>"
                    + label
                    + "</extra>",
                )
            )
    fig.update_xaxes(type="category", categoryorder="array", categoryarray=labels)
    return fig


def told_last(rows: Sequence[Row], layer: str, quantity: str) -> str:
    """The last measurement of each estimator in words: "NVIL 1,810, score function 1.97e9"."""
    last = {str(row["estimator"]): row for row in rows if row["layer"] == layer}
    told = []
    for label, row in last.items():
        low, value, high = interval(row, quantity)
        found = short(value) if resolved(low, value, high) else f"below {high:.2g}"
        told.append(f"{label} {found}")
    return ", ".join(told)


def _count(number: float) -> str:
    """10000 as "10k"."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:g}{unit}"
    return f"{number:g}"
