"""The rows of the Leaderboard page, in words and with what they are sorted by."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dashboard.cards import metric_title
from dashboard.navigation import links_of
from engine.leaderboard import Measured, Place
from engine.leaderboard.measured import some_of
from engine.leaderboard.published import CERTAINTY, Published, Target
from engine.seeds import say_spread

__all__ = ["estimator_title", "minus", "seeds_told", "table_rows", "targets_told"]

PagesFor = Callable[[str], Sequence[str]]


def minus(text: str) -> str:
    """Hyphens before a digit as minus signs."""
    return re.sub(r"(?<![\w.-])-(?=\d)", "−", text)


def estimator_title(name: str) -> str:
    """For people: "L_5000" is "L₅₀₀₀"."""
    return "L_K" if name == "L_K" else metric_title(name)


def table_rows(places: Sequence[Place], pages_for: PagesFor) -> list[dict[str, Any]]:
    """One plain dictionary a place, in their order.

    Args:
        places: of one protocol and kind, see `engine.leaderboard.places`.
        pages_for: checkpoint to the modules of the pages that show it.
    """
    return [_row(place, pages_for) for place in places]


def _row(place: Place, pages_for: PagesFor) -> dict[str, Any]:
    system, entry = place.row.system, place.entry or next(iter(place.row.entries), None)
    published = place.published or next(iter(system.published), None)
    measured = place.measured
    if measured is None and entry is not None:  # not of this kind: shown all the same, in grey
        measured = next(iter(entry.measured), None)
    links = [] if entry is None else links_of(entry.checkpoint, pages_for(entry.checkpoint))
    return {
        "key": system.key,
        "rank": "" if place.rank is None else str(place.rank),
        "system": system.title,
        "family": system.family,
        "checkpoint": "" if entry is None else entry.checkpoint,
        "comparable": place.rank is not None,
        "reason": place.reason,
        "published": "" if published is None else _published(published),
        "source": "" if published is None else _source(published),
        "ours": "" if measured is None else _measured(measured),
        "how": "" if measured is None else _how(measured),
        "seeds": "" if measured is None else seeds_told(measured),
        "solid": _target(system.solid, place.row.solid),
        "moonshot": _target(system.moonshot, place.row.moonshot),
        "parameters": _count(None if entry is None else entry.parameters),
        "trained": "" if entry is None else f"{_time(entry.seconds)}, {entry.budget} budget",
        "links": links,
        "sort": {
            "rank": place.rank,
            "system": system.title,
            "published": None if place.published is None else place.published.value,
            "ours": None if measured is None else measured.value,
            "parameters": None if entry is None else entry.parameters,
            "seconds": None if entry is None else entry.seconds,
        },
    }


def _published(one: Published) -> str:
    if one.value is None:
        return minus(one.words)
    about = "≈ " if one.approximate else ""
    number = f"{one.value:g}" if abs(one.value) >= 500 else f"{one.value:.2f}"
    return minus(f"{about}{number}") + f" ({estimator_title(one.estimator)})"


def _source(one: Published) -> str:
    words = f"{one.words}. " if one.words and one.value is not None else ""
    return minus(f"{words}{one.source}; {CERTAINTY[one.certainty]}.")


def _measured(one: Measured) -> str:
    text = f"{one.value:.2f} ± {one.standard_error:.2f}"
    if abs(one.value) >= 500:
        text = f"{one.value:.1f} ± {one.standard_error:.1f}"
    return minus(text)


def seeds_told(one: Measured) -> str:
    """Mean and standard deviation over the seeds: "3 seeds: −98.01 ± 0.12"; nothing of one seed."""
    return "" if one.spread is None else minus(say_spread(one.spread))


def _how(one: Measured) -> str:
    draws = f", K = {one.samples}" if one.kind == "ELBO" and one.samples > 1 else ""
    if one.kind == "AIS":  # of a machine alone, or of the bound of a network with one on top
        draws = f", K = {one.samples}" if "bound" in one.how else f", {one.samples} chains"
    items = f"{some_of(one.how)}{one.items:,}".replace(",", "\u202f")
    lower = "" if one.careful is None else f"; reverse {one.careful:.2f}"
    return minus(f"{estimator_title(one.estimator)}{draws}, {items} items{lower}")


def targets_told(targets: Sequence[Target]) -> str:
    """All that has to hold, in a few words."""
    told = []
    for target in targets:
        if target.value is None:
            told.append(target.note)
        else:
            told.append(f"{estimator_title(target.estimator)} {target.value:g}")
    return minus(", ".join(told))


def _target(targets: Sequence[Target], met: bool | None) -> Mapping[str, Any]:
    notes = [target.note for target in targets if target.note and target.value is not None]
    return {"text": targets_told(targets), "met": met, "note": "; ".join(notes)}


def _count(parameters: int | None) -> str:
    return "" if parameters is None else f"{parameters / 1e6:.2f} M"


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 5400 else f"{seconds / 60:.0f} min"
