"""All systems of a protocol on one axis: ours with error bars, the papers', and the targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboard.components import charts
from dashboard.logic.leaderboard.table import estimator_title, minus, seeds_told
from engine.leaderboard import Place
from engine.leaderboard.published import Protocol, Published, Target, estimator_kind

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["Point", "alt_text", "picture", "points_of", "reach"]

ROW_PX = 30
FAR = 3.0  # quartile distances from the middle half: Tukey's rule for what is far out
LONGEST = 24  # letters of a label in one line
GREY = charts.MUTED_COLOUR

# Shape tells them apart as well as colour: filled, hollow, a tick, a longer tick.
_MARKS = {
    "ours": ("Ours, ± standard error", "circle", 10, 0),
    "published": ("Published", "diamond-open", 11, 1),
    "solid": ("Solid target", "line-ns-open", 14, 2),
    "moonshot": ("Moonshot target", "line-ns-open", 24, 3),
}


@dataclass(frozen=True)
class Point:
    """A mark of the picture.

    Attributes:
        series: "ours", "published", "solid" or "moonshot".
        system: whose row it is on.
        value, error: in the protocol's unit.
        compares: whether it is of the chosen kind; others are grey.
        told: what a reader learns by pointing at it.
    """

    series: str
    system: str
    value: float
    error: float
    compares: bool
    told: str


def points_of(places: Sequence[Place], protocol: str, kind: str) -> list[Point]:
    """The marks of all systems of a protocol: of the chosen kind, or else grey ones of another."""
    found: list[Point] = []
    for place in places:
        system = place.row.system
        if system.protocol.key != protocol:
            continue
        found += _ours(place, kind)
        for one in system.published:
            if one.value is not None and _on_axis(system.protocol, one.estimator, kind):
                found.append(_published(system.title, one, kind))
        for series, targets in (("solid", system.solid), ("moonshot", system.moonshot)):
            found += [
                _target(series, system.title, one, kind)
                for one in targets
                if one.value and _on_axis(system.protocol, one.estimator, kind)
            ]
    # A system whose paper has the kind is not cluttered with what is measured otherwise.
    clear = {(point.series, point.system) for point in found if point.compares}
    return [p for p in found if p.compares or (p.series, p.system) not in clear]


def _on_axis(protocol: Protocol, estimator: str, kind: str) -> bool:
    """Whether a number is in the unit of the axis: perplexities are not in nats."""
    return protocol.unit_of(estimator_kind(estimator)) == protocol.unit_of(kind)


def _ours(place: Place, kind: str) -> list[Point]:
    system = place.row.system
    entry = place.entry or next(iter(place.row.entries), None)
    if entry is None:
        return []
    one = place.measured or next(iter(entry.measured), None)
    if one is None or not _on_axis(system.protocol, one.estimator, kind):
        return []
    told = f"{entry.checkpoint}: {estimator_title(one.estimator)} {one.value:.2f}"
    told += f" ± {one.standard_error:.2f}"
    if one.spread is not None:
        told += f"<br>{seeds_told(one)} (standard deviation)"
    compares = place.rank is not None
    return [Point("ours", system.title, one.value, one.standard_error, compares, minus(told))]


def _published(title: str, one: Published, kind: str) -> Point:
    words = f", {one.words}" if one.words else ""
    told = f"{title}: {estimator_title(one.estimator)} {one.value:g}{words}<br>{one.source}"
    assert one.value is not None
    same = estimator_kind(one.estimator) == kind
    return Point("published", title, one.value, 0.0, same, minus(told))


def _target(series: str, title: str, one: Target, kind: str) -> Point:
    assert one.value is not None
    told = f"{title}, {series}: {estimator_title(one.estimator)} {one.value:g}"
    return Point(series, title, one.value, 0.0, estimator_kind(one.estimator) == kind, minus(told))


def reach(values: Sequence[float]) -> tuple[float, float]:
    """The least and the largest value that an axis has to show: of those that are not far out.

    One that lies more than `FAR` quartile distances from the middle half would take the room in
    which all others are told apart.
    """
    import numpy as np

    low, high = np.quantile(values, (0.25, 0.75))
    margin = FAR * (high - low)
    near = [value for value in values if low - margin <= value <= high + margin]
    return min(near), max(near)


def picture(points: Sequence[Point], unit: str, better: str) -> go.Figure:
    """The dot plot: systems from top to bottom in the order of the points.

    What is far out (see `reach`) stands at the edge as an arrow, with its number.

    Args:
        points: of one protocol.
        unit: of the axis, which stands in its title.
        better: "higher" or "lower".
    """
    import plotly.graph_objects as go

    order = list(dict.fromkeys(point.system for point in points))
    title = f"{unit},<br>{better} is better"  # one line is cut off on a phone
    fig = charts.figure(title, "", height=120 + ROW_PX * max(len(order), 3))
    least, most = reach([point.value for point in points]) if points else (0.0, 1.0)
    near = [point for point in points if least <= point.value <= most]
    least = min((point.value - point.error for point in near), default=least)
    most = max((point.value + point.error for point in near), default=most)
    margin = 0.04 * (most - least) or 1.0
    edges = (least - margin, most + margin)
    for compares in (False, True):
        for series, (name, symbol, size, colour) in _MARKS.items():
            own = [p for p in points if p.series == series and p.compares == compares]
            if not own:
                continue
            shade = charts.series_colour(colour) if compares else GREY
            errors = [p.error if edges[0] <= p.value <= edges[1] else 0.0 for p in own]
            fig.add_trace(
                go.Scatter(
                    x=[min(max(p.value, edges[0]), edges[1]) for p in own],
                    y=[p.system for p in own],
                    error_x={"array": errors, "color": shade, "thickness": 2}
                    if any(errors)
                    else None,
                    mode="markers",
                    name=name if compares else f"{name}, other estimator",
                    marker={
                        "symbol": [_symbol(p.value, edges, symbol) for p in own],
                        "size": size,
                        "color": shade,
                        "line": {"width": 2, "color": shade},
                    },
                    opacity=1.0 if compares else 0.55,
                    showlegend=compares,  # the text below the picture says what is grey
                    text=[p.told for p in own],
                    hovertemplate="%{text}<extra></extra>",
                )
            )
    for point in points:
        if not edges[0] <= point.value <= edges[1]:
            below = point.value < edges[0]
            fig.add_annotation(
                x=edges[0] if below else edges[1],
                y=point.system,
                text=minus(f"{point.value:.0f}"),
                showarrow=False,
                xanchor="left" if below else "right",
                xshift=9 if below else -9,
                font={"size": 11},
            )
    fig.update_xaxes(range=[edges[0] - margin / 2, edges[1] + margin / 2])
    fig.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=order[::-1],
        tickmode="array",
        tickvals=order,
        ticktext=[_label(title) for title in order],
        tickfont={"size": 11},
        range=[-0.7, len(order) - 0.3],
    )
    return fig


def _symbol(value: float, edges: tuple[float, float], usual: str) -> str:
    """An arrow out of the picture where the value lies beyond its edges."""
    hollow = "-open" if usual.endswith("-open") else ""
    if value < edges[0]:
        return f"triangle-left{hollow}"
    return f"triangle-right{hollow}" if value > edges[1] else usual


def _label(title: str) -> str:
    """In two lines where it is long, so that a phone has room for the marks."""
    if len(title) <= LONGEST or ", " not in title:
        return title
    first, rest = title.split(", ", 1)
    return f"{first},<br>{rest}"


def alt_text(points: Sequence[Point], protocol: str, kind: str) -> str:
    """The picture in words: what is on it, and the first of ours."""
    ours = [point for point in points if point.series == "ours" and point.compares]
    told = f"{len({p.system for p in points})} systems on {protocol} by {estimator_title(kind)}."
    if not ours:
        return f"{told} None of ours is measured this way."
    named = "; ".join(f"{point.system} {point.value:.1f}" for point in ours[:5])
    return minus(f"{told} Ours from the best: {named}.")
