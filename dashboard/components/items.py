"""One item of the data: its number, or another one at random, of a class if one likes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import cache, cards, state
from dashboard.cards import Card, wants_bits
from dashboard.components.linked import choose_number
from dashboard.components.pickers import Images, data_picker

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["Item", "choose_item", "some_of"]

ANY_CLASS = "Any"


@dataclass(frozen=True)
class Item:
    """An image (or document) of the data as the model takes it.

    Attributes:
        images: where it comes from.
        number: position in the split.
        x: float32 `(data,)` in [0, 1], bits for a model that knows bits; or counts of words.
    """

    images: Images
    number: int
    x: Tensor

    @property
    def name(self) -> str:
        """Tells this image from all others: "mnist-static test 7"."""
        return f"{self.images.dataset} {self.images.split} {self.number}"


def choose_item(card: Card, *, key: str) -> Item | None:
    """Widgets for data set, split, number and class; in the address `data`, `split` and `image`.

    Args:
        card: of the checkpoint.
        key: of the page, e.g. "recognition".

    Returns:
        None where no images are here, after saying so on the page.
    """
    row = st.container(horizontal=True, vertical_alignment="bottom")
    images = data_picker(card, key=f"{key}.data", row=row)
    if images is None:
        return None
    index, picks, wanted = f"{key}.index", f"{key}.picks", f"{key}.class"
    count, labels = len(images.x), images.labels
    if state.integer(index) >= count:  # another split or set has fewer
        st.session_state[index] = 0

    def another() -> None:
        import torch

        from engine.random import make_generator

        among: Sequence[int] = range(count)
        name = st.session_state.get(wanted, ANY_CLASS)
        if labels is not None and name in images.class_names:
            of_class = labels == images.class_names.index(name)
            among = of_class.nonzero().flatten().tolist() or among
        st.session_state[picks] = state.integer(picks) + 1
        generator = make_generator(st.session_state[picks])
        st.session_state[index] = among[int(torch.randint(len(among), (), generator=generator))]

    with row:
        number = choose_number(
            "Number",
            0,
            count - 1,
            0,
            name="image",
            key=index,
            width=124,
            help=f"Position in the split, from 0 to {count - 1}.",
        )
        if labels is not None:
            st.selectbox(
                "Class",
                [ANY_CLASS, *images.class_names],
                key=wanted,
                width=_width(images.class_names),
                on_change=another,
                help=f"Draws {cards.an_item(card)} of this class.",
            )
        st.button(
            "Another",
            key=f"{key}.another",
            on_click=another,
            help=f"Draw {cards.an_item(card)} of the split (and class) at random.",
        )
    return Item(images, number, _as_taken(card, images.x[number]))


def some_of(card: Card, dataset: str, count: int) -> tuple[NDArray[np.int64], Tensor]:
    """At most `count` test images as the model takes them, always the same ones.

    Args:
        card: of the checkpoint.
        dataset: that is on this machine.
        count: of images.

    Returns:
        Their positions in the split, `(n,)`, and x, `(n, data)`.

    Raises:
        engine.DatasetError: the data are not here after all.
    """
    from dashboard.embedding import subset

    images = cache.dataset(dataset).test
    rows = subset(len(images), count)
    return rows, _as_taken(card, images[rows])


def _as_taken(card: Card, x: Tensor) -> Tensor:
    """Stand-ins and other protocols come in grey: a model that knows bits gets them cut."""
    return (x >= 0.5).to(x.dtype) if wants_bits(card) else x


def _width(names: Sequence[str]) -> int:
    """Of a selector whose longest name has to fit."""
    longest = max(map(len, names))
    return 84 if longest <= 3 else 140 if longest <= 12 else 250
