"""Pictures of many units side by side, of which the visitor chooses one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import permalinks
from dashboard.blobs import pack
from dashboard.frontend import register

__all__ = ["UNIT", "choose_unit", "read_unit"]

UNIT = "unit"
"""In the address: the number of the chosen unit; 1 is the first."""

_OPENED = "unit_wall.opened"  # in the session: an `_Opened`

_component = register("unit_wall")


@dataclass
class _Opened:
    """A wall as it was sent, which stays the same while units are chosen on it.

    Attributes:
        key: of the component.
        unit: the number that it opened with.
        times: how many walls were opened before: together with `key` it tells this one apart.
        written: the number that the address has had since.
    """

    key: str
    unit: int
    times: int
    written: int

    @property
    def stamp(self) -> str:
        return f"{self.key} {self.times}"


def choose_unit(
    pixels: NDArray[np.uint8],
    units: Sequence[int],
    *,
    count: int,
    noun: str,
    told: Sequence[str],
    key: str,
) -> int:
    """Draw the wall; the choice is in the address, and stays when it is on another wall.

    Args:
        pixels: a picture each, `(n, height, width, 4)`.
        units: the number of each, 0 is the first.
        count: how many units there are, also those that are not on this wall.
        noun: what a unit is called.
        told: what pointing at each picture says.
        key: of the component; another wall needs another one.

    Returns:
        The number of the chosen unit: at first the one of the address, else the first on the wall.
    """
    linked = permalinks.read_integer(UNIT, units[0] + 1, 1, count) - 1
    opened = _open(key, linked)
    header = {
        "stamp": opened.stamp,
        "shape": list(pixels.shape[1:3]),
        "units": [int(unit) for unit in units],
        "told": list(told),
        "label": f"{noun.capitalize()}s",
        "chosen": opened.unit,
    }
    result = _component(
        key=key,
        data=pack(header, {"pixels": pixels}),
        default={"view": None},
        on_view_change=lambda: None,
    )
    chosen = read_unit(result.view, opened.stamp, count)
    if chosen is None:
        return linked
    permalinks.write(**{UNIT: chosen + 1})
    opened.written = chosen
    return chosen


def _open(key: str, linked: int) -> _Opened:
    """The wall as it is, or a new one: of other units, or because the browser went back."""
    kept: _Opened | None = st.session_state.get(_OPENED)
    if kept is not None and kept.key == key and kept.written == linked:
        return kept
    opened = _Opened(key, linked, 0 if kept is None else kept.times + 1, linked)
    st.session_state[_OPENED] = opened
    return opened


def read_unit(report: object, stamp: str, count: int) -> int | None:
    """The unit that the browser reports of the wall `stamp`, checked; None for anything else."""
    if not isinstance(report, Mapping) or report.get("stamp") != stamp:
        return None
    unit = report.get("unit")
    if not isinstance(unit, int) or isinstance(unit, bool):
        return None
    return unit if 0 <= unit < count else None
