"""The start page: what recognition models are, what has been trained, where to go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import cache, capabilities, cards, navigation, permalinks, state
from dashboard.cards import Card
from dashboard.components.diagram import recognition_diagram
from dashboard.components.image_grid import show_images
from dashboard.components.linked import choose_one, choose_segment
from dashboard.components.pickers import no_checkpoints

if TYPE_CHECKING:
    from dashboard.logic.documents.units import UnitWords

__all__ = ["render"]

ALL = "all"
MOST_DRAWS = 9999  # sets of samples that a link can ask for

TOPICS, TOPIC_WORDS = 6, 6
SAMPLE_ROWS, SAMPLE_PIXELS, CARD_COLUMNS = 3, 224, 3  # rows of 224 pixels: 8 digits or 11 faces

TOUR = (
    ("latent_space", "where a model puts the images, and what it draws at each place"),
    ("sample", "turn the hidden causes yourself, layer by layer"),
    ("filters", "the weights as pictures: what each unit draws or looks for"),
    ("recognition", "draw, and watch which causes the model sees"),
    ("impute", "hide a part of an image and watch it being filled in"),
    ("documents", "read documents as their words, hide some, see which are guessed"),
    ("estimators", "how noisy each gradient estimator is"),
    ("training", "learning curves beside the papers' values"),
    ("leaderboard", "every system of the papers' tables, beside ours"),
)
TOUR_COLUMNS = 3


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
    st.header("Where to go")
    known = {entry.module for entry in navigation.ENTRIES}
    tour = [(module, purpose) for module, purpose in TOUR if module in known]
    for start in range(0, len(tour), TOUR_COLUMNS):
        columns = st.columns(TOUR_COLUMNS)
        for column, (module, purpose) in zip(columns, tour[start:], strict=False):
            with column, st.container(border=True, height="stretch", gap="xxsmall"):
                st.page_link(navigation.page(module))
                with st.container(horizontal=True, gap=None, wrap=False):
                    st.space(8)  # the link's own inset
                    st.caption(purpose)


def _checkpoints() -> None:
    st.header("Trained models")
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
    permalinks.follow(
        state.OVERVIEW_SEED, "seed", lambda: permalinks.read_integer("seed", 0, 0, MOST_DRAWS)
    )
    aids = cards.aids(found)  # of all: what serves a model that is not shown serves it too
    st.caption(
        "Variational auto-encoders (VAE), deep latent Gaussian models (DLGM), belief networks "
        "(SBN) and what they are compared with. Each tile is the mean of p(x | z) for a z drawn "
        "from the prior; models without latents draw the pixels themselves. Numbers are nats per "
        "image or document with their standard error, higher is better (perplexities: lower); "
        "only numbers on the same data and of the same kind compare."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        found = _chosen(found)
        if st.button("Draw again", icon=":material/casino:", key="overview.draw"):
            seed = state.integer(state.OVERVIEW_SEED) % MOST_DRAWS + 1
            st.session_state[state.OVERVIEW_SEED] = seed
            permalinks.keep(state.OVERVIEW_SEED, "seed", str(seed))
    if not found:
        st.info(
            "No model of this kind was trained on these data. Set Models or Data to All.",
            icon=":material/filter_alt_off:",
        )
    seed = state.integer(state.OVERVIEW_SEED)
    entries = [(name, card) for name, card in found.items() if name not in aids]
    for start in range(0, len(entries), CARD_COLUMNS):
        columns = st.columns(CARD_COLUMNS)
        for column, (name, card) in zip(columns, entries[start:], strict=False):
            with column, st.container(border=True, height="stretch"):
                _card(name, card, seed)
    aids = {name: purpose for name, purpose in aids.items() if name in found}
    if aids:
        with st.expander(
            "Made for other trainings, for measurements, or with other seeds", key="overview.aids"
        ):
            for name, purpose in aids.items():
                st.markdown(f"**{name}**: {purpose}")
                st.caption(f"{cards.describe(found[name])}. {cards.training_summary(found[name])}")
                _links(name, found[name])


def _chosen(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Those of the kind and of the data that the visitor chooses, where there are several."""
    families = dict.fromkeys(cards.family(card) for card in found.values())
    datasets = dict.fromkeys(card["dataset"] for card in found.values())
    family = dataset = ALL
    if len(families) > 1:
        family = choose_segment(
            "Models",
            {ALL: "All"} | {name: cards.FAMILY_TITLES[name] for name in families},
            name="models",
            key="overview.models",
        )
    if len(datasets) > 1:
        dataset = choose_one(
            "Data",
            {ALL: "All"} | {name: cards.dataset_title(name) for name in datasets},
            name="data",
            key="overview.data",
            width=280,
        )
    return {
        name: card
        for name, card in found.items()
        if family in (ALL, cards.family(card)) and dataset in (ALL, card["dataset"])
    }


def _card(name: str, card: Card, seed: int) -> None:
    st.markdown(f"#### {name}")
    st.caption(f"{cards.describe(card)}  \n{cards.dataset_title(card['dataset'])}")
    if cards.shows_pictures(card) and not _samples(name, card, seed):
        return
    if cards.is_documents(card):
        _topics(name, card)
    _numbers(card)
    _links(name, card)


def _samples(name: str, card: Card, seed: int) -> bool:
    """Images that the model draws; False where its file is broken, after saying so."""
    from engine.errors import EngineError

    shape = cards.picture_shape(card)
    columns = max(1, SAMPLE_PIXELS // shape[1])
    count = SAMPLE_ROWS * columns
    try:
        if cards.has_latents(card):
            samples: Any = cache.prior_means(name, count, seed)
        else:
            samples = cache.derived(name, ("draws", count, seed), lambda: _drawn(name, count, seed))
    except EngineError as error:
        st.error(str(error))
        return False
    show_images(
        samples,
        shape,
        columns=columns,
        scale=2,
        gap=4,
        stretch=True,
        alt=f"A grid of {len(samples)} images that {name} draws from random causes",
    )
    return True


def _topics(name: str, card: Card) -> None:
    """A model of documents by the words of its units, where its card has the vocabulary."""
    words = cards.vocabulary(card)
    if not words:
        st.caption("Its card does not say which words it counts.")
        return
    from engine.errors import EngineError

    def found() -> list[UnitWords]:
        from dashboard.logic.documents.units import unit_words

        return unit_words(cache.model(name), words, words=TOPIC_WORDS)[:TOPICS]

    try:
        topics = cache.derived(name, "topics", found)
    except EngineError as error:
        st.error(str(error))
        return
    # A word of the vocabulary is data: as code it is shown as it is.
    lines = [f"- unit {one.unit + 1}: `{' '.join(one.raised)}`" for one in topics]
    st.markdown("What a unit makes likelier:\n" + "\n".join(lines))


def _drawn(name: str, count: int, seed: int) -> Any:
    from dashboard.logic.sample.draws import drawn_images

    return drawn_images(cache.model(name), count, seed, means=False)


def _links(name: str, card: Card) -> None:
    """To the pages that can show a checkpoint, with it in the address."""
    with st.container(horizontal=True, gap=None):
        for module in capabilities.pages_for(card):
            st.page_link(navigation.page(module), query_params={state.CHECKPOINT: name})
        st.page_link(navigation.page("training"), query_params={state.CURVES: name})


def _numbers(card: Card) -> None:
    """A bound and what is closest to log p(x), then how they came about."""
    entries = cards.headline(card)
    if entries:
        with st.container(horizontal=True, gap="medium", wrap=False):
            for entry in entries:
                st.metric(
                    cards.metric_title(entry["name"]),
                    cards.format_metric(entry),
                    help=cards.how_measured(entry, card),
                    width="content",
                )
        where = f"{cards.unit(entries[0], card)}, {cards.where_measured(entries[0], card)}"
    else:
        where = "Not evaluated yet: `python -m engine evaluate` gives the numbers."
    st.caption(f"{where}  \n{cards.training_summary(card)}")
