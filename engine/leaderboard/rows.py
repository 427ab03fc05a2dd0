"""Every system of the papers with the checkpoints of ours that belong to it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import safetensors

from engine.autoregressive import neighbourhood
from engine.checkpoints import checkpoint_path, read_card
from engine.datasets.learned import training_items
from engine.errors import CheckpointError
from engine.leaderboard.measured import Measured, is_met, measured_of
from engine.leaderboard.published import System, Target, better_of, systems
from engine.seeds import seeds_of

__all__ = ["PAPER_BUDGET_S", "Entry", "Row", "count_parameters", "leaderboard"]

PAPER_BUDGET_S = 3600
"""Seconds of training: what takes no longer is on the paper budget, the rest on the long one."""

NO_WEIGHTS = ("data_mean", "ordering", "particles", "log_partition")
"""What a checkpoint keeps beside its parameters."""


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
        sign = 1.0 if better_of(kind) == "higher" else -1.0

        def value(entry: Entry) -> float:
            found = [m for m in entry.measured if m.estimator in shared]
            return sign * max(found, key=lambda m: m.samples).value if found else -math.inf

        return max(fitting, key=value)  # the preferred one where none is better


def _all_met(targets: Sequence[Target], entries: Sequence[Entry]) -> bool | None:
    """Whether one of the checkpoints meets all targets."""
    verdicts = []
    for entry in entries:
        each = [is_met(target, entry.measured) for target in targets]
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
        solid = _all_met(system.solid, fitting)
        moonshot = _all_met(system.moonshot, fitting)
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
        training = card.get("training") or {}
        seconds += float(training.get("seconds") or 0.0)
        if "start_seconds" in training:  # it need not be here to count
            return seconds + float(training["start_seconds"])
        name = str(((card.get("recipe") or {}).get("training") or {}).get("start", ""))
    return seconds


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
                total += _links(name, key, shape[0]) if "links." in key else math.prod(shape)
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); train it again.") from error
    return total


def _links(name: str, key: str, size: int) -> int:
    """Of links within a layer those to the units before are learned, and no others."""
    if key.startswith("pixel_links."):
        config = read_card(name)["config"]
        if reach := config.get("link_reach"):
            return int(neighbourhood(size, config["image_width"], reach).tril(-1).sum())
    return math.comb(size, 2)
