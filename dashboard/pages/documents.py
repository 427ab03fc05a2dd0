"""Documents as their words: what a model reads in one, and what it expects to stand there."""

from __future__ import annotations

import streamlit as st

from dashboard import cache, capabilities, cards, permalinks
from dashboard.components.document_neighbours import show_neighbourhood
from dashboard.components.document_reading import show_reading
from dashboard.components.documents import Document, choose_document
from dashboard.components.pickers import checkpoint_picker
from dashboard.components.topic_units import show_dreams, show_units

__all__ = ["render"]

SHOWN = "documents.shown"  # in the session: what the page showed last


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
            st.fragment(show_reading)(name, card, document)
            if document.item is not None:
                show_neighbourhood(name, document.item, words)
        show_units(name, card)
        st.header("Documents that it dreams")
        st.fragment(show_dreams)(model, words)
    except EngineError as error:
        st.error(str(error))


def _begin_anew(name: str, document: Document) -> None:
    """What was hidden or flipped belongs to one document and one model; a text is in no link."""
    shown = f"{name} {document.token}"
    if document.item is None or st.session_state.get(SHOWN, shown) != shown:
        permalinks.write(hidden=None, flipped=None)
    st.session_state[SHOWN] = shown
