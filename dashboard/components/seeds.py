"""The seed of a draw: the visitor sets it, or a button counts it up."""

from __future__ import annotations

import streamlit as st

from dashboard import state

__all__ = ["choose_seed", "draw_again"]


def choose_seed(key: str, *, label: str = "Seed", width: int = 140) -> int:
    """A field for a seed from 0 up; zero at first."""
    return int(st.number_input(label, min_value=0, max_value=2**31, key=key, width=width))


def draw_again(seed_key: str, button_key: str, *, help_text: str | None = None) -> None:
    """A button that goes on to the next seed of the field with the key `seed_key`."""
    st.button(
        "Draw again",
        icon=":material/casino:",
        key=button_key,
        on_click=_count_up,
        args=(seed_key,),
        help=help_text,
    )


def _count_up(key: str) -> None:
    st.session_state[key] = state.integer(key) + 1
