"""Data sets of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.cache.process import start_engine

if TYPE_CHECKING:
    from engine.datasets import Dataset

__all__ = ["dataset", "dataset_is_here"]


@st.cache_resource(show_spinner=False, max_entries=8)
def _dataset(name: str) -> Dataset:
    from engine.datasets import load_dataset

    return load_dataset(name, download=False)


def dataset_is_here(name: str) -> bool:
    """Whether the files of a data set are on this machine; they may still turn out to be broken."""
    start_engine()
    from engine.datasets import find_dataset

    return find_dataset(name) is not None


def dataset(name: str) -> Dataset:
    """The data set, from this machine alone: a page never starts a download while it is drawn.

    Raises:
        engine.DatasetError: it is not on this machine; the message says how to fetch it.
    """
    start_engine()
    return _dataset(name)
