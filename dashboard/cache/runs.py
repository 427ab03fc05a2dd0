"""Long work that visitors share, and comparisons on tiny models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.cache.process import start_engine

if TYPE_CHECKING:
    from dashboard.logic.latent_space.tsne import TsneRun
    from dashboard.logic.recognition.gap_runs import GapRun
    from dashboard.logic.runs import Runs
    from engine.mcmc.comparison import Comparison

__all__ = ["gap_runs", "tiny_comparison", "tsne_runs"]


@st.cache_resource(show_spinner=False)
def tsne_runs() -> Runs[TsneRun]:
    """The t-SNE runs of all visitors."""
    from dashboard.logic.runs import Runs

    return Runs()


@st.cache_resource(show_spinner=False)
def gap_runs() -> Runs[GapRun]:
    """The anatomies of gaps of all visitors."""
    from dashboard.logic.runs import Runs

    return Runs()


@st.cache_resource(show_spinner=False)
def tiny_comparison(name: str) -> Comparison:
    """The methods of imputation on a model of `engine.mcmc.tiny.TINY`, beside the exact law."""
    start_engine()
    from engine.mcmc.comparison import compare
    from engine.mcmc.tiny import TINY
    from engine.random import make_generator

    model, x, observed = TINY[name]()
    return compare(model, x, observed, generator=make_generator(0))
