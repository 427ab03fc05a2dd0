"""What the units of a model of documents stand for, and documents that it dreams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import cache, cards
from dashboard.cards import Card
from dashboard.components.linked import choose_number
from dashboard.components.pickers import first_here
from dashboard.components.seeds import draw_again

if TYPE_CHECKING:
    from dashboard.logic.documents.units import UnitWords
    from engine.models import LatentVariableModel

__all__ = ["show_dreams", "show_units", "units_of"]

UNIT_WORDS = 5
DREAMS, DREAM_WORDS = 6, 12
MOST_SEED = 2**31
ON, MEAN = "On (% of test documents)", "Mean over test documents"


def units_of(name: str, card: Card) -> list[UnitWords]:
    """The units of the first layer by their words, found once for all visitors."""
    from dashboard.logic.documents.units import unit_words

    model, words = cache.model(name), cards.vocabulary(card)
    return cache.derived(
        name, ("units", UNIT_WORDS), lambda: unit_words(model, words, words=UNIT_WORDS)
    )


def show_units(name: str, card: Card) -> None:
    """Every unit of the first layer by its words."""
    st.header("All units")
    bits = cards.latent_kind(card) == "bernoulli"
    use = {}
    if first_here(card) is not None:
        use = cache.derived(name, "units.use", lambda: _use(name, card["dataset"]))
    rows = []
    for one in units_of(name, card):
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


def show_dreams(model: LatentVariableModel, words: Sequence[str]) -> None:
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
