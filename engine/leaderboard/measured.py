"""What a card says of log p(x), in the words of the papers' tables, and when it meets a target."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.leaderboard.published import Target, better_of, estimator_kind
from engine.seeds import Spread, spread_of

__all__ = ["Measured", "is_met", "measured_of", "some_of"]

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
        """See `engine.leaderboard.published.KINDS`."""
        return estimator_kind(self.estimator)


def some_of(how: str) -> str:
    """The words "500 of " before a number of items; none where all were measured alike.

    Args:
        how: the estimator as the card says it, "... of 500 items, the ELBO of all as control
            variate" where a cheaper number tells of the others.
    """
    found = re.search(r" of (\d+) items", how)
    return f"{found[1]} of " if found else ""


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
    """In the words of `engine.leaderboard.published`; None for what is no estimate of log p(x).

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


def is_met(target: Target, measured: Sequence[Measured]) -> bool | None:
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
    if value == target.value or (value > target.value) == (better_of(kind) == "higher"):
        return True
    return None if most is not None and one.samples < most else False
