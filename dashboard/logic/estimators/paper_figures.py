"""Figures of the papers beside our own trainings: panels, what they say in words, a table, CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dashboard.components import charts

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from engine.figures import Figure, Panel, Reading

__all__ = [
    "AXES",
    "Columns",
    "Limits",
    "Run",
    "figure_csv",
    "groups",
    "limits",
    "marginal_table",
    "minus",
    "panel_figure",
    "panel_runs",
    "panel_told",
    "table",
]

Columns = Mapping[str, NDArray[Any]]

QUANTITIES = {
    "elbo": "ELBO (nats per image)",
    "log_likelihood": "log p(x), bound L_K (nats per image)",
}
# Title, and what one unit of the axis is in the recorded column.
AXES = {
    "samples": ("training images seen", 1.0),
    "steps": ("updates", 1.0),
    "seconds": ("training time (minutes)", 60.0),
}
NEEDED = {"panel", "run", "step", "samples", "seconds", "train", "valid"}
SPLITS = {"valid": ("validation", "solid", 2.2), "train": ("training", "dash", 1.4)}
HEIGHT = 300
START_SHARE = 0.15  # of a run: where curves rise so steeply that they would flatten the rest
BELOW = 0.1  # of the height of the rest, for each name: the rise passes there, left of the names
DOTS = 40  # points along the line of a reading, each of which tells its source


@dataclass(frozen=True)
class Run:
    """A recorded curve; arrays of the same length, NaN where not measured.

    Attributes:
        label: of the run.
        samples: training images seen.
        x: the axis, in its unit.
        train, valid: nats per image.
    """

    label: str
    samples: NDArray[np.float64]
    x: NDArray[np.float64]
    train: NDArray[np.float64]
    valid: NDArray[np.float64]

    def end(self, split: str) -> float:
        """The last value that was measured; NaN where there is none."""
        values = self.valid if split == "valid" else self.train
        measured = values[np.isfinite(values)]
        return float(measured[-1]) if len(measured) else math.nan

    def place(self, samples: float) -> float:
        """Where on the axis the run had seen so many images, or would have at its mean pace."""
        if samples <= self.samples[-1]:
            return float(np.interp(samples, self.samples, self.x))
        return float(samples * self.x[-1] / self.samples[-1])


@dataclass(frozen=True)
class Limits:
    """What panels that share their axes show, low and high, in the units of the axes."""

    x: tuple[float, float]
    y: tuple[float, float]


def panel_runs(panel: Panel, columns: Columns, axis: str) -> list[Run]:
    """The runs of a panel that are recorded, in the panel's order.

    Args:
        panel: of a figure.
        columns: as `engine.figures.recorded` returns them.
        axis: of `AXES`.
    """
    if not columns.keys() >= NEEDED:
        return []
    column = "step" if axis == "steps" else axis
    found = []
    for run in panel.runs:
        chosen = (columns["panel"] == panel.title) & (columns["run"] == run.label)
        if chosen.any():
            samples, x, train, valid = (
                np.asarray(columns[name][chosen], dtype=np.float64)
                for name in ("samples", column, "train", "valid")
            )
            found.append(Run(run.label, samples, x / AXES[axis][1], train, valid))
    return found


def groups(figure: Figure, datasets: Sequence[str]) -> list[list[Panel]]:
    """The panels by data set: nats of different images do not share an axis.

    Args:
        figure: of a paper.
        datasets: name for each panel.
    """
    found: dict[str, list[Panel]] = {}
    for panel, dataset in zip(figure.panels, datasets, strict=True):
        found.setdefault(dataset, []).append(panel)
    return list(found.values())


def limits(panels: Sequence[Panel], columns: Columns, axis: str) -> Limits | None:
    """The ranges of panels that share their axes; None without curves.

    All but the first rise is in the vertical one, and below that as much as the names need; a
    logarithmic axis begins where the first curve comes in.
    """
    runs = [run for panel in panels for run in panel_runs(panel, columns, axis)]
    shown = [reading.value for panel in panels for reading in panel.readings]
    for run in runs:
        late = run.samples >= START_SHARE * run.samples.max()
        for values in (run.train[late], run.valid[late]):
            shown += values[np.isfinite(values)].tolist()
    if not runs or not shown:
        return None
    height = max(max(shown) - min(shown), 1.0)
    names = max(len(panel.runs) for panel in panels)
    low = min(shown) - (0.1 + BELOW * names) * height
    high_x = max(float(run.x.max()) for run in runs) or 1.0
    low_x = 0.0
    if axis == "samples":
        seen = [run.x[(run.x > 0) & (np.fmax(run.train, run.valid) >= low)] for run in runs]
        low_x = 0.9 * min((float(x.min()) for x in seen if len(x)), default=high_x)
    return Limits((low_x, high_x), (low, max(shown) + 0.06 * height))


def panel_figure(
    figure: Figure, panel: Panel, runs: Sequence[Run], axis: str, shown: Limits
) -> go.Figure:
    """One panel: validation solid, training dashed, readings dotted or diamonds.

    The names stand where nothing else does, below the ends of the curves, in their order.

    Args:
        figure: a run has the colour of its place in it, in all panels.
        panel: one of its panels.
        runs: of `panel_runs`.
        axis: of `AXES`.
        shown: of `limits`.
    """
    log_x = axis == "samples"
    fig = charts.figure(
        AXES[axis][0], QUANTITIES[figure.quantity], log_x=log_x, legend=False, height=HEIGHT
    )
    low, high = shown.x
    ends = sorted(runs, key=lambda run: -np.nan_to_num(run.end("valid"), nan=-np.inf))
    colours = _colours(figure)
    found = {run.label: run for run in runs}
    for run in runs:
        drawn = (run.x > 0) | (not log_x)
        for split, (title, dash, width) in SPLITS.items():
            charts.add_line(
                fig,
                run.x[drawn],
                (run.valid if split == "valid" else run.train)[drawn],
                run.label,
                index=colours[run.label],
                dash=dash,
                width=width,
                in_legend=split == "valid",
                hover_name=f"{run.label}, {title}",
            )
    for reading in panel.readings:
        _add_reading(fig, reading, found.get(reading.label), colours[reading.label], shown.x)
    fig.for_each_trace(
        lambda trace: trace.update(legendrank=1 + [run.label for run in ends].index(trace.name)),
        selector=lambda trace: trace.name in found,
    )
    fig.update_layout(
        showlegend=True,
        legend={
            "orientation": "v", "x": 1, "xanchor": "right", "y": 0, "yanchor": "bottom",
            "bgcolor": "rgba(0, 0, 0, 0)", "tracegroupgap": 0,
        },
    )  # fmt: skip
    margin = 0.02 * (np.log10(high / low) if log_x else high)
    fig.update_xaxes(
        range=[np.log10(low), np.log10(high) + margin] if log_x else [low, high + margin], nticks=5
    )
    fig.update_yaxes(range=list(shown.y))
    if log_x:
        ticks = [one * 10.0**power for power in range(10) for one in (1, 3)]
        ticks = [tick for tick in ticks if low <= tick <= high]
        fig.update_xaxes(
            tickmode="array", tickvals=ticks, ticktext=[_count(tick) for tick in ticks]
        )
    return fig


def _count(number: float) -> str:
    """300000 as "300k"."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:g}{unit}"
    return f"{number:g}"


def _colours(figure: Figure) -> dict[str, int]:
    labels = [run.label for panel in figure.panels for run in panel.runs]
    return {label: index for index, label in enumerate(dict.fromkeys(labels))}


def _add_reading(
    fig: go.Figure, reading: Reading, run: Run | None, index: int, ends: tuple[float, float]
) -> None:
    """A diamond where the paper says when; a dotted line where it does not, or long after us."""
    import plotly.graph_objects as go

    at = None if reading.samples is None or run is None else run.place(reading.samples)
    if at is not None and not ends[0] <= at <= ends[1]:
        at = None
    logarithmic = fig.layout.xaxis.type == "log"
    x = [at] if at is not None else (np.geomspace if logarithmic else np.linspace)(*ends, DOTS)
    told = minus(f"{reading.label}, the paper: {reading.value:g}")
    fig.add_trace(
        go.Scatter(
            x=x,
            y=[reading.value] * len(x),
            name=reading.label,
            legendgroup=reading.label,
            showlegend=False,
            meta=f"{reading.label}, reading",
            mode="lines" if at is None else "markers",
            line={"color": charts.series_colour(index), "dash": "dot", "width": 1.6},
            marker={
                "color": charts.series_colour(index),
                "symbol": "diamond-open",
                "size": 10,
                "line": {"width": 2},
            },
            hovertemplate=f"{told}<br>{_wrapped(reading.source)}<extra></extra>",
        )
    )


def _wrapped(text: str, width: int = 44) -> str:
    """Words in lines that fit beside a point of a small panel."""
    import textwrap

    return "<br>".join(textwrap.wrap(text, width))


def panel_told(figure: Figure, panel: Panel, runs: Sequence[Run], axis: str) -> str:
    """A panel in words: what it shows, and where each run ended beside its reading."""
    readings = {reading.label: reading.value for reading in panel.readings}
    ends = []
    for run in runs:
        told = f"{run.label} {_number(run.end('valid')) or 'not measured'}"
        if run.label in readings:
            told += f" (the paper {_number(readings[run.label])})"
        ends.append(told)
    return (
        f"{panel.title}: {QUANTITIES[figure.quantity]} over {AXES[axis][0]}. "
        f"On validation images, at the end: {', '.join(ends) or 'nothing recorded'}."
    )


def table(figure: Figure, columns: Columns) -> dict[str, list[str]]:
    """Every run at its end beside what the paper shows for it, as columns for the screen."""
    found: dict[str, list[str]] = {
        name: []
        for name in (
            "Panel", "Run", "Validation", "Training", "Paper", "Validation − paper", "Images seen",
            "Source of the reading",
        )
    }  # fmt: skip
    for panel in figure.panels:
        runs = {run.label: run for run in panel_runs(panel, columns, "samples")}
        readings = {reading.label: reading for reading in panel.readings}
        for one in panel.runs:
            run, reading = runs.get(one.label), readings.get(one.label)
            valid, train = (run.end("valid"), run.end("train")) if run else (math.nan, math.nan)
            paper = reading.value if reading else math.nan
            source = "no reading" if reading is None else reading.source
            if reading is not None and reading.samples is not None:
                source += f", at {reading.samples:,.0f} images"
            row = (
                panel.title,
                one.label,
                _number(valid) if run else "not recorded",
                _number(train) if run else "",
                _number(paper),
                _number(valid - paper, sign=True),
                f"{run.samples[-1]:,.0f}" if run else "",
                source,
            )
            for column, cell in zip(found.values(), row, strict=True):
                column.append(cell)
    return found


def marginal_table(columns: Columns) -> dict[str, list[str]]:
    """Log p(x) at the ends of the runs, a column for each estimator of it; empty without values."""
    if not columns:
        return {}
    estimators = list(dict.fromkeys(columns["estimator"].tolist()))
    names = ("panel", "run", "split", "estimator", "value", "standard_error")
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for panel, run, split, estimator, value, error in zip(
        *(columns[name].tolist() for name in names), strict=True
    ):
        rows.setdefault((panel, run, split), {})[estimator] = (
            f"{_number(value)} ± {max(error, 0.1):.1f}"
        )
    return {
        "Panel": [key[0] for key in rows],
        "Run": [key[1] for key in rows],
        "Images": [{"train": "training"}.get(key[2], key[2]) for key in rows],
        **{name: [cells.get(name, "") for cells in rows.values()] for name in estimators},
    }


def figure_csv(figure: Figure, columns: Columns) -> str:
    """All points of all panels, then the readings; empty cells where there is no value."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    unit = QUANTITIES[figure.quantity]
    writer.writerow(
        ["panel", "run", "series", "updates", "training images seen", "seconds", unit, "source"]
    )
    for panel in figure.panels:
        for run in panel.runs:
            if columns.keys() >= NEEDED:
                chosen = (columns["panel"] == panel.title) & (columns["run"] == run.label)
                for split, (title, _, _) in SPLITS.items():
                    for row in np.flatnonzero(chosen & np.isfinite(columns[split])):
                        places = (columns[name][row] for name in ("step", "samples", "seconds"))
                        cells = [f"{value:.10g}" for value in (*places, columns[split][row])]
                        writer.writerow([panel.title, run.label, title, *cells, ""])
            for reading in panel.readings:
                if reading.label == run.label:
                    seen = "" if reading.samples is None else f"{reading.samples:.10g}"
                    cells = ["", seen, "", f"{reading.value:.10g}", reading.source]
                    writer.writerow([panel.title, run.label, "the paper", *cells])
    return stream.getvalue()


def minus(text: str) -> str:
    """Hyphens before a digit as minus signs, as in the rest of the page."""
    import re

    return re.sub(r"(?<![\w.])-(?=\d)", "−", text)


def _number(value: float, *, sign: bool = False) -> str:
    if math.isnan(value):
        return ""
    rounded = round(value, 1) + 0.0  # no minus before a zero
    return minus(f"{rounded:+.1f}" if sign and rounded else f"{rounded:.1f}")
