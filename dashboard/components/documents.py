"""One document to read: of the data, or a text that the visitor types."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.cards import Card
from dashboard.components.items import Item, choose_item
from dashboard.components.linked import choose_segment
from dashboard.components.pickers import first_here

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["INDEX", "Document", "choose_document"]

KEY = "documents"
INDEX = f"{KEY}.index"
"""Of the widget with the number of the document; see `choose_item`."""

SOURCES = {"data": "From the data", "own": "A text of your own"}
EXAMPLE = (
    "The launch of the shuttle was delayed again: a sensor in one of the fuel tanks gave a wrong "
    "reading. The orbit of the satellite that it carries allows another try on Thursday night. "
    "Does anyone know whether NASA will send the next mission to the moon or to a space station?"
)


@dataclass(frozen=True)
class Document:
    """A bag of words and where it comes from.

    Attributes:
        counts: float32 `(words,)`.
        told: what it is, for a caption.
        token: tells it from all others.
        item: of the data; None of a visitor's text.
    """

    counts: Tensor
    told: str
    token: str
    item: Item | None = None


def choose_document(card: Card, vocabulary: Sequence[str]) -> Document | None:
    """Widgets for a document of the data, or a field for a text.

    Args:
        card: of the checkpoint.
        vocabulary: the word of each count.

    Returns:
        None where there is nothing to read, after saying so on the page.
    """
    here = first_here(card) is not None
    source = choose_segment(
        "Document",
        SOURCES,
        name="source",
        key=f"{KEY}.source.{here}",
        default="data" if here else "own",
    )
    return _of_the_data(card) if source == "data" else _own(vocabulary)


def _of_the_data(card: Card) -> Document | None:
    item = choose_item(card, key=KEY)
    if item is None:
        return None
    images = item.images
    group = ""
    if images.labels is not None:
        group = f"From `{images.class_names[int(images.labels[item.number])]}`: "
    words, different = int(item.x.sum()), int((item.x > 0).sum())
    told = (
        f"{group}{words} words, {different} different ones of the {len(item.x)} that are counted."
    )
    return Document(item.x, told, item.name, item)


def _own(vocabulary: Sequence[str]) -> Document | None:
    from dashboard.logic.documents.counting import MOST_LETTERS, count_words

    text = st.text_area(
        "Your text",
        EXAMPLE,
        max_chars=MOST_LETTERS,
        height=140,
        key=f"{KEY}.text",
        help="English, as in a news group of 1993. It stays in this session, not in the link.",
    )
    found = count_words(text, vocabulary)
    words = int(found.counts.sum())
    if words == 0:
        st.info(
            "None of these words is among those that the model counts: write some more.",
            icon=":material/edit_note:",
        )
        return None
    told = (
        f"{words} of its {words + found.unknown} words are among the {len(vocabulary)} that are "
        "counted; the model sees nothing of the others."
    )
    token = hashlib.sha256(found.counts.numpy().tobytes()).hexdigest()[:16]
    return Document(found.counts, told, token)
