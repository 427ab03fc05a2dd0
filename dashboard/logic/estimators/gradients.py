"""Measured gradients for the screen: intervals, bars, tables, CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboard.components import charts
from dashboard.logic.estimators.notes import NOTES

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = [
    "BIAS",
    "MEASURED",
    "QUANTITIES",
    "Row",
    "bars",
    "interval",
    "layer_title",
    "resolved",
    "rows_csv",
    "short",
    "table",
]

Row = Mapping[str, Any]

TRACE, SNR, BIAS = "trace", "snr", "bias"
QUANTITIES = {
    TRACE: ("Variance", "gradient variance, tr Cov[g] (nats²)"),
    SNR: ("Signal-to-noise", "signal-to-noise ratio of one draw, ‖E g‖ / √tr Cov[g]"),
}
MEASURED = {**QUANTITIES, BIAS: ("Bias", "squared bias, ‖E g − ∇L‖² (nats²)")}
"""Of a live measurement, where the truth may be known."""


def layer_title(layer: str) -> str:
    """ "recognition 1" as "Recognition 1"."""
    return layer[:1].upper() + layer[1:]


def interval(row: Row, quantity: str) -> tuple[float, float, float]:
    """Low, value, high: one standard error to each side.

    For the ratio the low end is 0 where the mean gradient drowns in the noise of the draws.
    """
    if quantity == BIAS:
        if row.get("bias_square") is None:
            return math.nan, math.nan, math.nan
        bias, error = float(row["bias_square"]), float(row["bias_square_se"])
        return max(bias - error, 0.0), bias, bias + error
    trace, trace_se = float(row["trace"]), float(row.get("trace_se") or 0.0)
    if quantity == TRACE:
        return max(trace - trace_se, 0.0), trace, trace + trace_se
    if trace <= 0:
        return math.nan, math.nan, math.nan
    square, error = float(row["mean_square"]), float(row.get("mean_square_se") or 0.0)
    low, value, high = (
        math.sqrt(max(part, 0.0) / trace) for part in (square - error, square, square + error)
    )
    return low, value, high


def resolved(low: float, value: float, high: float) -> bool:
    """Whether a logarithmic axis can show the value with its errors."""
    return low > 0 and math.isfinite(value) and math.isfinite(high)


def short(value: float) -> str:
    """Three digits, whole numbers written out up to a million: "1,810", "1.97e9"."""
    if 1000 <= value < 1e6:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}".replace("e+0", "e").replace("e+", "e")


def bars(rows: Sequence[Row], layer: str, quantity: str, titles: Mapping[str, str]) -> go.Figure:
    """A bar for each estimator of `titles` on one layer, with its standard error."""
    import plotly.graph_objects as go

    fig = charts.figure("", MEASURED[quantity][1], log_y=True, legend=False, height=380)
    known = list(NOTES)
    found = {row["estimator"]: row for row in rows if row["layer"] == layer}
    for key, title in titles.items():
        if key not in found:
            continue
        low, value, high = interval(found[key], quantity)
        told = resolved(low, value, high)
        height = value if told else high
        text = short(value) if told else f"< {high:.2g}"
        if not height > 0 or not math.isfinite(height):
            continue
        fig.add_trace(
            go.Bar(
                x=[title],
                y=[height],
                meta=layer_title(layer) + ("" if told else ", upper end"),
                error_y={
                    "type": "data",
                    "array": [high - value if told else 0.0],
                    "arrayminus": [value - low if told else 0.0],
                    "thickness": 1.5,
                    "color": charts.MUTED_COLOUR,
                },
                marker={
                    "color": charts.series_colour(known.index(key) if key in known else 0),
                    "opacity": 1.0 if told else 0.35,
                },
                text=[text],
                textposition="outside",
                cliponaxis=False,
                hovertemplate=text + "<extra>" + title + "</extra>",
            )
        )
    heights = [float(trace.y[0]) for trace in fig.data]
    if heights:
        # Bars on a logarithmic axis need a floor: a little below the lowest, so that it is seen.
        low_end, high_end = np.log10(min(heights)), np.log10(max(heights))
        fig.update_yaxes(range=[low_end - 0.6, high_end + 0.3])
    fig.update_xaxes(type="category", categoryorder="array", categoryarray=list(titles.values()))
    return fig


def table(rows: Sequence[Row], layer: str, titles: Mapping[str, str]) -> dict[str, list[Any]]:
    """The results on one layer as columns for the screen, errors to two digits."""
    found = {row["estimator"]: row for row in rows if row["layer"] == layer}
    chosen = [(title, found[key]) for key, title in titles.items() if key in found]
    columns: dict[str, list[Any]] = {
        "Estimator": [title for title, _ in chosen],
        "tr Cov[g]": [_pair(row["trace"], row["trace_se"]) for _, row in chosen],
        "‖E g‖²": [_pair(row["mean_square"], row["mean_square_se"]) for _, row in chosen],
        "Signal-to-noise": [],
        "Bias (standard errors)": [_score(row.get("bias_z")) for _, row in chosen],
        "Evaluations": [int(row.get("evaluations", 1)) for _, row in chosen],
        "Draws": [int(row["draws"]) for _, row in chosen],
    }
    for _, row in chosen:
        low, value, high = interval(row, SNR)
        columns["Signal-to-noise"].append(
            f"{value:.3g}" if resolved(low, value, high) else f"below {high:.2g}"
        )
    return columns


def _score(z: float | None) -> str:
    return "not known" if z is None else f"{round(z, 1) + 0.0:.1f}".replace("-", "−")


def _pair(value: float, error: float) -> str:
    return f"{value:.4g} ± {error:.2g}".replace("-", "−")


def rows_csv(rows: Sequence[Row]) -> str:
    """The rows as CSV with a header; empty cells where there is no value."""
    if not rows:
        return ""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {k: f"{v:.7g}" if isinstance(v, float) else "" if v is None else v
             for k, v in row.items()}
        )  # fmt: skip
    return stream.getvalue()
