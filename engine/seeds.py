"""Trainings of one recipe that differ by their seed alone: their names, and how far they differ."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Spread", "say_spread", "seed_name", "seeds_of", "split_name", "spread_of"]

Card = Mapping[str, Any]


@dataclass(frozen=True)
class Spread:
    """A metric over trainings that differ by their seed alone.

    Attributes:
        seeds: of the trainings, at least two.
        mean: over them, in the metric's unit.
        deviation: their standard deviation, with n - 1 below the sum of squares.
    """

    seeds: tuple[int, ...]
    mean: float
    deviation: float


def seed_name(base: str, seed: int) -> str:
    """What the checkpoint of a recipe is called that was trained with another seed than its own."""
    return f"{base}-seed-{seed}"


def split_name(name: str) -> tuple[str, int] | None:
    """The inverse of `seed_name`; None for other names."""
    found = re.fullmatch(r"(.+)-seed-(0|[1-9][0-9]{0,18})", name)
    return None if found is None else (found[1], int(found[2]))


def seeds_of(cards: Mapping[str, Card]) -> dict[str, list[str]]:
    """The names in groups of the same recipe: the one that all are named after, then by seed.

    Each name is in one group, whose first it is called by: alone where nothing differs from it by
    the seed alone. Where the one that they are named after is not there, the lowest seed is first.

    Args:
        cards: card by checkpoint name, see `engine.read_card`.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for name, card in cards.items():
        base = name.removesuffix(seed_name("", _seed(card)))
        groups.setdefault((base, _without_seed(card)), []).append(name)
    found = {}
    for (base, _), names in groups.items():
        names.sort(key=lambda name: (name != base, _seed(cards[name])))
        found[names[0]] = names
    return found


def _seed(card: Card) -> int:
    seed = card.get("seed")
    return seed if isinstance(seed, int) else 0


def _without_seed(card: Card) -> str:
    """The recipe as text, the same for all seeds."""
    recipe, training = card.get("recipe"), None
    if isinstance(recipe, Mapping):
        training = recipe.get("training")
        recipe = {key: value for key, value in recipe.items() if key != "training"}
    if isinstance(training, Mapping):
        training = {key: value for key, value in training.items() if key != "seed"}
    return json.dumps([recipe, training or None], sort_keys=True)


def spread_of(cards: Sequence[Card], entry: Mapping[str, Any]) -> Spread | None:
    """How far a metric differs between seeds; None where fewer than two have measured it.

    Args:
        cards: of a group of `seeds_of`.
        entry: of the metrics of one of them; counted are those of the same estimator, draws and
            items.
    """
    alike = ("name", "estimator", "samples", "split", "items")
    values = {}
    for card in cards:
        for one in card.get("metrics", ()):
            if all(one.get(key) == entry.get(key) for key in alike):
                values[_seed(card)] = float(one["value"])
    if len(values) < 2:
        return None
    mean = sum(values.values()) / len(values)
    squares = sum((value - mean) ** 2 for value in values.values())
    return Spread(tuple(values), mean, math.sqrt(squares / (len(values) - 1)))


def say_spread(spread: Spread) -> str:
    """Number of seeds, mean and standard deviation: "3 seeds: -98.01 ± 0.12"."""
    return f"{len(spread.seeds)} seeds: {spread.mean:.2f} ± {spread.deviation:.2f}"
