"""Plotly figures in the app's theme: axes have titles with units, colours follow light and dark."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = [
    "CLASS_COLOURS",
    "GRID_COLOUR",
    "MUTED_COLOUR",
    "add_band",
    "add_line",
    "add_reference",
    "csv_text",
    "figure",
    "log_range",
    "series_colour",
    "series_dash",
    "show",
]

# Ten classes at once need ten colours: Petroff (2021), arXiv:2107.02270, made for colour-blind
# readers and legible on white and on our dark background.
CLASS_COLOURS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip

MUTED_COLOUR = "#75808b"  # of lines: seen on both backgrounds (contrast 4.0 and 4.5)
GRID_COLOUR = "rgba(128, 138, 148, 0.25)"

_SERIES = 10  # as many as `chartCategoricalColors` in .streamlit/config.toml
_DASHES = ("solid", "dash", "dashdot", "longdash")

# The browser has the theme, the server has not (it may be switched without a rerun). Streamlit's
# Plotly theme therefore uses these colours as placeholders and the browser fills in
# `chartCategoricalColors`; asking for them by name lets several lines share one colour.
_PLACEHOLDERS = tuple(f"#{index:06d}" for index in range(1, _SERIES + 1))


def series_colour(index: int) -> str:
    """The colour of the `index`-th series, replaced in the browser by the theme's own.

    Only for figures drawn by `show`. The colours repeat after ten: pair it with `series_dash`.
    """
    return _PLACEHOLDERS[index % _SERIES]


def series_dash(index: int) -> str:
    """The line style that tells series apart whose colours repeat."""
    return _DASHES[(index // _SERIES) % len(_DASHES)]


def figure(
    x_title: str,
    y_title: str,
    *,
    height: int = 420,
    log_x: bool = False,
    log_y: bool = False,
    legend: bool = True,
    square: bool = False,
) -> go.Figure:
    """An empty figure in our layout.

    Args:
        x_title, y_title: with the unit, e.g. "ELBO (nats per image)".
        height: pixels on the page.
        log_x, log_y: logarithmic axes; ticks at powers of ten, with their in-between values.
        legend: a row of names above the plot.
        square: one unit of x is as long as one unit of y (maps of latents).
    """
    import plotly.graph_objects as go

    fig = go.Figure()
    fig.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8 if not legend else 40, "b": 8},
        showlegend=legend,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "xanchor": "left", "x": 0},
        hovermode="closest",
    )
    for axis, title, log in (("xaxis", x_title, log_x), ("yaxis", y_title, log_y)):
        fig.update_layout(
            {
                axis: {
                    "title": {"text": title},
                    "type": "log" if log else "linear",
                    "gridcolor": GRID_COLOUR,
                    "zeroline": False,
                    "automargin": True,
                    **({"dtick": 1} if log else {}),
                }
            }
        )
    if square:
        fig.update_yaxes(scaleanchor="x", scaleratio=1)
    return fig


def add_line(
    fig: go.Figure,
    x: ArrayLike,
    y: ArrayLike,
    name: str,
    *,
    index: int,
    dash: str | None = None,
    width: float = 2.0,
    opacity: float = 1.0,
    group: str | None = None,
    in_legend: bool = True,
    hover: str = "%{y:.2f}",
    hover_name: str | None = None,
) -> None:
    """Add one series; points that were not measured (NaN in x or y) are left out.

    Args:
        fig: from `figure`.
        x, y: equally long.
        name: as the legend shows it.
        index: chooses colour and dash, see `series_colour`.
        dash: overrides the dash of `index`.
        width, opacity: of the line.
        group: legend entries of one group are switched together.
        in_legend: whether this series has an entry of its own.
        hover: Plotly template of the value.
        hover_name: stands beside the value; `name` where it is None.
    """
    import plotly.graph_objects as go

    xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    measured = np.isfinite(xs) & np.isfinite(ys)
    fig.add_trace(
        go.Scatter(
            x=xs[measured],
            y=ys[measured],
            name=name,
            # A single measurement has no line to draw.
            mode="lines" if measured.sum() > 1 else "markers",
            line={
                "color": series_colour(index),
                "dash": dash or series_dash(index),
                "width": width,
            },
            marker={"color": series_colour(index), "size": 8},
            opacity=opacity,
            legendgroup=group or name,
            showlegend=in_legend,
            meta=hover_name or name,
            hovertemplate=f"{hover}<extra>{hover_name or name}</extra>",
        )
    )


def add_band(
    fig: go.Figure,
    x: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    name: str,
    *,
    index: int,
    opacity: float,
    hover_names: tuple[str, str],
    hover: str = "%{y:.2f}",
) -> None:
    """Shade what lies between two curves, in the colour of the series that it belongs to.

    Args:
        fig: from `figure`.
        x, low, high: equally long and finite.
        name: of the series, whose entry in the legend switches the band as well.
        index: of its colour.
        opacity: of the shade.
        hover_names: of the lower and of the upper edge, for the pointer and the chart's CSV.
        hover: Plotly template of the value.
    """
    import plotly.graph_objects as go

    # A trace's own opacity leaves its fill as it is. The last two of eight digits are the opacity,
    # and stay where the browser puts the theme's colour in place of the first six.
    shade = f"{series_colour(index)}{round(255 * opacity):02x}"
    for y, edge, fill in zip((low, high), hover_names, (None, "tonexty"), strict=True):
        fig.add_trace(
            go.Scatter(
                x=np.asarray(x, dtype=float),
                y=np.asarray(y, dtype=float),
                name=name,
                mode="lines",
                line={"color": series_colour(index), "width": 0},
                fill=fill,
                fillcolor=None if fill is None else shade,
                legendgroup=name,
                showlegend=False,
                meta=edge,
                hovertemplate=f"{hover}<extra>{edge}</extra>",
            )
        )


def add_reference(
    fig: go.Figure,
    y: float,
    label: str,
    *,
    side: str = "right",
    below: bool = False,
    name: str | None = None,
) -> None:
    """Add a published value: a dashed line with its label at one end, above it or below.

    `name` stands in the chart's CSV, where the label is left out for want of room.
    """
    fig.add_hline(
        y=y,
        name=name or label,
        line={"color": MUTED_COLOUR, "dash": "dash", "width": 1.2},
        annotation={
            "text": label,
            "font": {"size": 12},  # in the theme's colour of text: no one grey suits both
            "xanchor": side,
            "yanchor": "top" if below else "bottom",
            "x": 1 if side == "right" else 0,
            "showarrow": False,
        },
    )


def log_range(values: Sequence[float]) -> tuple[float, float]:
    """The range of a logarithmic axis, in powers of ten as Plotly wants it, around `values`."""
    positive = [float(value) for value in values if np.isfinite(value) and value > 0]
    if not positive:
        return 0.0, 1.0
    low, high = float(np.log10(min(positive))), float(np.log10(max(positive)))
    margin = 0.04 * max(high - low, 0.5)
    return low - margin, high + margin


def csv_text(fig: go.Figure) -> str:
    """What a figure shows as CSV: a row a point, then a row a reference line.

    The columns are series, x, y and, where there are error bars, their lengths below and above; the
    header has the axes' titles, and so the units. A series is called by the `meta` of its trace, or
    by its name; where points were moved to be drawn, `customdata` has the places they stand for.
    """
    x_title, y_title = fig.layout.xaxis.title.text, fig.layout.yaxis.title.text
    unit = re.search(r" \([^()]*\)$", y_title or "")
    header = ["series", x_title or "x", y_title or "y"]
    errors = any(trace.error_y.array is not None for trace in fig.data)
    if errors:
        header += [f"error {side}{unit.group() if unit else ''}" for side in ("below", "above")]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    for trace in fig.data:
        above = trace.error_y.array
        below = above if trace.error_y.arrayminus is None else trace.error_y.arrayminus
        places = trace.x if trace.customdata is None else trace.customdata
        for index, (x, y) in enumerate(zip(places, trace.y, strict=True)):
            row = [trace.meta or trace.name, _cell(x), _cell(y)]
            if errors:
                row += ["", ""] if above is None else [_cell(below[index]), _cell(above[index])]
            writer.writerow(row)
    for shape in fig.layout.shapes:
        writer.writerow([shape.name, "", _cell(shape.y0), *([""] * (2 * errors))])
    return stream.getvalue()


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else f"{float(value):.10g}"


def show(fig: go.Figure, *, key: str, alt: str, file_name: str = "", **options: Any) -> Any:
    """Draw a figure at the full width of its column.

    Args:
        fig: from `figure`.
        key: keeps the element (zoom, hidden series) through reruns.
        alt: what a reader who cannot see the chart is told.
        file_name: ends in ".csv": a button below the chart gives its values under this name.
        options: passed to `st.plotly_chart`, e.g. `on_select="rerun"`.

    Returns:
        What `st.plotly_chart` returns: the selection where `on_select` asks for one.
    """
    import streamlit as st

    config = {"displaylogo": False, "modeBarButtonsToRemove": ["autoScale2d"], "scrollZoom": False}
    with st.container(gap=None):
        selected = st.plotly_chart(
            fig, width="stretch", theme="streamlit", key=key, alt=alt, config=config, **options
        )
        if file_name:
            st.download_button(
                "Values of this chart, CSV",
                data=lambda: csv_text(fig).encode(),
                file_name=file_name,
                mime="text/csv",
                icon=":material/download:",
                type="tertiary",
                on_click="ignore",
                key=f"{key}.csv",
            )
    return selected
