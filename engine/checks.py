"""Checks of arguments; each returns the value, or raises a ValueError that names it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from typing import Any


def check_size(name: str, value: Any, *, least: int = 1) -> int:
    """`value` as an int if it is a whole number from `least` on."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"`{name}` must be a whole number, at least {least}; got {value!r}.")
    return int(value)


def check_sizes(name: str, values: Any, *, fewest: int = 0) -> tuple[int, ...]:
    """`values` as a tuple if it lists `fewest` or more sizes."""
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) < fewest:
        least = f"at least {fewest} " if fewest else ""
        raise ValueError(f"`{name}` must be a list of {least}layer widths; got {values!r}.")
    return tuple(check_size(name, value) for value in values)


def check_seed(name: str, value: Any) -> int:
    """`value` as an int if it is a whole number from 0 to 2**63 - 1."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or not 0 <= int(value) < 2**63:
        raise ValueError(f"`{name}` must be a whole number from 0 to 2**63 - 1; got {value!r}.")
    return int(value)


def check_flag(name: str, value: Any) -> bool:
    """`value` if it is true or false: a word like "False" counts as true in Python."""
    if not isinstance(value, bool):
        raise ValueError(f"`{name}` must be true or false; got {value!r}.")
    return value


def check_positive(name: str, value: Any) -> float:
    """`value` as a float if it is a finite number above 0."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value < math.inf:
        raise ValueError(f"`{name}` must be a positive number; got {value!r}.")
    return float(value)


def check_rate(name: str, value: Any) -> float:
    """`value` as a float if it is a number in [0, 1)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise ValueError(f"`{name}` must be a number in [0, 1); got {value!r}.")
    return float(value)
