"""Columns of layers with locks: played, paused and stepped in the browser."""

from __future__ import annotations

import streamlit as st

from dashboard import cards, permalinks
from dashboard.cards import Card
from dashboard.components.exports import Export, show_exports
from dashboard.frontend import register
from dashboard.logic.sample.generators import browser_model, message
from dashboard.logic.sample.sample_views import (
    MOST_SEED,
    MOST_STEPS,
    SHOWN,
    Draws,
    locks_from_text,
    locks_to_text,
    read_draws,
)

__all__ = ["LINKED", "show_layers"]

LINKED = "sample.layers.linked"  # in the session: what the address asked of which model

_component = register("layers")


def show_layers(name: str, card: Card) -> None:
    """The state of each layer with its lock, the image, the last draws, and files of them."""
    layers = len(cards.layer_sizes(card))
    kept = st.session_state.get(LINKED)
    if kept is None or kept[0] != name:
        kept = (name, _read_address(layers) if kept is None else Draws())
        st.session_state[LINKED] = kept
    linked: Draws = kept[1]
    header = {"shape": list(cards.picture_shape(card)), "link": linked.header()}
    result = _component(
        key=f"sample.layers.{name}",
        data=message(name, header, {}),
        default={"view": None},
        on_view_change=lambda: None,
    )
    draws = read_draws(result.view, layers) or linked
    permalinks.write(
        layers_seed=draws.seed or None,
        step=draws.step or None,
        locks=locks_to_text(draws.locks) or None,
        show=draws.show if draws.show != SHOWN[0] else None,
    )
    _take_along(name, card, draws)


def _read_address(layers: int) -> Draws:
    seed = permalinks.read_integer("layers_seed", 0, 0, MOST_SEED)
    step = permalinks.read_integer("step", 0, 0, MOST_STEPS)
    show = permalinks.read_choice("show", SHOWN, SHOWN[0])
    text = st.query_params.get("locks")
    try:
        locks = () if text is None else locks_from_text(text, layers, step)
    except ValueError as error:
        locks = permalinks.refuse("locks", str(error), ())
    return Draws(seed, step, locks, show)


def _take_along(name: str, card: Card, draws: Draws) -> None:
    from dashboard.logic.sample import sample_files
    from dashboard.logic.sample.browser_draws import layer_image, layer_state
    from dashboard.scripts.sample import image_script

    shape = cards.picture_shape(card)
    model = browser_model(name)
    z = layer_state(model, draws.seed, draws.step, draws.locks)
    bits = cards.latent_kind(card) == "bernoulli"
    pixels = draws.show == "pixels"
    show_exports(
        [
            Export(
                "Image, PNG",
                "draw.png",
                "image/png",
                lambda: sample_files.image_png(
                    layer_image(model, z, draws.seed, draws.step, pixels=pixels), shape
                ),
            ),
            Export(
                f"Last {min(draws.step + 1, sample_files.FRAMES)} draws, GIF",
                "draws.gif",
                "image/gif",
                lambda: sample_files.draws_gif(model, draws, shape),
            ),
        ],
        image_script(
            name,
            z[None, : cards.layer_sizes(card)[0]] if bits else z[None],
            shape,
            what=f"Draw {draws.step} of the layers of {name}"
            + (" (the means of its pixels)" if pixels else ""),
            bits=bits,
        ),
        key="sample.layers",
    )
    st.caption(
        "The film is drawn again on the server, with the random numbers and the 16-bit weights of "
        "this page: the same states, with the locks as they were."
    )
