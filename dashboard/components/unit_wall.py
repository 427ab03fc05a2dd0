"""Pictures of many units side by side, of which the visitor chooses one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import permalinks, state
from dashboard.blobs import pack
from dashboard.frontend import register

__all__ = ["UNIT", "OpenWall", "choose_unit", "follow_wall"]

UNIT = "unit"
"""In the address: the number of the chosen unit; 1 is the first."""

_OPEN = "unit_wall.open"  # in the session: an `OpenWall`

_component = register("unit_wall")


@dataclass(frozen=True)
class OpenWall:
    """A wall in the browser, and what has been heard of it.

    Attributes:
        key: of the component.
        first: the unit that it opened with; what is sent stays the same while others are chosen.
        times: how many walls were opened before: together with `key` it tells this one apart.
        chosen: the unit that the visitor has chosen, and the address has.
        heard: the number of the last report of the browser; 0 before there was one.
    """

    key: str
    first: int
    times: int
    chosen: int
    heard: int = 0

    @property
    def stamp(self) -> str:
        """What the browser names the wall by in its reports."""
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
    report = state.reported(key, "view")
    wall = follow_wall(st.session_state.get(_OPEN), key, linked, report, count)
    st.session_state[_OPEN] = wall
    if wall.heard:
        permalinks.write(**{UNIT: wall.chosen + 1})
    header = {
        "stamp": wall.stamp,
        "shape": list(pixels.shape[1:3]),
        "units": [int(unit) for unit in units],
        "told": list(told),
        "label": f"{noun.capitalize()}s",
        "chosen": wall.first,
    }
    _component(
        key=key,
        data=pack(header, {"pixels": pixels}),
        default={"view": None},
        on_view_change=lambda: None,
    )
    return wall.chosen


def follow_wall(kept: object, key: str, linked: int, report: object, count: int) -> OpenWall:
    """The wall after a run: a choice on it, the same wall, or a new one.

    A report that is new is a choice, whatever the address says: the browser may not have heard yet
    of the choice before. With no new report, an address that is not the one that was written means
    that the browser went back; and a browser that has reported and now holds no report has left the
    page and come again.

    Args:
        kept: the wall of the last run; anything else, where there was none.
        key: of the component.
        linked: the unit of the address.
        report: what the browser reports: `{"stamp": ..., "unit": ..., "number": ...}`, checked.
        count: how many units there are.
    """
    if not isinstance(kept, OpenWall) or kept.key != key:
        times = kept.times + 1 if isinstance(kept, OpenWall) else 0
        return OpenWall(key, linked, times, linked)
    if isinstance(report, Mapping) and report.get("stamp") == kept.stamp:
        unit, number = report.get("unit"), report.get("number")
        if type(unit) is int and type(number) is int and 0 <= unit < count and number != kept.heard:
            return replace(kept, chosen=unit, heard=number)
    if linked != kept.chosen or (report is None and kept.heard):
        return OpenWall(key, linked, kept.times + 1, linked)
    return kept
