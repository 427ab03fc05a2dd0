"""Widgets whose choice is in the address: a link opens them as they were.

Each takes `name`, which stands in the address, beside the usual key. A choice that is the default
is left out of the address, so that short views have short links.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import permalinks

__all__ = [
    "choose_many",
    "choose_number",
    "choose_one",
    "choose_segment",
    "press_many",
    "slide",
    "toggle",
]

YES, NO = "yes", "no"


def choose_one(
    label: str,
    titles: Mapping[str, str],
    *,
    name: str,
    key: str,
    default: str | None = None,
    **options: Any,
) -> str:
    """A select box.

    Args:
        label: above it.
        titles: value to what the box shows for it.
        name: in the address.
        key: of the widget.
        default: the first where it is None.
        options: of `st.selectbox`.
    """
    first = _follow(titles, name, key, default)
    chosen: str = st.selectbox(
        label, list(titles), format_func=lambda value: titles.get(value, value), key=key, **options
    )
    permalinks.keep(key, name, None if chosen == first else chosen)
    return chosen


def choose_segment(
    label: str,
    titles: Mapping[str, str],
    *,
    name: str,
    key: str,
    default: str | None = None,
    **options: Any,
) -> str:
    """A row of buttons of which one is pressed; arguments as `choose_one`."""
    first = _follow(titles, name, key, default)
    chosen: str = st.segmented_control(
        label,
        list(titles),
        format_func=lambda value: titles.get(value, value),
        required=True,
        key=key,
        **options,
    )
    permalinks.keep(key, name, None if chosen == first else chosen)
    return chosen


def choose_many(
    label: str,
    titles: Mapping[str, str],
    *,
    name: str,
    key: str,
    default: Sequence[str],
    **options: Any,
) -> list[str]:
    """A box of any number of choices; arguments as `choose_one`."""

    def read() -> list[str]:
        found = permalinks.read_choices(name, list(titles))
        return list(default) if found is None else found

    permalinks.follow(key, name, read)
    chosen: list[str] = st.multiselect(
        label, list(titles), format_func=lambda value: titles.get(value, value), key=key, **options
    )
    permalinks.keep(key, name, None if chosen == list(default) else ",".join(chosen))
    return chosen


def press_many(
    label: str, titles: Mapping[str, str], *, name: str | None, key: str, **options: Any
) -> list[str]:
    """Buttons of which any number may be pressed, none at first; in the order of `titles`.

    Arguments as `choose_one`; `options` are of `st.pills`. The titles are Markdown. Where `name` is
    None the choice is of something that no link can hold, and stays out of the address.
    """
    if name is not None:
        permalinks.follow(key, name, lambda: permalinks.read_choices(name, list(titles)) or [])
    pressed = st.pills(
        label,
        list(titles),
        selection_mode="multi",
        format_func=lambda value: titles.get(value, value),
        key=key,
        wrap=True,
        **options,
    )
    chosen = [value for value in titles if value in pressed]
    if name is not None:
        permalinks.keep(key, name, ",".join(chosen) or None)
    return chosen


def choose_number(
    label: str, low: int, high: int, default: int, *, name: str, key: str, **options: Any
) -> int:
    """A field for a whole number from `low` to `high`."""
    permalinks.follow(key, name, lambda: permalinks.read_integer(name, default, low, high))
    chosen = int(st.number_input(label, low, high, key=key, **options))
    permalinks.keep(key, name, None if chosen == default else str(chosen))
    return chosen


def slide(
    label: str, values: Sequence[int], default: int, *, name: str, key: str, **options: Any
) -> int:
    """A slider over a few whole numbers."""

    def read() -> int:
        return int(permalinks.read_choice(name, [str(value) for value in values], str(default)))

    permalinks.follow(key, name, read)
    chosen = int(st.select_slider(label, values, key=key, **options))
    permalinks.keep(key, name, None if chosen == default else str(chosen))
    return chosen


def toggle(label: str, default: bool, *, name: str, key: str, **options: Any) -> bool:
    """A switch: "yes" or "no" in the address."""
    first = YES if default else NO
    permalinks.follow(key, name, lambda: permalinks.read_choice(name, (YES, NO), first) == YES)
    chosen: bool = st.toggle(label, key=key, **options)
    permalinks.keep(key, name, None if chosen == default else YES if chosen else NO)
    return chosen


def _follow(titles: Mapping[str, str], name: str, key: str, default: str | None) -> str:
    """Before the widget: its value from the address, or the default where that is not on offer."""
    first = next(iter(titles)) if default is None else default
    permalinks.follow(key, name, lambda: permalinks.read_choice(name, list(titles), first))
    if st.session_state[key] not in titles:  # what is on offer has changed
        st.session_state[key] = first
    return first
