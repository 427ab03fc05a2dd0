"""Documents as their words: what a model reads in one, and what it expects to stand there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import cache, capabilities, cards, permalinks, state
from dashboard.cards import Card
from dashboard.components import charts
from dashboard.components.documents import INDEX, Document, choose_document
from dashboard.components.exports import Export, show_exports
from dashboard.components.linked import choose_number, press_many
from dashboard.components.pickers import checkpoint_picker, first_here
from dashboard.components.seeds import draw_again
from dashboard.logic.documents.table import shares_csv
from dashboard.scripts.documents import reading_script

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from dashboard.components.items import Item
    from dashboard.components.pickers import Images
    from dashboard.logic.documents.units import UnitWords
    from engine.models import LatentVariableModel

__all__ = ["render"]

MOST_WORDS = 80  # of a document: buttons that can be looked over
EXPECTED = 16  # words in the picture
SHOWN_UNITS = 12  # those that matter most to a document
UNIT_WORDS = 5  # in the table of all units
SIMILAR, SIMILAR_WORDS = 5, 10
DREAMS, DREAM_WORDS = 6, 12
MOST_SEED = 2**31
ON, MEAN = "On (% of test documents)", "Mean over test documents"
SHOWN = "documents.shown"  # in the session: what the page showed last
HALVES = "documents.halves"  # in the session: how often a half has been hidden


def render() -> None:
    """Draw the page: a document in a fragment, then all units, then what the model dreams."""
    st.title("Documents")
    st.markdown(
        "A document is here a bag of words, and a model of documents reads from it a code $z$ of a "
        "few units, each of which makes some words likelier and others rarer. Choose a document or "
        "type one, hide some of its words and see whether the model guesses them; flip a unit to "
        "see what it stands for."
    )
    problems = st.container()
    name = checkpoint_picker(
        capable=capabilities.reads_documents, what="a checkpoint of documents and their vocabulary"
    )
    if name is not None:
        _page_of(name)
    with problems:
        permalinks.show_problems()


def _page_of(name: str) -> None:
    from engine.errors import EngineError

    try:
        card, model = cache.card(name), cache.model(name)
        words = cards.vocabulary(card)
        document = choose_document(card, words)
        if document is not None:
            _begin_anew(name, document)
            st.fragment(_read)(name, card, document)
            if document.item is not None:
                _others(name, document.item, words)
        _all_units(name, card)
        st.header("Documents that it dreams")
        st.fragment(_dream)(model, words)
    except EngineError as error:
        st.error(str(error))


def _begin_anew(name: str, document: Document) -> None:
    """What was hidden or flipped belongs to one document and one model; a text is in no link."""
    shown = f"{name} {document.token}"
    if document.item is None or st.session_state.get(SHOWN, shown) != shown:
        permalinks.write(hidden=None, flipped=None)
    st.session_state[SHOWN] = shown


def _read(name: str, card: Card, document: Document) -> None:
    """The document's words on the left, what the model expects on the right, its units below."""
    from dashboard.logic.documents.counting import telling
    from dashboard.logic.documents.reading import expected_shares, read_code, usual_shares

    model, words = cache.model(name), cards.vocabulary(card)
    usual = usual_shares(model)
    left, right = st.columns([5, 6], gap="medium")
    units = st.container()
    with left:
        st.header("Its words")
        hidden = _hide(document, words, telling(document.counts, usual, MOST_WORDS))
    seen = document.counts.clone()
    seen[hidden] = 0
    with units:
        st.header("The units behind it")
        flipped = _flip(name, card, read_code(model, seen), document)
    shares = expected_shares(model, read_code(model, seen, flipped))
    with right:
        st.header("What the model expects")
        _expected(document, words, shares, usual, hidden)
    show_exports(
        [
            Export(
                "Words and shares, CSV",
                "words.csv",
                "text/csv",
                lambda: shares_csv(words, document.counts, shares, usual, hidden).encode(),
            )
        ],
        reading_script(
            name,
            {words[place]: int(document.counts[place]) for place in document.counts.nonzero()}
            if document.item is None
            else (document.item.images.dataset, document.item.images.split, document.item.number),
            hidden=[words[place] for place in hidden],
            flipped=flipped,
            most=EXPECTED,
            bits=cards.latent_kind(card) == "bernoulli",
        ),
        key="documents",
    )


def _hide(document: Document, words: Sequence[str], places: Sequence[int]) -> list[int]:
    """The document as buttons, its most telling words first; those pressed are hidden."""
    st.markdown(document.told)  # names as code are too pale in a caption
    titles = {}
    for place in places:
        times = int(document.counts[place])
        titles[words[place]] = words[place] + (f" ×{times}" if times > 1 else "")
    key = f"documents.hidden.{document.token}"

    def hide_half() -> None:
        import torch

        from engine.random import make_generator

        st.session_state[HALVES] = state.integer(HALVES) + 1
        order = torch.randperm(len(places), generator=make_generator(st.session_state[HALVES]))
        chosen = set(order[: math.ceil(len(places) / 2)].tolist())
        st.session_state[key] = [words[p] for i, p in enumerate(places) if i in chosen]

    def show_all() -> None:
        st.session_state[key] = []

    pressed = press_many(
        "Press words to hide them from the model",
        titles,
        name=None if document.item is None else "hidden",
        key=key,
    )
    with st.container(horizontal=True):
        st.button(
            "Hide half",
            icon=":material/visibility_off:",
            on_click=hide_half,
            key="documents.half",
            help="At random; again for another half.",
        )
        st.button("Show all", on_click=show_all, key="documents.all", disabled=not pressed)
    different = int((document.counts > 0).sum())
    if different > len(places):
        st.caption(
            f"The {len(places)} words that tell most of it apart from other documents; the model "
            f"sees all {different}."
        )
    position = {words[place]: place for place in places}
    return [position[word] for word in pressed]


def _flip(name: str, card: Card, code: Tensor, document: Document) -> list[int]:
    """The units that matter most to the document, as buttons that set them the other way round."""
    from dashboard.logic.documents.reading import gains

    worth = gains(cache.model(name), code, document.counts)
    told = {one.unit: one for one in _units(name, card)}
    first = worth.abs().argsort(descending=True)[:SHOWN_UNITS].tolist()
    bits = cards.latent_kind(card) == "bernoulli"
    titles = {
        str(unit + 1): _unit_title(told[unit], float(code[unit]), float(worth[unit]), bits)
        for unit in range(len(worth))
    }
    words = (
        "The nats are what the unit is worth to this document: how much log p(x | z) of all its "
        "words, hidden ones too, would lose if this unit alone were "
    )
    if not bits:
        permalinks.read_choices("flipped", [])
        st.caption(f"{words}at zero.")
        st.markdown("\n".join(f"- {titles[str(unit + 1)]}" for unit in first))
        return []
    shown = {str(unit + 1): titles[str(unit + 1)] for unit in first}
    linked = [] if document.item is None else permalinks.read_choices("flipped", list(titles)) or []
    shown |= {unit: titles[unit] for unit in linked}  # a link may name any
    pressed = press_many(
        "Press units to flip them",
        shown,
        name=None if document.item is None else "flipped",
        key=f"documents.flipped.{name}.{document.token}",
    )
    st.caption(
        f"{words}flipped. Behind a unit's number, what q(z | x) reads, then the words that it "
        "makes likelier when it is on."
    )
    return [int(unit) - 1 for unit in pressed]


def _unit_title(unit: UnitWords, value: float, worth: float, bits: bool) -> str:
    read = ("on" if value > 0.5 else "off") if bits else f"at {value:.2f}".replace("-", "−")
    nats = f"{worth:+.1f} nats".replace("-", "−")
    return f"{unit.unit + 1} {read} · {', '.join(unit.raised[:3])} · {nats}"


def _expected(
    document: Document,
    words: Sequence[str],
    shares: Tensor,
    usual: Tensor,
    hidden: Sequence[int],
) -> None:
    """Bars of the words, and how well all of the document's words are guessed."""
    from dashboard.logic.documents.picture import expected_words, words_picture
    from dashboard.logic.documents.reading import perplexity

    unseen = document.counts.clone()
    unseen[:] = 0
    unseen[list(hidden)] = document.counts[list(hidden)]
    parts = {"of the words it sees": document.counts - unseen, "of the hidden words": unseen}
    for column, (title, counts) in zip(st.columns(2), parts.items(), strict=True):
        own, common = perplexity(shares, counts), perplexity(usual, counts)
        with column:
            st.metric(
                f"Perplexity {title}",
                "–" if math.isnan(own) else f"{own:.0f}",
                help="As many equally likely words are left to guess from: lower is better. It is "
                "that of p(w | z) at the code shown here, without the price of the code: it is "
                "lower than the perplexity of a bound.",
            )
            st.caption("hide some" if math.isnan(own) else f"by usual shares alone {common:.0f}")
    places = expected_words(shares, usual, EXPECTED)
    charts.show(
        words_picture(places, words, shares, usual, document.counts, hidden),
        key="documents.expected",
        alt="Words that the model expects more than usual, the first most: "
        + ", ".join(words[place] for place in places),
    )


def _others(name: str, item: Item, words: Sequence[str]) -> None:
    """Where the document lies among the others of its split, and which codes are nearest."""
    from dashboard.logic.documents.counting import telling
    from dashboard.logic.documents.reading import neighbours, usual_shares

    images = item.images
    _, codes = cache.codes(name, images.dataset, images.split, len(images.x), bits=False)
    if codes.shape[1] >= 2:
        st.header("Where it lies among the others")
        _map(images, codes, item.number)
    st.header("Documents with the most similar codes")
    usual = usual_shares(cache.model(name))
    for number, cosine in neighbours(codes, item.number, SIMILAR):
        told = " ".join(words[place] for place in telling(images.x[number], usual, SIMILAR_WORDS))
        group = ""
        if images.labels is not None:
            group = f" in `{images.class_names[int(images.labels[number])]}`"
        near = f"{cosine:.2f}".replace("-", "−")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                f"Read {number}", key=f"documents.read.{number}", on_click=_open, args=(number,)
            )
            st.markdown(f"cosine {near}{group}: `{told}`", width="stretch")


def _open(number: int) -> None:
    st.session_state[INDEX] = number


def _map(images: Images, codes: NDArray[np.float32], number: int) -> None:
    """All documents as points, which open when they are pressed."""
    from dashboard.logic.documents.code_map import map_picture

    key = "documents.map"

    def pick() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points:
            _open(int(points[0]["customdata"][0]))

    labels = None if images.labels is None else images.labels.numpy()
    charts.show(
        map_picture(codes, labels, images.class_names, number),
        key=key,
        alt=f"{len(codes)} documents on the principal plane of their codes; press one to read it",
        on_select=pick,
        selection_mode="points",
    )
    st.caption(
        "Each point is a document at the mean of q(z | x); press one to read it. Colours are the "
        "first words of the groups' names; press a name in the legend to leave it out."
    )


def _units(name: str, card: Card) -> list[UnitWords]:
    from dashboard.logic.documents.units import unit_words

    model, words = cache.model(name), cards.vocabulary(card)
    return cache.derived(
        name, ("units", UNIT_WORDS), lambda: unit_words(model, words, words=UNIT_WORDS)
    )


def _all_units(name: str, card: Card) -> None:
    """Every unit of the first layer by its words."""
    st.header("All units")
    bits = cards.latent_kind(card) == "bernoulli"
    use = {}
    if first_here(card) is not None:
        use = cache.derived(name, "units.use", lambda: _use(name, card["dataset"]))
    rows = []
    for one in _units(name, card):
        row: dict[str, Any] = {
            "Unit": one.unit + 1,
            "Makes likelier": ", ".join(one.raised),
            "Makes rarer": ", ".join(one.lowered),
            "Rise (nats)": one.rise,
        }
        if one.unit in use:
            mean, group = use[one.unit]
            row |= {ON: 100 * mean} if bits else {MEAN: mean}
            row["Most in"] = group
        rows.append(row)
    st.dataframe(
        rows,
        hide_index=True,
        width="stretch",
        key="documents.units",
        column_config={
            "Rise (nats)": st.column_config.NumberColumn(format="%.1f"),
            ON: st.column_config.NumberColumn(format="%.0f"),
            MEAN: st.column_config.NumberColumn(format="%.2f"),
        },
    )
    step = "from off to on and the others stay off" if bits else "from −1 to +1, the others at zero"
    st.caption(
        "The words of the first layer's units; of linked or layered bits the share of documents is "
        "at mean field. Rise: by how much the log-shares of the words that "
        f"it makes likelier rise on average when the unit goes {step}."
    )


def _use(name: str, dataset: str) -> dict[int, tuple[float, str]]:
    """Of each unit the mean over the test documents, and the class in which it is highest."""
    from dashboard.logic.documents.units import favourite_classes
    from engine.decoding import encode

    model, data = cache.model(name), cache.dataset(dataset)
    codes = encode(model, data.test)[:, : model.layer_sizes[0]]
    classes = [""] * codes.shape[1]
    if data.labels is not None:
        best = favourite_classes(codes, data.labels["test"], len(data.class_names))
        classes = [data.class_names[index] for index in best]
    return dict(enumerate(zip(codes.mean(0).tolist(), classes, strict=True)))


def _dream(model: LatentVariableModel, words: Sequence[str]) -> None:
    """Codes drawn from the prior, each by the words that it makes likelier than usual."""
    from dashboard.logic.documents.reading import dreams
    from engine.random import make_generator

    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = choose_number(
            "Seed", 0, MOST_SEED, 0, name="dreams", key="documents.seed", width=140
        )
        draw_again("documents.seed", "documents.draw")
    found = dreams(model, DREAMS, DREAM_WORDS, make_generator(seed))
    st.markdown("\n".join(f"- `{' '.join(words[word] for word in row)}`" for row in found))
    st.caption(
        "Each line is a code z drawn from the prior, by the words that p(w | z) adds most of to "
        "their usual shares."
    )
