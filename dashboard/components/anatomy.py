"""The anatomy of the gap of one image: what starts it, how far it is, its two charts."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from dashboard import cache
from dashboard.cards import Card
from dashboard.components.charts import add_reference, figure, series_colour, show
from dashboard.components.linked import choose_segment

if TYPE_CHECKING:
    from torch import Tensor

    from dashboard.logic.recognition.gap_runs import GapRun
    from engine.evaluation.gap import Anatomy, Measured

__all__ = ["choose_samples", "current_anatomy", "gap_sentences", "nats", "show_anatomy"]

POLL = 0.5  # seconds between looks at a run
CHEAP = 1.0  # seconds: what takes no longer starts by itself
SAMPLES = {"100": "100", "1000": "1000", "5000": "5000"}
LAST_SECONDS = "recognition.seconds"

_FAMILIES = {
    "vae": "a Gaussian with independent latents",
    "diagonal": "a Gaussian with independent latents",
    "rank-one": "a Gaussian whose precision is diagonal plus rank one",
    "sbn": "independent bits within each layer",
    "factorial": "independent bits within each layer",
    "autoregressive": "bits with the links that the network of q has within each layer",
}


def choose_samples() -> int:
    """A row of buttons for the largest K."""
    return int(
        choose_segment(
            "Largest K",
            SAMPLES,
            name="draws",
            key="recognition.draws",
            default="1000",
            help="L_K is the bound from K weighted draws of q. The search for q* takes the rest "
            "of the time.",
        )
    )


def current_anatomy(name: str, x: Tensor, key: Hashable, samples: int, seed: int) -> GapRun | None:
    """The run for this image, if there is one; a cheap one is started."""
    run = cache.gap_runs().get(key)
    last = st.session_state.get(LAST_SECONDS, {}).get((name, samples))
    if run is None and last is not None and last <= CHEAP:
        run = _start(key, name, x, samples, seed)
        if run is not None:
            run.wait(1.5 * CHEAP)
    if run is not None and run.result is not None:
        st.session_state.setdefault(LAST_SECONDS, {})[name, samples] = run.seconds
    return run


def _start(key: Hashable, name: str, x: Tensor, samples: int, seed: int) -> GapRun | None:
    from dashboard.logic.recognition.gap_runs import GapRun

    model = cache.model(name)
    return cache.gap_runs().start(key, lambda: GapRun(model, x, samples, seed))


def show_anatomy(
    name: str, card: Card, x: Tensor, key: Hashable, run: GapRun | None, samples: int, seed: int
) -> None:
    """The way to the charts, or the charts."""
    if run is not None and run.running:
        st.fragment(_watch, run_every=POLL)(run)
        return
    if run is None or run.result is None:
        if run is not None and run.error == "stopped":
            st.caption("Stopped. Nothing of it is kept.")
        elif run is not None:
            st.error(f"This did not come to its end: {run.error}")
        if st.button("Take the gap apart", type="primary", key="recognition.gap.start"):
            if _start(key, name, x, samples, seed) is None:
                st.warning("Others are computing at the moment: try again in a few seconds.")
            else:
                st.rerun()
        return
    _show(run.result, card)


def _watch(run: GapRun) -> None:
    """Progress of a run, looked at again and again until it ends."""
    if not run.running:
        st.rerun()
    st.progress(min(run.share, 1.0), text="Searching for q* and drawing from q and q* …")
    if st.button("Stop", icon=":material/stop:", key="recognition.gap.stop"):
        run.stop()
        run.wait(2)
        st.rerun()


def nats(measured: Measured) -> str:
    """A number of nats with its standard error, as many digits as that allows."""
    error = measured.standard_error
    digits = 2 if error == 0 else int(np.clip(1 - np.floor(np.log10(error)), 1, 3))
    value = f"{measured.value:.{digits}f}".replace("-", "−")
    return f"{value} ± {error:.{digits}f}" if error else f"{value} (exact)"


def family_words(card: Card) -> str:
    """What the family of q is, in words."""
    config = card["config"]
    kind = str(config.get("covariance") or config.get("recognition") or card["model"])
    return _FAMILIES.get(kind, f"the family of this {card['model']}")


def gap_sentences(anatomy: Anatomy, card: Card) -> list[str]:
    """What the two parts mean, a sentence or two each, with their numbers."""
    parts = []
    gap = anatomy.amortisation_gap
    if gap.value <= 2 * gap.standard_error:
        meaning = (
            "no q fitted to this image alone was measurably better: the recognition network has "
            "found the best of its family."
        )
    else:
        meaning = (
            "so much better is q\\*, fitted to this image alone, than what the recognition network "
            "says at a glance."
        )
    parts.append(f"**Amortisation, {nats(gap)} nats**: {meaning}")
    gap = anatomy.family_gap
    family = family_words(card)
    if gap.value <= 2 * gap.standard_error:
        meaning = f"{family} is as good as the true posterior, as far as can be measured."
    else:
        meaning = f"so much is lost because the true posterior is not {family}."
    if anatomy.source == "importance":
        meaning += " log p(x) is itself a bound from below here: the part may be larger."
    parts.append(f"**Family, {nats(gap)} nats**: {meaning}")
    return parts


_SOURCES = {
    "grid": "by summing over a grid",
    "enumeration": "by summing over all states",
    "importance": "by weighted draws of q and q\\*",
}


def _show(anatomy: Anatomy, card: Card) -> None:
    rows = [
        ("ELBO, L(q)", anatomy.elbo),
        ("ELBO of q\\*, L(q\\*)", anatomy.local_elbo),
        (f"log p(x), {_SOURCES[anatomy.source]}", anatomy.log_marginal),
    ]
    st.markdown(" · ".join(f"**{title}**: {nats(value)} nats" for title, value in rows))
    left, right = st.columns(2)
    with left:
        _show_parts(anatomy)
        for sentence in gap_sentences(anatomy, card):
            st.markdown(sentence)
    with right:
        _show_curve(anatomy)


def _show_parts(anatomy: Anatomy) -> None:
    """Both gaps as one bar from the ELBO up to log p(x)."""
    import plotly.graph_objects as go

    fig = figure("nats above the ELBO, up to log p(x)", "", height=190)
    start = 0.0
    parts = (
        ("Amortisation: L(q*) − L(q)", anatomy.amortisation_gap, 1, ""),
        ("Family: log p(x) − L(q*)", anatomy.family_gap, 2, "/"),
    )
    for title, gap, index, pattern in parts:
        fig.add_trace(
            go.Bar(
                x=[gap.value],
                y=[0],
                base=[start],
                orientation="h",
                name=title,
                marker={
                    "color": series_colour(index),
                    "pattern": {"shape": pattern, "fillmode": "overlay", "solidity": 0.15},
                },
                error_x={"type": "data", "array": [gap.standard_error], "thickness": 1.5},
                text=[f"{gap.value:.2f}"],
                textposition="inside",
                insidetextanchor="middle",
                hovertemplate=f"{nats(gap)} nats<extra>{title}</extra>",
            )
        )
        start += gap.value
    fig.update_layout(barmode="overlay", bargap=0.2)
    fig.update_yaxes(showticklabels=False, showgrid=False)
    words = f"amortisation {nats(parts[0][1])} nats, family {nats(parts[1][1])} nats"
    show(fig, key="recognition.parts", alt=f"The gap between the ELBO and log p(x): {words}")


def _show_curve(anatomy: Anatomy) -> None:
    import plotly.graph_objects as go

    curve = anatomy.curve
    fig = figure("K, draws of q", "L_K (nats)", height=360, log_x=True, legend=False)
    fig.add_trace(
        go.Scatter(
            x=curve.ks,
            y=curve.bound.tolist(),
            mode="lines+markers",
            name="L_K",
            line={"color": series_colour(0)},
            error_y={"type": "data", "array": curve.standard_error.tolist(), "thickness": 1.5},
            hovertemplate="K = %{x}: %{y:.3f} nats<extra></extra>",
        )
    )
    add_reference(fig, anatomy.log_marginal.value, "log p(x)", side="left")
    add_reference(fig, anatomy.local_elbo.value, "L(q*), K = 1", below=True)
    last = curve.bound[-1].item()
    show(
        fig,
        key="recognition.curve",
        alt=f"L_K from the ELBO, {anatomy.elbo.value:.2f} nats, to {last:.2f} nats at "
        f"K = {curve.ks[-1]}",
    )
