"""Which chain is right? The methods on models so small that the answer can be summed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from dashboard import cache
from dashboard.components import charts
from dashboard.components.linked import choose_segment
from dashboard.logic.impute.methods import title

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from engine.mcmc.comparison import Comparison

__all__ = ["comparison_figure", "show_tiny_models"]

TITLES = {"bars": "Bars, belief network", "blob": "Blob, auto-encoder"}
STORIES = {
    "bars": "Six bits each draw a row or a column of a picture of 3 × 3 pixels. A dark pixel is "
    "explained by its row *or* by its column, which no factorised $q(z \\mid x)$ can say.",
    "blob": "Two latents say where a blob sits in a picture of 3 × 3 pixels; the recognition finds "
    "its side, but is surer than it should be and does not go far enough out.",
}
SIDE = 3
_ERROR_BAR = {"thickness": 1.5, "color": charts.MUTED_COLOUR}
MOST_BARS = 12  # completions, the most probable first


def show_tiny_models() -> None:
    """An expander; the chains run when somebody asks for them."""
    with st.expander("Which chain is right? Two tiny models tell", icon=":material/balance:"):
        st.markdown(
            "On a trained model nobody knows $p(\\text{hidden} \\mid \\text{visible})$. On these "
            "it is summed exactly, and their recognition is poor on purpose: pseudo-Gibbs follows "
            "it to a wrong law, however long it runs; the others test their proposals and come to "
            "the right one."
        )
        name = choose_segment(
            "Model", TITLES, name="tiny", key="impute.tiny", label_visibility="collapsed"
        )
        st.markdown(STORIES[name])
        if not st.toggle("Run every method", key="impute.tiny_run"):
            return
        with st.spinner("64 chains of each method, some seconds …"):
            comparison = cache.tiny_comparison(name)
        charts.show(
            comparison_figure(name, comparison),
            key=f"impute.tiny.{name}",
            alt="Probability of each completion: exact, and as often as each method visited it",
        )
        st.caption(
            "Each completion is drawn below its bars: ■ dark and □ bright, the small ▪ and ▫ are "
            "given. Error bars are two standard errors, by effective sample sizes. "
            + " ".join(
                f"{title(method)}: total variation to the exact law "
                f"{result.total_variation:.3f}, acceptance rate {result.acceptance:.0%}."
                for method, result in comparison.methods.items()
            )
        )


def comparison_figure(name: str, comparison: Comparison) -> go.Figure:
    """Bars side by side: exact, and each method with its error."""
    import plotly.graph_objects as go

    from engine.mcmc.tiny import TINY

    observed = TINY[name]().observed.numpy()
    exact = comparison.exact.numpy()
    order = np.argsort(-exact, kind="stable")[:MOST_BARS]
    labels = [_picture(comparison.completions[at].numpy(), observed) for at in order]
    fig = charts.figure("Completion, the most probable first", "Probability", height=380)
    fig.update_layout(barmode="group", bargap=0.25)
    fig.update_xaxes(tickmode="array", tickvals=list(range(len(order))), ticktext=labels)
    fig.update_xaxes(tickfont={"family": "monospace", "size": 13})
    rows: list[tuple[str, np.ndarray, np.ndarray | None]] = [("Exact", exact, None)]
    rows += [
        (title(method), result.frequencies.numpy(), result.standard_errors.numpy())
        for method, result in comparison.methods.items()
    ]
    for index, (label, values, errors) in enumerate(rows):
        fig.add_trace(
            go.Bar(
                x=list(range(len(order))),
                y=values[order],
                name=label,
                marker={
                    "color": charts.series_colour(index),
                    "pattern": {"shape": ("", "/", ".", "x", "-")[index % 5]},
                },
                error_y=None
                if errors is None
                else {"type": "data", "array": 2 * np.nan_to_num(errors[order]), **_ERROR_BAR},
                hovertemplate=f"%{{y:.3f}}<extra>{label}</extra>",
            )
        )
    return fig


def _picture(x: np.ndarray, observed: np.ndarray) -> str:
    """Three lines of three signs, for an axis."""
    signs = [
        ("▪" if dark else "▫") if seen else ("■" if dark else "□")
        for dark, seen in zip(x > 0.5, observed, strict=True)
    ]
    rows = ["".join(signs[SIDE * row : SIDE * (row + 1)]) for row in range(SIDE)]
    return "<br>".join(rows)
