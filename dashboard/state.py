"""Names of what a visitor's session keeps, and typed ways to read it.

Widgets keep their value under their key: the keys that several pages share, or that appear in the
address of a page (`?checkpoint=vae-2-mnist-static`), are constants here. A key of one page alone
starts with that page's name: "impute.steps".
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

__all__ = ["CHECKPOINT", "CURVES", "OVERVIEW_SEED", "integer", "reported"]

CHECKPOINT = "checkpoint"
"""The checkpoint chosen on any page that works on one: it follows the visitor from page to page."""

CURVES = "curves"
"""The checkpoints whose curves the Training page compares."""

OVERVIEW_SEED = "overview.seed"
"""Seed of the samples on the cards: "Draw again" counts it up."""


def integer(key: str, default: int = 0) -> int:
    """The whole number kept under `key`, or `default` where nothing (or something else) is kept."""
    value = st.session_state.get(key, default)
    return value if isinstance(value, int) else default


def reported(key: str, name: str) -> object:
    """What the browser's part of the component `key` last set under `name`, unchecked, or None.

    Readable before the component is drawn, for those whose data depend on it.
    """
    said = st.session_state.get(key)
    return said.get(name) if isinstance(said, Mapping) else None
