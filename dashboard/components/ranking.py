"""The table of the Leaderboard page, sorted in the browser; the order is in the address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import permalinks
from dashboard.frontend import register

__all__ = ["SORTABLE", "read_order", "show_table"]

SORTABLE = ("rank", "system", "published", "ours", "parameters", "seconds")
"""Columns that the table can be sorted by, as they stand in the address."""

_component = register("ranking")
_DOWN = "-"  # before a column in the address: the largest first
_FIRST = "rank"
ORDERS = (*SORTABLE, *(f"{_DOWN}{column}" for column in SORTABLE))


def show_table(rows: Sequence[Mapping[str, Any]], *, falling: bool, key: str) -> None:
    """Draw the table.

    Args:
        rows: from `logic.leaderboard.table.table_rows`.
        falling: whether the largest numbers are the best, and come first when asked for.
        key: of the component.
    """
    st.fragment(_table)(rows, falling, key)


def _table(rows: Sequence[Mapping[str, Any]], falling: bool, key: str) -> None:
    linked = permalinks.read_choice("sort", ORDERS, _FIRST)
    result = _component(
        key=key,
        data={"rows": list(rows), "order": linked, "falling": falling},
        default={"view": None},
        on_view_change=lambda: None,
    )
    order = read_order(result.view) or linked
    permalinks.write(sort=None if order == _FIRST else order)


def read_order(report: object) -> str | None:
    """The order that the browser reports, checked; None where it is something else."""
    if not isinstance(report, Mapping):
        return None
    order = report.get("order")
    return order if isinstance(order, str) and order in ORDERS else None
