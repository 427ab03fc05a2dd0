"""The chart of the Training page: curves, bands over seeds, the papers' values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dashboard import references
from dashboard.components import charts
from dashboard.logic.training.lines import SPLITS, START_SHARE, Line, focus
from dashboard.logic.training.words import minus

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["curves_figure"]

LABEL_SHARE = 0.05  # height of a line's label, of the chart's
BAND_OPACITY = {"valid": 0.25, "train": 0.15}
THIN, THICK = 1.2, 2.0  # of several seeds in one colour, of one line


def curves_figure(
    lines: Sequence[Line],
    colours: Mapping[str, int],
    titles: tuple[str, str],
    values: Sequence[references.PaperValue],
    *,
    log_x: bool,
    from_start: bool,
) -> go.Figure:
    """The chart of one data set.

    Args:
        lines: from `lines_of`.
        colours: name to number of its colour, the same whatever else is shown.
        titles: of the axes.
        values: drawn as dashed lines.
        log_x: logarithmic horizontal axis.
        from_start: show the whole height; otherwise the first steep rise is cut off.
    """
    fig = charts.figure(*titles, log_x=log_x, height=480)
    entered: set[str] = set()
    for line in lines:
        _, dash, opacity = SPLITS[line.split]
        index = colours[line.name]
        if line.low is not None and line.high is not None:
            charts.add_band(
                fig,
                line.x,
                line.low,
                line.high,
                line.label,
                index=index,
                opacity=BAND_OPACITY[line.split],
                hover_names=(line.called("lowest"), line.called("highest")),
            )
        charts.add_line(
            fig,
            line.x,
            line.y,
            line.label,
            index=index,
            dash=dash,
            width=THIN if line.low is None and line.label != line.name else THICK,
            opacity=opacity,
            # One entry a name: the page's text tells solid from dotted.
            in_legend=line.label not in entered,
            hover_name=line.called("mean"),
        )
        entered.add(line.label)
    share = 0.0 if from_start else START_SHARE
    limits = focus(lines, [value.value for value in values], share=share)
    if limits is not None:
        fig.update_yaxes(range=limits)
        _add_values(fig, values, limits[1] - limits[0])
    return fig


def _add_values(fig: go.Figure, values: Sequence[references.PaperValue], span: float) -> None:
    """Dashed lines, each labelled where no other label is; the text below the chart names all."""
    taken: list[tuple[str, float]] = []  # side, lower edge
    height = LABEL_SHARE * span
    for value in values:
        label = minus(f"{value.label}: {value.value:g}")
        if value.estimator != references.BOUND:
            label += ", log p(x)"
        places = [(side, below) for side in ("right", "left") for below in (False, True)]
        for side, below in places:
            edge = value.value - height if below else value.value
            if all(side != other or abs(edge - there) >= height for other, there in taken):
                taken.append((side, edge))
                charts.add_reference(fig, value.value, label, side=side, below=below)
                break
        else:
            charts.add_reference(fig, value.value, "", name=label)
