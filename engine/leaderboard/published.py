"""The rows of the papers' tables: what was published, how it was measured, what ours are to reach.

The rows are in published.toml, beside this module.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

__all__ = [
    "CERTAINTY",
    "ESTIMATORS",
    "KINDS",
    "Protocol",
    "Published",
    "System",
    "Target",
    "better_of",
    "estimator_kind",
    "protocols",
    "read_systems",
    "systems",
]

CERTAINTY: Mapping[str, str] = MappingProxyType(
    {
        "read": "read in the paper",
        "code": "read in its authors' code",
        "second-hand": "as another paper quotes it",
        "quoted": "as it is commonly quoted",
        "memory": "from memory",
        "inferred": "inferred: the source does not say so itself",
    }
)
"""How sure we are of a published number, the surest first."""

KINDS = ("ELBO", "L_K", "exact", "AIS", "density estimate", "perplexity")
"""Kinds of estimators: numbers of different kinds are never ranked together."""

ESTIMATORS = (*KINDS, "mixture of orderings", "none")
"""What `estimator` of a published value may be, beside L_1, L_2, ..."""


@dataclass(frozen=True)
class Protocol:
    """What a number is measured on.

    Attributes:
        key: its name in the file.
        title: for people.
        dataset: key of `engine.DATASETS`, binarisation included.
        split: which items.
        unit: of all values but perplexities, see `unit_of`.
        training_items: of the training split.
        note: what to know before comparing.
    """

    key: str
    title: str
    dataset: str
    split: str
    unit: str
    training_items: int
    note: str

    def unit_of(self, kind: str) -> str:
        """What numbers of a kind of estimator are in."""
        return "perplexity per word" if kind == "perplexity" else self.unit


@dataclass(frozen=True)
class Published:
    """A value that a paper prints.

    Attributes:
        estimator: one of `ESTIMATORS`, or "L_" with the number of samples.
        certainty: key of `CERTAINTY`.
        source: where to look it up.
        value: in the protocol's unit; None where only words or pictures were published.
        approximate: read off a figure, or rounded by its source.
        words: what tells it from other values of the system.
    """

    estimator: str
    certainty: str
    source: str
    value: float | None = None
    approximate: bool = False
    words: str = ""


@dataclass(frozen=True)
class Target:
    """What a checkpoint of ours must reach.

    Attributes:
        value: in the protocol's unit; None where the target is a matter of judgement.
        estimator: as of `Published`; "" where nothing is measured.
        note: the rest of the target in words.
    """

    value: float | None = None
    estimator: str = ""
    note: str = ""


@dataclass(frozen=True)
class System:
    """One row: a model with a way to train it.

    Attributes:
        key: its name, unique.
        title, family: for people.
        protocol: what its numbers are measured on.
        published: the values of the papers, the main one first.
        solid: what ours must reach, all of it, by the paper's protocol.
        moonshot: what the same architecture may reach with today's training.
        checkpoints: names of ours, the preferred one first; they need not be there yet.
        training_items: how many images it is trained on, where that is not the whole split.
        comparison: whether it is none of ours to train, and stands there to be compared with.
        note: what else to know.
    """

    key: str
    title: str
    family: str
    protocol: Protocol
    published: tuple[Published, ...]
    solid: tuple[Target, ...] = ()
    moonshot: tuple[Target, ...] = ()
    checkpoints: tuple[str, ...] = ()
    training_items: int | None = None
    comparison: bool = False
    note: str = ""


def better_of(kind: str) -> str:
    """Which numbers of a kind of estimator are the better ones: "higher" or "lower"."""
    return "lower" if kind == "perplexity" else "higher"


def estimator_kind(estimator: str) -> str:
    """The kind of an estimator: "L_5000" is "L_K", and a mixture of orderings an exact density.

    Raises:
        ValueError: it is none of `ESTIMATORS` and no L_K.
    """
    if estimator.startswith("L_") and estimator.removeprefix("L_").isdigit():
        return "L_K"
    if estimator not in ESTIMATORS:
        raise ValueError(
            f"`estimator` must be one of {ESTIMATORS}, or L_ and a number; got {estimator!r}."
        )
    return "exact" if estimator == "mixture of orderings" else estimator


def protocols() -> dict[str, Protocol]:
    """Key to protocol, in the order of the file."""
    return _shipped()[0]


def systems() -> tuple[System, ...]:
    """The rows, families together, in the order of the file."""
    return _shipped()[1]


@functools.cache
def _shipped() -> tuple[dict[str, Protocol], tuple[System, ...]]:
    path = Path(__file__).with_suffix(".toml")
    return read_systems(path.read_text(encoding="utf-8"))


def read_systems(text: str) -> tuple[dict[str, Protocol], tuple[System, ...]]:
    """The protocols and rows of a file like published.toml.

    Raises:
        ValueError: the text is no TOML, has keys or words that are unknown, or a key twice.
    """
    table = tomllib.loads(text)
    known = {key: _build(Protocol, {"key": key, **one}) for key, one in table["protocols"].items()}
    sources = table["sources"]
    rows = tuple(_system(one, known, sources) for one in table["system"])
    keys = [row.key for row in rows]
    if twice := {key for key in keys if keys.count(key) > 1}:
        raise ValueError(f"`key` must be unique; got {sorted(twice)} more than once.")
    return known, rows


def _system(
    table: Mapping[str, Any], known: Mapping[str, Protocol], sources: Mapping[str, str]
) -> System:
    if table.get("protocol") not in known:
        raise ValueError(
            f"`protocol` must be one of {sorted(known)}; got {table.get('protocol')!r}."
        )
    return _build(
        System,
        {
            **table,
            "protocol": known[table["protocol"]],
            "published": tuple(_published(one, sources) for one in table["published"]),
            "solid": tuple(_target(one) for one in table.get("solid", ())),
            "moonshot": tuple(_target(one) for one in table.get("moonshot", ())),
            "checkpoints": tuple(table["checkpoints"]),
        },
    )


def _published(table: Mapping[str, Any], sources: Mapping[str, str]) -> Published:
    if table.get("source") not in sources:
        raise ValueError(f"`source` must be one of {sorted(sources)}; got {table.get('source')!r}.")
    found = _build(Published, {**table, "source": sources[table["source"]]})
    estimator_kind(found.estimator)
    if found.certainty not in CERTAINTY:
        raise ValueError(f"`certainty` must be one of {list(CERTAINTY)}; got {found.certainty!r}.")
    return found


def _target(table: Mapping[str, Any]) -> Target:
    found = _build(Target, table)
    if found.estimator:
        estimator_kind(found.estimator)
    return found


T = TypeVar("T", Protocol, Published, Target, System)


def _build(kind: type[T], table: Mapping[str, Any]) -> T:
    unknown = set(table) - {field.name for field in fields(kind)}
    if unknown:
        raise ValueError(
            f"a {kind.__name__} has no {sorted(unknown)}; see engine/leaderboard/published.py."
        )
    try:
        return kind(**table)
    except TypeError as error:
        raise ValueError(f"a {kind.__name__} is incomplete ({error}).") from None
