"""What the Sample page shows, as plain values: from a report of the browser or from an address.

Both may come from anybody, so every value is checked; what breaks a rule is no view.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "BELOW",
    "MOST_STEPS",
    "SHOWN",
    "Draws",
    "Turned",
    "locks_from_text",
    "locks_to_text",
    "read_draws",
    "read_turned",
]

BELOW = ("average", "draw")
SHOWN = ("means", "pixels")
MOST_STEPS = 10_000_000
MOST_CHANGES = 100
MOST_SEED = 2**31
FARTHEST = 20.0  # of a dial: a start may lie beyond the usual three standard deviations


@dataclass(frozen=True)
class Turned:
    """What was turned from the start.

    Attributes:
        units: of the layer (or axes), increasing, from 0.
        values: where each stands now.
        last: the unit moved last, or -1.
        below: how layers of bits below are shown, one of `BELOW`.
    """

    units: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    last: int = -1
    below: str = BELOW[0]

    def header(self) -> dict[str, Any]:
        """As CodeView.restore of code_view.js takes it."""
        return {"units": list(self.units), "values": list(self.values), "below": self.below}


@dataclass(frozen=True)
class Draws:
    """Which draw of the layers is shown.

    Attributes:
        seed: of all draws.
        step: number of the draw.
        locks: pairs of a draw and the locks after it, one bit a layer, layer 1 lowest.
        show: one of `SHOWN`.
    """

    seed: int = 0
    step: int = 0
    locks: tuple[tuple[int, int], ...] = ()
    show: str = SHOWN[0]

    @property
    def mask(self) -> int:
        """The locks that hold now."""
        return self.locks[-1][1] if self.locks else 0

    def header(self) -> dict[str, Any]:
        """As LayersView of layers.js takes it."""
        locks = [list(pair) for pair in self.locks]
        return {"seed": self.seed, "step": self.step, "locks": locks, "show": self.show}


def read_turned(report: object, size: int, *, bits: bool) -> Turned | None:
    """A report of the sampler, checked; None where it is something else.

    Args:
        report: of the component.
        size: how many units there are.
        bits: whether values must be 0 or 1.
    """
    if not isinstance(report, Mapping):
        return None
    units, values = report.get("units"), report.get("values")
    last, below = report.get("last", -1), report.get("below")
    if not (isinstance(units, list) and isinstance(values, list) and len(units) == len(values)):
        return None
    if not all(_whole(unit, 0, size - 1) for unit in units) or sorted(set(units)) != units:
        return None
    if not all(_number(value, bits=bits) for value in values):
        return None
    if not _whole(last, -1, size - 1) or below not in BELOW:
        return None
    return Turned(tuple(units), tuple(float(value) for value in values), last, below)


def read_draws(report: object, layers: int) -> Draws | None:
    """A report of the layers, checked; None where it is something else."""
    if not isinstance(report, Mapping) or report.get("show") not in SHOWN:
        return None
    seed, step, pairs = report.get("seed"), report.get("step"), report.get("locks")
    if not isinstance(seed, int) or not isinstance(step, int) or not isinstance(pairs, list):
        return None
    if not _whole(seed, 0, MOST_SEED) or not _whole(step, 0, MOST_STEPS):
        return None
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        return None
    try:
        locks = _checked_locks([(tick, mask) for tick, mask in pairs], layers, step)
    except ValueError:
        return None
    return Draws(seed, step, locks, report["show"])


def locks_to_text(locks: tuple[tuple[int, int], ...]) -> str:
    """The changes of locks for an address: "0.2-5.3", draw and locks of each."""
    return "-".join(f"{tick}.{mask}" for tick, mask in locks)


def locks_from_text(text: str, layers: int, step: int) -> tuple[tuple[int, int], ...]:
    """The inverse of `locks_to_text`.

    Raises:
        ValueError: it is something else; the message is the rule, without the text.
    """
    if not re.fullmatch(r"\d{1,8}\.\d{1,4}(-\d{1,8}\.\d{1,4}){0,99}", text, re.ASCII):
        raise ValueError(_RULE)
    pairs = [part.split(".") for part in text.split("-")]
    return _checked_locks([(int(tick), int(mask)) for tick, mask in pairs], layers, step)


_RULE = "must be changes of locks as this page writes them, none after the draw that is shown"


def _checked_locks(
    pairs: list[tuple[Any, Any]], layers: int, step: int
) -> tuple[tuple[int, int], ...]:
    right = len(pairs) <= MOST_CHANGES and all(
        _whole(tick, 0, step) and _whole(mask, 0, 2**layers - 1) for tick, mask in pairs
    )
    ticks = [tick for tick, _ in pairs] if right else []
    if not right or sorted(set(ticks)) != ticks:
        raise ValueError(_RULE)
    return tuple(pairs)


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _number(value: object, *, bits: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return value in (0, 1) if bits else abs(value) <= FARTHEST
