"""Our checkpoints beside the papers' rows: ranked within one protocol and one kind of estimator."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import safetensors

from engine.checkpoints import checkpoint_path
from engine.datasets.learned import training_items
from engine.errors import CheckpointError
from engine.published import Published, System, Target, estimator_kind, systems
from engine.seeds import Spread, seeds_of, spread_of

__all__ = [
    "PAPER_BUDGET_S",
    "Entry",
    "Measured",
    "Place",
    "Row",
    "count_parameters",
    "is_met",
    "kinds_of",
    "leaderboard",
    "measured_of",
    "places",
    "published_of",
]

PAPER_BUDGET_S = 3600
"""Seconds of training: what takes no longer is on the paper budget, the rest on the long one."""

NO_WEIGHTS = ("data_mean", "ordering", "particles", "log_partition")
"""What a checkpoint keeps beside its parameters."""

_MEASURES = {"elbo": "ELBO", "perplexity_elbo": "perplexity"}
"""The perplexities of papers are by the ELBO: that of L_K is lower and does not compare."""


@dataclass(frozen=True)
class Measured:
    """A metric of a card.

    Attributes:
        estimator: "ELBO", "L_5000", "exact", "AIS", "density estimate" or "perplexity".
        value, standard_error: in the protocol's unit.
        samples: draws (K), orderings or chains, whichever the estimator has.
        items: how many items of `split`.
        how: the card's own words.
        careful: the value that errs to the other side (reverse annealing), where there is one.
        spread: over the trainings with other seeds, where there are some.
    """

    estimator: str
    value: float
    standard_error: float
    samples: int
    items: int
    split: str
    how: str
    careful: float | None = None
    spread: Spread | None = None

    @property
    def kind(self) -> str:
        """See `engine.published.KINDS`."""
        return estimator_kind(self.estimator)


@dataclass(frozen=True)
class Entry:
    """A checkpoint that belongs to a system.

    Attributes:
        checkpoint: its name.
        dataset: what it was trained and measured on.
        parameters: how many numbers were learned; None where the file was not asked.
        seconds: of training, with those of the checkpoint it started from.
        training_items: how many items it learned from; None where it was the whole split.
        measured: by all estimators.
    """

    checkpoint: str
    dataset: str
    parameters: int | None
    seconds: float
    measured: tuple[Measured, ...]
    training_items: int | None = None

    @property
    def budget(self) -> str:
        """ "paper" for a training of an hour at most, else "long"."""
        return "paper" if self.seconds <= PAPER_BUDGET_S else "long"

    def best(self, kind: str) -> Measured | None:
        """The metric of a kind; of several L_K that of the largest K."""
        found = [one for one in self.measured if one.kind == kind]
        return max(found, key=lambda one: one.samples) if found else None


@dataclass(frozen=True)
class Row:
    """A system with our checkpoints of it.

    Attributes:
        entries: the preferred first; none where nothing is trained yet.
        solid, moonshot: whether a checkpoint meets the targets: None where that cannot be said,
            since there is none, nothing is measured that way, or the target is no number.
    """

    system: System
    entries: tuple[Entry, ...]
    solid: bool | None
    moonshot: bool | None

    def entry(self, kind: str) -> Entry | None:
        """The checkpoint with the best number of a kind, of L_K by the largest K that all have."""
        fitting = [one for one in self.entries if one.best(kind) is not None]
        if len(fitting) < 2:
            return next(iter(fitting), None)
        names = [{m.estimator for m in one.measured if m.kind == kind} for one in fitting]
        shared = set.intersection(*names)
        sign = 1.0 if self.system.protocol.better == "higher" else -1.0

        def value(entry: Entry) -> float:
            found = [m for m in entry.measured if m.estimator in shared]
            return sign * max(found, key=lambda m: m.samples).value if found else -math.inf

        return max(fitting, key=value)  # the preferred one where none is better


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


def measured_of(
    card: Mapping[str, Any], others: Sequence[Mapping[str, Any]] = ()
) -> tuple[Measured, ...]:
    """The metrics of a card that a leaderboard can use; parts of a bound are none.

    Args:
        others: cards of the same recipe with other seeds.
    """
    metrics = list(card.get("metrics", ()))
    values = {str(one["name"]): float(one["value"]) for one in metrics}
    found = []
    for one in metrics:
        estimator = _estimator_of(one, annealed="log_partition" in values)
        if estimator is None:
            continue
        careful = None
        if estimator == "AIS" and (lower := f"{one['name']}_lower") in values:
            careful = values[lower]
        elif estimator == "AIS" and "log_partition_upper" in values:
            careful = float(one["value"]) + values["log_partition"] - values["log_partition_upper"]
        found.append(
            Measured(
                estimator=estimator,
                value=float(one["value"]),
                standard_error=float(one.get("standard_error") or 0.0),
                samples=int(one.get("samples") or 0),
                items=int(one.get("items") or 0),
                split=str(one.get("split", "")),
                how=str(one.get("estimator", "")),
                careful=careful,
                spread=spread_of([card, *others], one),
            )
        )
    return tuple(found)


def _estimator_of(metric: Mapping[str, Any], annealed: bool) -> str | None:
    """In the words of `engine.published`; None for what is no estimate of log p(x).

    Args:
        annealed: whether log Z is an estimate by annealing: then L_K is as good as that, and what
            papers call AIS, and the ELBO, which is no lower bound any more, is not ranked.
    """
    name, how = str(metric["name"]), str(metric.get("estimator", "")).lower()
    if name in _MEASURES:
        return None if annealed else _MEASURES[name]
    if name.startswith("L_") and name.removeprefix("L_").isdigit():
        return "AIS" if annealed else name
    if name == "AIS":
        return "AIS"
    if name != "log_likelihood":
        return None
    if "density estimate" in how:
        return "density estimate"
    return "AIS" if "ais" in how or "annealed" in how else "exact"


def is_met(target: Target, measured: Sequence[Measured], better: str = "higher") -> bool | None:
    """Whether a checkpoint's numbers meet a target; None where they cannot say.

    L_K rises with K on average. So a target on L_5000 is met by an L_100 that reaches it, and
    nothing is said by one that does not; an L_50000 is no answer to it. A target on "L_K" takes the
    largest K. Of annealing, both directions must reach the target.
    """
    if target.value is None or not target.estimator:
        return None
    kind = estimator_kind(target.estimator)
    fitting = [one for one in measured if one.kind == kind]
    fixed = target.estimator != "L_K" and kind == "L_K"
    most = int(target.estimator.removeprefix("L_")) if fixed else None
    if most is not None:
        fitting = [one for one in fitting if one.samples <= most]
    if not fitting:
        return None
    one = max(fitting, key=lambda m: m.samples)
    value = one.value if one.careful is None else min(one.value, one.careful)
    if (value >= target.value) if better == "higher" else (value <= target.value):
        return True
    return None if most is not None and one.samples < most else False


def _all_met(targets: Sequence[Target], entries: Sequence[Entry], better: str) -> bool | None:
    """Whether one of the checkpoints meets all targets."""
    verdicts = []
    for entry in entries:
        each = [is_met(target, entry.measured, better) for target in targets]
        if targets and all(one is True for one in each):
            return True
        verdicts.append(False if False in each else None)
    return False if verdicts and None not in verdicts else None


def leaderboard(
    cards: Mapping[str, Mapping[str, Any]],
    parameters: Mapping[str, int] | None = None,
    rows: Sequence[System] | None = None,
) -> list[Row]:
    """Every system with the checkpoints that are there.

    A row is ranked and judged by the best number of the checkpoints that it names; those with other
    seeds are no rows, they stand beside that number as its spread.

    Args:
        cards: card by checkpoint name, see `engine.read_card`.
        parameters: how many each checkpoint has, see `count_parameters`.
        rows: the systems; the shipped ones by default.
    """
    found = []
    seeds = seeds_of(cards)
    for system in systems() if rows is None else rows:
        entries = tuple(
            _entry(name, cards, seeds.get(name, [name]), parameters or {})
            for name in system.checkpoints
            if name in cards
        )
        fitting = [one for one in entries if one.dataset == system.protocol.dataset]
        better = system.protocol.better
        solid = _all_met(system.solid, fitting, better)
        moonshot = _all_met(system.moonshot, fitting, better)
        found.append(Row(system, entries, solid, moonshot))
    return found


def _entry(
    name: str,
    cards: Mapping[str, Mapping[str, Any]],
    seeds: Sequence[str],
    parameters: Mapping[str, int],
) -> Entry:
    """Of the first of `seeds`; the others give the spread."""
    card, *others = (cards[one] for one in seeds)
    return Entry(
        name,
        str(card["dataset"]),
        parameters.get(name),
        _seconds(name, cards),
        measured_of(card, others),
        training_items(card),
    )


def _seconds(name: str, cards: Mapping[str, Mapping[str, Any]]) -> float:
    """Of the whole training, from random weights on, as far as the checkpoints of it are there."""
    seconds, seen = 0.0, set()
    while name in cards and name not in seen:
        seen.add(name)
        card = cards[name]
        seconds += float((card.get("training") or {}).get("seconds") or 0.0)
        name = str(((card.get("recipe") or {}).get("training") or {}).get("start", ""))
    return seconds


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
    better = -1.0 if _better(rows, protocol) == "higher" else 1.0
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


def _better(rows: Sequence[Row], protocol: str) -> str:
    found = [row.system.protocol.better for row in rows if row.system.protocol.key == protocol]
    return found[0] if found else "higher"


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


def count_parameters(name: str) -> int:
    """How many numbers a checkpoint learned, from its header alone.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    path = checkpoint_path(name)
    total = 0
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118  (it has no __iter__)
                if key.rsplit(".", 1)[-1] in NO_WEIGHTS:
                    continue
                shape = file.get_slice(key).get_shape()
                # Of links within a layer those to the units before are learned, and no others.
                total += math.comb(shape[0], 2) if "links." in key else math.prod(shape)
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); train it again.") from error
    return total
