"""Rows beside each other: ranked within one protocol and one kind of estimator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.leaderboard.measured import Measured
from engine.leaderboard.published import Published, System, better_of, estimator_kind
from engine.leaderboard.rows import Entry, Row

__all__ = ["Place", "kinds_of", "places", "published_of"]


@dataclass(frozen=True)
class Place:
    """Where a row stands among the rows of one protocol and one kind of estimator.

    Attributes:
        rank: 1 is the best; None where `reason` says why it is not ranked.
        measured: our number of the kind.
        published: the paper's, of the same kind.
    """

    row: Row
    rank: int | None
    entry: Entry | None
    measured: Measured | None
    published: Published | None
    reason: str = ""


def published_of(system: System, kind: str) -> Published | None:
    """The first published value of a kind."""
    values = [one for one in system.published if one.value is not None]
    return next((one for one in values if estimator_kind(one.estimator) == kind), None)


def kinds_of(rows: Sequence[Row], protocol: str) -> list[str]:
    """The kinds of estimators with a number in a protocol, of ours or of a paper.

    Those with the most of our numbers come first.
    """
    counts: dict[str, int] = {}
    for row in rows:
        if row.system.protocol.key != protocol:
            continue
        for one in row.system.published:
            if one.value is not None:
                counts.setdefault(estimator_kind(one.estimator), 0)
        for kind in {m.kind for entry in row.entries for m in entry.measured}:
            counts[kind] = counts.get(kind, 0) + 1
    return sorted(counts, key=lambda kind: -counts[kind])


def places(rows: Sequence[Row], protocol: str, kind: str) -> list[Place]:
    """All rows, ranked where they compare: first by rank, then the others with the reason why not.

    Only numbers of the same data, binarisation, split and kind of estimator are ranked; of L_K
    only those of the same K, and of each kind only those of as many items: what most rows have.

    Raises:
        ValueError: the kind is unknown.
    """
    estimator_kind(kind)
    found = [_place(row, protocol, kind) for row in rows]
    counts = [one.measured.samples for one in found if one.measured and not one.reason]
    if kind == "L_K" and counts:
        usual = max(set(counts), key=lambda k: (counts.count(k), k))
        found = [_of_the_same_k(one, usual) for one in found]
    counts = [one.measured.items for one in found if one.measured and not one.reason]
    if counts:
        usual = max(set(counts), key=lambda items: (counts.count(items), items))
        found = [_of_as_many_items(one, usual) for one in found]
    better = -1.0 if better_of(kind) == "higher" else 1.0
    ranked = [one for one in found if one.measured is not None and not one.reason]
    ranked.sort(key=lambda one: better * one.measured.value if one.measured else 0.0)
    order = [
        Place(one.row, rank, one.entry, one.measured, one.published)
        for rank, one in enumerate(ranked, start=1)
    ]
    rest = [one for one in found if one not in ranked]
    # What would be comparable if it were trained comes before what never will.
    here = [one for one in rest if one.row.system.protocol.key == protocol]
    return [*order, *here, *(one for one in rest if one not in here)]


def _place(row: Row, protocol: str, kind: str) -> Place:
    system = row.system
    published = published_of(system, kind)
    own = system.protocol
    if own.key != protocol:
        return Place(row, None, None, None, published, f"other protocol: {own.title}")
    entry = row.entry(kind)
    measured = None if entry is None else entry.best(kind)
    if entry is None or measured is None:
        return Place(row, None, entry, None, published, _nothing(row, kind))
    reason = ""
    if entry.dataset != own.dataset:
        reason = f"other data: the checkpoint's are {entry.dataset}"
    elif measured.split != own.split:
        reason = f"other split: measured on {measured.split} items"
    elif (entry.training_items or own.training_items) != own.training_items:
        reason = f"less data: trained on {entry.training_items} items"
    return Place(row, None, entry, measured, published, reason)


def _nothing(row: Row, kind: str) -> str:
    if row.system.comparison:
        return "published alone: none of ours"
    if not row.entries:
        return "not trained yet"
    known = sorted({one.kind for entry in row.entries for one in entry.measured})
    return f"other estimator: measured by {', '.join(known) or 'nothing yet'}, not by {kind}"


def _of_the_same_k(place: Place, usual: int) -> Place:
    if place.measured is None or place.reason or place.measured.samples == usual:
        return place
    other = place.entry.measured if place.entry is not None else ()
    same = next((one for one in other if one.estimator == f"L_{usual}"), None)
    if same is not None:
        return Place(place.row, None, place.entry, same, place.published)
    reason = f"other K: {place.measured.samples} samples, not {usual}"
    return Place(place.row, None, place.entry, place.measured, place.published, reason)


def _of_as_many_items(place: Place, usual: int) -> Place:
    """A few items are easier or harder than all: by two nats where they are 500 of 10 000."""
    if place.measured is None or place.reason or place.measured.items == usual:
        return place
    reason = f"other items: measured on {place.measured.items}, not {usual}"
    return Place(place.row, None, place.entry, place.measured, place.published, reason)
