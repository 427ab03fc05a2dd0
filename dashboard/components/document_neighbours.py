"""Where a document lies among the others of its split: a map of the codes, and the nearest ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import cache
from dashboard.components import charts
from dashboard.components.documents import INDEX

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dashboard.components.items import Item
    from dashboard.components.pickers import Images

__all__ = ["show_neighbourhood"]

SIMILAR, SIMILAR_WORDS = 5, 10


def show_neighbourhood(name: str, item: Item, words: Sequence[str]) -> None:
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
