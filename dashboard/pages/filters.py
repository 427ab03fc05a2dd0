"""The weights of a model as pictures: what each unit draws, and what it looks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard import cache, capabilities, cards, permalinks
from dashboard.cards import Card
from dashboard.components.exports import Export, show_exports
from dashboard.components.image_grid import image_grid, png, rgba, to_pixels
from dashboard.components.linked import choose_one, choose_segment
from dashboard.components.pickers import checkpoint_picker
from dashboard.components.unit_details import show_unit
from dashboard.components.unit_wall import UNIT, choose_unit
from dashboard.scripts.filters import filters_script

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.filters import Bank
    from engine.models import GenerativeModel

__all__ = ["render"]

ON_A_WALL = 96
EXPORT_COLUMNS = 12
ORDERS = {"size": "Largest first", "number": "By number"}
SCALES = {"common": "All by one", "own": "Each by its own"}
SHOWN = "filters.shown"  # in the session: whose units the page showed last


def render() -> None:
    """Draw the page: what to look at, then the wall and the chosen unit in a fragment."""
    st.title("Filters")
    st.markdown(
        "The weights between the pixels and the units of a model are pictures themselves: what "
        "each unit draws when it is on, or the pattern that it looks for in an image. Choose a "
        "unit to see it large, with the images and the classes that it answers to most."
    )
    problems = st.container()
    row = st.container(horizontal=True, vertical_alignment="bottom")
    name = checkpoint_picker(
        capable=capabilities.draws_images, what="a checkpoint of images", row=row
    )
    if name is not None:
        from engine.errors import EngineError

        try:
            card, model = cache.card(name), cache.model(name)
            _page_of(name, card, model)
        except EngineError as error:
            st.error(str(error))
    with problems:
        permalinks.show_problems()


def _page_of(name: str, card: Card, model: GenerativeModel) -> None:
    from engine.filters import banks_of

    banks = banks_of(model)
    shown = st.session_state.get(SHOWN)  # of which model, which weights
    if shown and shown[0] != name and st.query_params.get("weights") not in banks:
        permalinks.write(weights=None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = choose_one(
            "Weights",
            {key: bank.title for key, bank in banks.items()},
            name="weights",
            key=f"filters.bank.{name}",
            width=280,
        )
        bank = banks[chosen]
        first = {"size": "Most frequent first"} if bank.shares is not None else {}
        order = choose_segment("Order", ORDERS | first, name="order", key="filters.order")
        scale = permalinks.read_choice("colours", list(SCALES), "common")
        if bank.signed:
            scale = choose_segment(
                "Colours",
                SCALES,
                name="colours",
                key="filters.scale",
                help="Scaled so that large weights of all units have the full colour, or the "
                "largest weight of each unit.",
            )
    if shown and shown != (name, chosen):
        permalinks.write(**{UNIT: None, "part": None})
    st.session_state[SHOWN] = name, chosen
    with st.spinner("Looking at the weights …"):
        weights = weights_of(name, chosen, bank)
    st.caption(bank.meaning + (_colours(card) if bank.signed else ""))
    st.fragment(_wall)(name, card, chosen, bank, weights, order, scale)


def weights_of(name: str, key: str, bank: Bank) -> NDArray[np.float32]:
    """The pictures of a bank, `(units, data)`, made once for all visitors."""
    import torch

    def make() -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = bank.make().float().contiguous().numpy()
        found.setflags(write=False)  # they may be the model's own numbers
        return found

    return cache.derived(name, ("filters", key), make)


def importance(weights: NDArray[np.float32], bank: Bank) -> NDArray[np.float64]:
    """What units are sorted by, `(units,)`: how often components are drawn, the size of weights."""
    import numpy as np

    if bank.shares is not None:
        return bank.shares().double().numpy()
    return np.square(weights, dtype=np.float64).sum(1)


def _colours(card: Card) -> str:
    if len(cards.picture_shape(card)) == 3:
        return " Each colour around middle grey: brighter is more, darker is less."
    return " Orange is more, blue is less; without colour is nothing."


def _wall(
    name: str,
    card: Card,
    key: str,
    bank: Bank,
    weights: NDArray[np.float32],
    order: str,
    scale: str,
) -> None:
    """The units beside each other, and the chosen one beside them."""
    from dashboard.logic.filters.picture import ordered, scales, signed_pixels

    shape = cards.picture_shape(card)
    units = ordered(importance(weights, bank), order)
    start = _choose_part(len(units), f"filters.part.{name}.{key}")
    units = units[start : start + ON_A_WALL]
    full = scales(weights, own=scale == "own")

    def pictures(of: NDArray[np.intp]) -> NDArray[np.uint8]:
        if bank.signed:
            return signed_pixels(weights[of], full[of], shape)
        return rgba(to_pixels(weights[of], shape))

    wall, details = st.columns([7, 4], gap="medium")
    with wall:
        unit = choose_unit(
            pictures(units),
            units.tolist(),
            count=len(weights),
            noun=bank.unit,
            told=[f"{bank.unit.capitalize()} {number + 1}" for number in units],
            key=f"filters.wall.{name}.{key}.{order}.{scale}.{start}",
        )
    with details:
        show_unit(name, card, key, bank, weights, unit, pictures)
    show_exports(
        [
            Export(
                "These units, PNG",
                "filters.png",
                "image/png",
                lambda: png(
                    image_grid(
                        pictures(units).reshape(len(units), -1),
                        (*shape[:2], 4),
                        columns=EXPORT_COLUMNS,
                        scale=2,
                    )
                ),
            )
        ],
        filters_script(name, key, units.tolist(), shape, columns=EXPORT_COLUMNS),
        key="filters",
    )


def _choose_part(total: int, key: str) -> int:
    """Where the wall begins in the order, where not all units are on one."""
    starts = range(0, total, ON_A_WALL)
    if len(starts) == 1:
        permalinks.read_choice("part", ["1"], "1")
        return 0
    chosen = choose_segment(
        f"Of {total}",
        {str(at + 1): f"{at + 1} to {min(at + ON_A_WALL, total)}" for at in starts},
        name="part",
        key=key,
    )
    return int(chosen) - 1
