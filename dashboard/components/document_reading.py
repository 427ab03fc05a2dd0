"""A document as its words beside what a model expects, with words to hide and units to flip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import cache, cards, permalinks, state
from dashboard.cards import Card
from dashboard.components import charts
from dashboard.components.documents import Document
from dashboard.components.exports import Export, show_exports
from dashboard.components.linked import press_many
from dashboard.components.topic_units import units_of
from dashboard.logic.documents.table import shares_csv
from dashboard.scripts.documents import reading_script

if TYPE_CHECKING:
    from torch import Tensor

    from dashboard.logic.documents.units import UnitWords

__all__ = ["show_reading"]

MOST_WORDS = 80  # of a document: buttons that can be looked over
EXPECTED = 16  # words in the picture
SHOWN_UNITS = 12  # those that matter most to a document
HALVES = "documents.halves"  # in the session: how often a half has been hidden


def show_reading(name: str, card: Card, document: Document) -> None:
    """The document's words on the left, what the model expects on the right, its units below."""
    from dashboard.logic.documents.counting import telling
    from dashboard.logic.documents.reading import expected_shares, flip, read_code, usual_shares

    model, words = cache.model(name), cards.vocabulary(card)
    usual = usual_shares(model)
    left, right = st.columns([5, 6], gap="medium")
    units = st.container()
    with left:
        st.header("Its words")
        hidden = _hide(document, words, telling(document.counts, usual, MOST_WORDS))
    seen = document.counts.clone()
    seen[hidden] = 0
    code = read_code(model, seen)
    with units:
        st.header("The units behind it")
        flipped = _flip(name, card, code, document)
    shares = expected_shares(model, flip(code, flipped))
    with right:
        st.header("What the model expects")
        _expected(document, seen, words, shares, usual)
    show_exports(
        [
            Export(
                "Words and shares, CSV",
                "words.csv",
                "text/csv",
                lambda: shares_csv(words, document.counts, seen, shares, usual).encode(),
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
    told = {one.unit: one for one in units_of(name, card)}
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
    document: Document, seen: Tensor, words: Sequence[str], shares: Tensor, usual: Tensor
) -> None:
    """Bars of the words, and how well the document's words are guessed, seen and hidden ones."""
    from dashboard.logic.documents.picture import expected_words, words_picture
    from dashboard.logic.documents.reading import perplexity

    parts = {"of the words it sees": seen, "of the hidden words": document.counts - seen}
    for column, (title, counts) in zip(st.columns(2), parts.items(), strict=True):
        own, common = perplexity(shares, counts), perplexity(usual, counts)
        with column:
            st.metric(
                f"Perplexity {title}",
                "–" if math.isnan(own) else f"{own:.0f}",
                help="As many equally likely words are left to guess from: lower is better. It is "
                "that of p(w | z) at the code shown here, without the price of the code, which the "
                "perplexity of a bound includes.",
            )
            st.caption("hide some" if math.isnan(own) else f"by usual shares alone {common:.0f}")
    places = expected_words(shares, usual, EXPECTED)
    charts.show(
        words_picture(places, words, shares, usual, document.counts, seen),
        key="documents.expected",
        alt="Words that the model expects more than usual, the first most: "
        + ", ".join(words[place] for place in places),
    )
