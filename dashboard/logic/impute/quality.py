"""How good the completions are: the recorded table as a figure, rows and two sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboard.components import charts
from dashboard.logic.impute.methods import METHODS, title

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from engine.evaluation.imputation_table import ImputationRow

__all__ = [
    "MASKS",
    "QUANTITIES",
    "method_rows",
    "model_rows",
    "protocol",
    "quality_figure",
    "said",
    "short_name",
]

MASKS = {
    "60": "60 %",
    "80": "80 %",
    "square": "Square",
    "half": "Lower half",
}
QUANTITIES = {"error": "Error", "draws": "One draw", "calibration": "Calibration"}

_SYMBOLS = ("circle", "diamond", "square", "triangle-up")
_APART = 0.14  # of methods, where models are 1 apart


@dataclass(frozen=True)
class _Measured:
    """A value with its standard error, and how it is written."""

    value: float
    error: float
    digits: int
    unit: str = ""

    def __str__(self) -> str:
        text = f"{self.value:.{self.digits}f} ± {self.error:.{self.digits}f}{self.unit}"
        return text.replace("-", "−")


def short_name(row: ImputationRow) -> str:
    """The checkpoint without its data set, which all that are shown have in common."""
    return row.checkpoint.removesuffix(f"-{row.dataset}")


def quality_figure(rows: Sequence[ImputationRow], quantity: str) -> go.Figure:
    """A dot for each method, model by model; bars are two standard errors.

    Args:
        rows: of one data set and mask.
        quantity: of `QUANTITIES`.
    """
    import plotly.graph_objects as go

    names = list(dict.fromkeys(short_name(row) for row in rows))
    fig = charts.figure("Model", _axis(rows[0], quantity), height=400)
    known = list(METHODS)
    for index, method in enumerate(known):
        shown = [row for row in rows if row.method == method]
        if not shown:
            continue
        found = [_measured(row, quantity) for row in shown]
        shift = (index - (len(known) - 1) / 2) * _APART
        fig.add_trace(
            go.Scatter(
                x=[names.index(short_name(row)) + shift for row in shown],
                y=[one.value for one in found],
                customdata=[short_name(row) for row in shown],
                error_y={
                    "type": "data",
                    "array": [2 * one.error for one in found],
                    "thickness": 1.5,
                    "width": 4,
                    "color": charts.series_colour(index),
                },
                name=title(method),
                mode="markers",
                marker={
                    "color": charts.series_colour(index),
                    "symbol": _SYMBOLS[index % len(_SYMBOLS)],
                    "size": 10,
                },
                text=[str(one) for one in found],
                hovertemplate="%{text}<extra>%{customdata}, " + title(method) + "</extra>",
            )
        )
    fig.update_xaxes(
        tickmode="array",
        tickvals=list(range(len(names))),
        ticktext=names,
        range=[-0.5, len(names) - 0.5],
    )
    if quantity == "calibration":
        charts.add_reference(fig, 1, "honest: 1", side="left", below=True)
    return fig


def model_rows(rows: Sequence[ImputationRow]) -> list[dict[str, str]]:
    """What belongs to the models: one row each."""
    first = {row.checkpoint: row for row in reversed(rows)}
    order = dict.fromkeys(row.checkpoint for row in rows)
    return [
        {
            "Model": short_name(first[name]),
            "log p(hidden | visible), nats per image": str(
                _Measured(first[name].log_conditional, first[name].log_conditional_se, 1)
            ),
        }
        for name in order
    ]


def method_rows(rows: Sequence[ImputationRow]) -> list[dict[str, str]]:
    """What belongs to the methods: one row for each of a model."""
    return [
        {
            "Model": short_name(row),
            "Method": title(row.method),
            _axis(row, "error"): str(_measured(row, "error")),
            "Against pseudo-Gibbs": "" if row.method == "pseudo-gibbs" else str(_change(row)),
            "One draw": str(_measured(row, "draws")),
            "Calibration": str(_measured(row, "calibration")),
            "Accepted": f"{100 * row.acceptance:.1f} %",
        }
        for row in rows
    ]


def said(rows: Sequence[ImputationRow]) -> str:
    """Two sentences: where the error is smallest, and which methods differ from pseudo-Gibbs."""
    best = min(rows, key=lambda row: row.error)
    base = next(row for row in rows if row.group == best.group and row.method == "pseudo-gibbs")
    first = f"{title(best.method)} on {short_name(best)} has the smallest error: "
    first += str(_measured(best, "error")) + (
        "" if best is base else f" (pseudo-Gibbs there: {_measured(base, 'error')})"
    )
    better, worse = (
        [
            f"{title(row.method)} on {short_name(row)}"
            for row in rows
            if sign * row.change > 2 * row.change_se > 0
        ]
        for sign in (-1, 1)
    )
    parts = [
        f"{word} is {', '.join(found)}"
        for word, found in (("better", better), ("worse", worse))
        if found
    ]
    told = "; ".join(parts) or "none is better or worse"
    against = "Against pseudo-Gibbs on the same images, by more than two standard errors"
    return f"{first}. {against}: {told}."


def protocol(row: ImputationRow) -> str:
    """How the numbers came about."""
    return (
        f"{row.items} {row.split} images, {100 * row.hidden:.0f} % of the pixels hidden; "
        f"{row.chains} chains each, {row.start} steps of pseudo-Gibbs, then {row.warm_up} of the "
        f"method that do not count and {row.transitions} that do; seed {row.seed}."
    )


def _axis(row: ImputationRow, quantity: str) -> str:
    """What is measured, with its unit."""
    if quantity == "calibration":
        return "Squared error over claimed variance"
    if row.quantity == "bit_error":
        return "Wrong hidden pixels (%)"
    return "Root mean square error (pixel value)"


def _measured(row: ImputationRow, quantity: str) -> _Measured:
    if quantity == "calibration":
        return _Measured(row.calibration, row.calibration_se, 2)
    value, error = (
        (row.draw_error, row.draw_error_se) if quantity == "draws" else (row.error, row.error_se)
    )
    return _scaled(row, value, error)


def _change(row: ImputationRow) -> _Measured:
    return _scaled(row, row.change, row.change_se)


def _scaled(row: ImputationRow, value: float, error: float) -> _Measured:
    """Bits in per cent of the hidden pixels, grey values as they are."""
    if row.quantity == "bit_error":
        return _Measured(100 * value, 100 * error, 2, " %")
    return _Measured(value, error, 4)
