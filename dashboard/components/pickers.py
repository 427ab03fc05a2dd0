"""Selectors filled from the engine: checkpoints by what they can do, and images to work on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import cache, capabilities, cards, navigation, permalinks, state
from dashboard.cards import Card
from dashboard.components.linked import choose_one

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator
    from torch import Tensor

__all__ = [
    "FALLBACK",
    "Images",
    "checkpoint_picker",
    "data_picker",
    "first_here",
    "no_checkpoints",
    "suitable",
]

FALLBACK = "digits-mini"

_OWN = {"image": "pictures", "document": "texts"}
SPLIT_TITLES = {"test": "test", "valid": "validation", "train": "training"}


@dataclass(frozen=True)
class Images:
    """The images (or documents) a page works on, shared by all visitors: never change them.

    Attributes:
        dataset: key of `engine.DATASETS`.
        split: "train", "valid" or "test".
        x: float32 `(n, data)` in [0, 1], or counts of words.
        labels: int64 `(n,)`, or None where the classes are not known.
        class_names: name of each label.
        image_shape: `(height, width)`, or `(words,)`.
        is_fallback: whether these stand in for the checkpoint's own data, which are not here.
    """

    dataset: str
    split: str
    x: Tensor
    labels: Tensor | None
    class_names: tuple[str, ...]
    image_shape: tuple[int, ...]
    is_fallback: bool

    @property
    def title(self) -> str:
        """For captions: "MNIST, fixed binarisation, test split"."""
        return f"{cards.dataset_title(self.dataset)}, {SPLIT_TITLES[self.split]} split"


def no_checkpoints(what: str = "a checkpoint that this page can show") -> None:
    """Say what to do where nothing can be picked."""
    st.info(
        f"There is no {what.removeprefix('a ')} yet. Train one with "
        "`python -m engine train RECIPE --out pretrained` and reload this page.",
        icon=":material/model_training:",
    )


def checkpoint_picker(
    *,
    capable: Callable[[Card], bool] = lambda card: True,
    what: str = "a checkpoint that this page can show",
    label: str = "Checkpoint",
    key: str = state.CHECKPOINT,
    row: DeltaGenerator | None = None,
) -> str | None:
    """A selector of the checkpoints that can do what the page shows, with a line about the chosen.

    The choice is in the address (`?checkpoint=NAME`), so a link brings others to the same view, and
    it goes along to the other pages as long as they can show it. A name in the address that this
    page cannot show is told, with the pages that can, by `permalinks.show_problems`, which the page
    calls.

    Args:
        capable: which cards qualify, e.g. `lambda card: cards.latent_dim(card) == 2`.
        what: the same in words, for the message where none does.
        label: above the selector.
        key: leave it, unless a page needs a second selector.
        row: where the selector goes, if not here; the line about the chosen one stays here.

    Returns:
        The chosen name; None where no checkpoint qualifies, after saying so on the page.
    """
    everything = cache.cards()
    found = {name: card for name, card in everything.items() if capable(card)}
    # Those that serve others, and other seeds of the same, can be chosen but come last.
    names = cards.aids_last(found, everything)
    if not found:
        no_checkpoints(what)
        return None
    linked = st.query_params.get(key)
    if linked in everything and linked not in found:
        permalinks.pass_over(key, _elsewhere(linked, everything[linked], what))
    elif linked is not None and linked not in found:
        permalinks.refuse(key, "names no checkpoint that is here", None)
    # Names as they are: the address holds what the selector shows.
    place = st.container() if row is None else row
    chosen: str = place.selectbox(label, names, key=key, bind="query-params")
    card = found[chosen]
    st.caption(f"{cards.describe(card)}, {cards.dataset_title(card['dataset'])}")
    return chosen


def _elsewhere(name: str, card: Card, what: str) -> str:
    """Why a page shows another checkpoint than the one its address names, and what does show it."""
    shown = navigation.links_of(name, capabilities.pages_for(card))
    links = [f"[{one['title']}]({one['href']})" for one in shown]
    return (
        f"This page needs {what}, which `{name}` is not: another one is shown. What there is to "
        f"see of it is on {', '.join(links)}."
    )


def suitable(card: Card) -> list[str]:
    """The data sets whose items have the checkpoint's size, its own first; of documents its own."""
    from engine.datasets import DATASETS

    own = card["dataset"]
    if not cards.shows_pictures(card):
        return [own] if own in DATASETS and cards.is_documents(card) else []
    digits = ["mnist-static", "mnist", "mnist-dynamic", FALLBACK]
    stand_ins: dict[tuple[int, ...], list[str]] = {(28, 28): digits, (28, 20): ["frey"]}
    names = list(stand_ins.get(cards.picture_shape(card), []))
    if own in DATASETS and own not in names:
        names.append(own)
    return sorted(names, key=lambda name: name != own)


def first_here(card: Card) -> str | None:
    """The first of `suitable` that is on this machine; None where none is."""
    return next((data for data in suitable(card) if cache.dataset_is_here(data)), None)


def data_picker(
    card: Card, *, key: str, split: str = "test", row: DeltaGenerator | None = None
) -> Images | None:
    """A selector of the images on this machine that fit a checkpoint.

    The choice is in the address as `data` and `split`. Where the checkpoint's own data are not
    here, the embedded digits take their place and a note says so; for faces there is no stand-in.

    Args:
        card: of the chosen checkpoint.
        key: of the page, e.g. "latent.data"; two widgets are named after it.
        split: chosen at first.
        row: a horizontal container for the two selectors, beside others; a new one by default.

    Returns:
        The images, or None where none are here (the page then goes on with the model's own samples
        and uploads), after saying so on the page.
    """
    from engine.errors import EngineError

    own = card["dataset"]
    here = [name for name in suitable(card) if cache.dataset_is_here(name)]
    if own not in here:
        _say_missing(card, key, stand_in=FALLBACK in here)
    if not here:
        return None
    with st.container(horizontal=True, vertical_alignment="bottom") if row is None else row:
        name = choose_one(
            f"{cards.item(card).capitalize()}s",
            {name: cards.dataset_title(name) for name in here},
            name="data",
            key=f"{key}.dataset",
            width=220,
        )
        part = choose_one(
            "Split", SPLIT_TITLES, name="split", key=f"{key}.split", default=split, width=120
        )
    try:
        data = cache.dataset(name)
    except EngineError as error:
        st.error(str(error))
        return None
    return Images(
        dataset=name,
        split=part,
        x=getattr(data, part),
        labels=None if data.labels is None else data.labels[part],
        class_names=data.class_names,
        image_shape=data.image_shape,
        is_fallback=own not in here,
    )


def _say_missing(card: Card, key: str, *, stand_in: bool) -> None:
    from engine.datasets import DATASETS, fetch_dataset
    from engine.errors import EngineError

    name, items = card["dataset"], f"{cards.item(card)}s"
    instead = (
        "you see the 5000 embedded digits instead"
        if stand_in
        else f"you can use the model's own samples and {_OWN[cards.item(card)]} of your own"
    )
    where = f"The {items} this model was trained on ({cards.dataset_title(name)}) are not on this"
    if name not in DATASETS:  # somebody's own
        st.info(f"{where} machine: {instead}.", icon=":material/cloud_download:")
        return
    st.info(
        f"{where} machine: {instead}. Fetch them once with `python -m engine data fetch {name}`, "
        "or here.",
        icon=":material/cloud_download:",
    )
    # Only on this press: a page that draws itself never waits for the network.
    if st.button(f"Fetch the {items}", key=f"{key}.fetch"):
        try:
            with st.spinner("Fetching: a minute or two with a good connection …"):
                fetch_dataset(name)
        except EngineError as error:
            st.error(str(error))
        else:
            st.rerun()
