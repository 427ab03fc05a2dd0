"""How noisy the gradient estimators are: recorded over training, and measured live."""

from __future__ import annotations

import streamlit as st

from dashboard import cache
from dashboard.components.live_race import show_live_race
from dashboard.components.paper_figures import show_paper_figures
from dashboard.components.recorded_variances import show_recorded_variances
from dashboard.components.toy_race import show_toy_race
from dashboard.logic.estimators.notes import NOTES

__all__ = ["render"]


def render() -> None:
    """Draw the page: the toy, the live measurement, recorded curves, papers' figures, notes."""
    st.title("Estimators")
    st.markdown(
        "A recognition model learns from random estimates of a gradient: here is how far these "
        "scatter around their mean, and their mean from the truth, on one bit whose answer is "
        "known, on a minibatch of a trained model, and while models were trained; last, what that "
        "makes of the training, in the papers' own figures. "
        "Play the toy first, then watch centring and baselines take orders of magnitude off the "
        "variance of an SBN, and switch to signal-to-noise: normalisation only rescales."
    )
    cache.start_engine()
    show_toy_race()
    show_live_race()
    show_recorded_variances()
    show_paper_figures()
    _notes()


def _notes() -> None:
    from engine.estimators.variants import VARIANTS

    st.header("The estimators")
    for key, note in NOTES.items():
        variant = VARIANTS[key]
        title = variant.title
        if title.startswith("+"):
            title = f"NVIL {title}"
        with st.expander(title[:1].upper() + title[1:], key=f"estimators.note.{key}"):
            st.latex(note.formula)
            st.markdown(f"{note.text} **{note.bias}** {note.source}.")
