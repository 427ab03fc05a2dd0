"""The engine in the process of the server, imported once."""

from __future__ import annotations

import gc

import streamlit as st

__all__ = ["start_engine"]


@st.cache_resource(show_spinner=False)
def start_engine() -> None:
    """Import the engine once for the process, and settle torch in it for serving many visitors."""
    import torch

    import engine  # noqa: F401

    # One thread a visitor: the models are small, and threads that spin on cores which a training
    # (or another visitor) holds make everything a hundred times slower.
    torch.set_num_threads(1)
    # The quarter million objects of the imports will live as long as the process: out of the
    # collector's sight they cost nothing at each collection.
    gc.collect()
    gc.freeze()
