"""Pictures of many units side by side, of which the visitor chooses one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import permalinks
from dashboard.blobs import pack
from dashboard.frontend import register

__all__ = ["UNIT", "choose_unit", "read_unit"]

UNIT = "unit"
"""In the address: the number of the chosen unit; 1 is the first."""

_OPENED = "unit_wall.opened"  # in the session: which wall, with which unit

_component = register("unit_wall")


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
    header = {
        "stamp": key,
        "shape": list(pixels.shape[1:3]),
        "units": [int(unit) for unit in units],
        "told": list(told),
        "label": f"{noun.capitalize()}s",
        "chosen": _at_first(key, linked),
    }
    result = _component(
        key=key,
        data=pack(header, {"pixels": pixels}),
        default={"view": None},
        on_view_change=lambda: None,
    )
    chosen = read_unit(result.view, count)
    unit = linked if chosen is None else chosen
    if chosen is not None:
        permalinks.write(**{UNIT: unit + 1})
    return unit


def _at_first(key: str, linked: int) -> int:
    """The unit that a wall opened with: what it is sent stays the same while units are chosen."""
    kept = st.session_state.get(_OPENED)
    if kept is None or kept[0] != key:
        kept = st.session_state[_OPENED] = (key, linked)
    first: int = kept[1]
    return first


def read_unit(report: object, count: int) -> int | None:
    """The unit that the browser reports, checked; None where it is something else."""
    if not isinstance(report, Mapping):
        return None
    unit = report.get("unit")
    if not isinstance(unit, int) or isinstance(unit, bool):
        return None
    return unit if 0 <= unit < count else None
