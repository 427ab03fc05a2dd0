"""The start page: what recognition models are, what has been trained, where to go."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import cache, cards, navigation, state
from dashboard.cards import Card
from dashboard.components.diagram import recognition_diagram
from dashboard.components.image_grid import show_images
from dashboard.components.pickers import no_checkpoints

__all__ = ["render"]

SAMPLES, SAMPLE_COLUMNS, CARD_COLUMNS = 24, 8, 3

TOUR = (
    ("latent_space", "where a model puts the images, and what it draws at each place"),
    ("sample", "turn the hidden causes yourself, layer by layer"),
    ("impute", "hide a part of an image and watch it being filled in"),
    ("estimators", "how noisy each gradient estimator is"),
    ("training", "learning curves beside the papers' values"),
)


def render() -> None:
    """Draw the page: words and picture first, then the cards, which need the engine."""
    st.title("Helmholtz")
    st.markdown(
        "A **generative model** draws an image $x$ from a few hidden causes $z$. A **recognition "
        "model** looks at an image and says, in one pass, which causes may have drawn it. Both are "
        "neural networks, trained together to raise a lower bound on the probability of the "
        "training images: how well the image is redrawn, less how far its causes stray from the "
        "prior."
    )
    recognition_diagram()
    st.latex(
        r"\begin{aligned}\log p(x) \;\ge\;"
        r"& \underbrace{\mathbb{E}_{q(z \mid x)}\big[\log p(x \mid z)\big]}_{\text{reconstruction}}"
        r" \\[0.4em] -\;& \underbrace{\mathrm{KL}\big(q(z \mid x)\,\|\,p(z)\big)}"
        r"_{\text{distance from the prior}}\end{aligned}"
    )
    _tour()
    _checkpoints()


def _tour() -> None:
    st.subheader("Where to go")
    for module, purpose in TOUR:
        if (page := navigation.page(module)) is not None:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.page_link(page)
                st.caption(purpose)


def _checkpoints() -> None:
    st.subheader("Trained models")
    with st.spinner("Loading the models …"):
        found, broken = cache.cards(), cache.broken_checkpoints()
    for name, reason in broken.items():
        st.warning(f"`{name}` is left out: {reason}", icon=":material/broken_image:")
    if not found:
        no_checkpoints("a trained model")
        return
    _cards(found)


@st.fragment
def _cards(found: dict[str, dict[str, Any]]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            "Each tile is the mean of p(x | z) for a z drawn from the prior. Numbers are nats per "
            "image with their standard error; higher is better, and only numbers with the same "
            "data and the same estimator compare.",
            width="stretch",
        )
        if st.button("Draw again", icon=":material/casino:", key="overview.draw"):
            st.session_state[state.OVERVIEW_SEED] = state.integer(state.OVERVIEW_SEED) + 1
    seed = state.integer(state.OVERVIEW_SEED)
    entries = list(found.items())
    for start in range(0, len(entries), CARD_COLUMNS):
        columns = st.columns(CARD_COLUMNS)
        for column, (name, card) in zip(
            columns, entries[start : start + CARD_COLUMNS], strict=False
        ):
            with column, st.container(border=True, height="stretch", key=f"overview.card.{name}"):
                _card(name, card, seed)


def _card(name: str, card: Card, seed: int) -> None:
    from engine.errors import EngineError

    st.markdown(f"#### {name}")
    st.caption(f"{cards.describe(card)}  \n{cards.dataset_title(card['dataset'])}")
    try:
        samples = cache.prior_means(name, SAMPLES, seed)
    except EngineError as error:
        st.error(str(error))
        return
    show_images(
        samples,
        cards.image_shape(card),
        columns=SAMPLE_COLUMNS,
        scale=2,
        gap=4,
        stretch=True,
        alt=f"{SAMPLES} images drawn by {name}",
    )
    st.markdown(metrics_table(card))
    st.caption(cards.training_summary(card))
    with st.container(horizontal=True, gap="small"):
        for module in ("latent_space", "sample", "impute"):
            if (page := navigation.page(module)) is not None:
                st.page_link(page, query_params={state.CHECKPOINT: name})


def metrics_table(card: Card) -> str:
    """The test numbers of a card as a Markdown table, or a sentence where there are none."""
    rows = [
        " | ".join(
            (
                "",
                cards.metric_title(name),
                cards.format_metric(entry),
                cards.how_measured(entry),
                "",
            )
        ).strip()
        for name in ("elbo", *likelihood_bounds(card))
        if (entry := cards.metric(card, name)) is not None
    ]
    if not rows:
        return "*Not evaluated yet.*"
    return "\n".join(["| | nats per image | measured by |", "|:--|:--|:--|", *rows])


def likelihood_bounds(card: Card) -> list[str]:
    """The names L_K among a card's metrics, the tightest (largest K) first."""
    names = {m["name"] for m in card.get("metrics", ()) if str(m["name"]).startswith("L_")}
    return sorted(names, key=lambda name: -int(name.removeprefix("L_")))
