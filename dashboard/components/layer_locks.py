"""A draw layer by layer: the state of each layer, a lock on each, and what the locks leave open."""

from __future__ import annotations

import streamlit as st

from dashboard import cache, cards
from dashboard.cards import Card
from dashboard.components.codes import Codes, as_tensor
from dashboard.components.image_grid import png, show_images
from dashboard.components.layer_state import bars_picture, bits_picture
from dashboard.components.seeds import choose_seed, draw_again
from dashboard.components.sliders import REACH

__all__ = ["show_layers"]

STATE, SEED = "sample.layers.state", "sample.layers.seed"  # in the session
FRESH_DRAWS = 12  # with the same locks


def show_layers(name: str, card: Card) -> None:
    """The state of each layer, the deepest first, with its lock; the image; more with the same."""
    sizes = cards.layer_sizes(card)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = choose_seed(SEED, label="Seed of the next draw", width=180)
        draw_again(
            SEED,
            "sample.layers.draw",
            help_text="Draw the layers that are not locked, from the deepest down.",
        )
    keep = [bool(st.session_state.get(_lock_key(name, layer))) for layer in range(len(sizes))]
    z = _state(name, sizes, keep, seed)
    columns = st.columns([3] * len(sizes) + [3, 4], gap="small")
    for column, layer in zip(columns, reversed(range(len(sizes))), strict=False):
        with column, st.container(border=True, height="stretch"):
            _layer(name, card, layer, z)
    with columns[-2], st.container(border=True, height="stretch"):
        _image(name, card, z)
    with columns[-1], st.container(border=True, height="stretch"):
        _fresh_draws(name, card, z, keep, seed)


def _lock_key(name: str, layer: int) -> str:
    return f"sample.lock.{name}.{layer}"


def _state(name: str, sizes: tuple[int, ...], keep: list[bool], seed: int) -> Codes:
    """The visitor's code: drawn again, but for the locked layers, whenever the seed changes."""
    from dashboard.decoding import prior_code, redraw

    kept = st.session_state.get(STATE)
    if kept is None or kept["name"] != name or len(kept["z"]) != sum(sizes):
        kept = {"name": name, "seed": seed, "z": prior_code(cache.model(name), seed).numpy()}
    elif kept["seed"] != seed:
        z = redraw(cache.model(name), as_tensor(kept["z"]), keep, seed)
        kept = {"name": name, "seed": seed, "z": z.numpy()}
    st.session_state[STATE] = kept
    z_now: Codes = kept["z"]
    return z_now


def _layer(name: str, card: Card, layer: int, z: Codes) -> None:
    from dashboard.decoding import layer_slice

    sizes = cards.layer_sizes(card)
    values = z[layer_slice(sizes, layer)]
    deepest = ", the deepest" if layer == len(sizes) - 1 and len(sizes) > 1 else ""
    st.markdown(f"**Layer {layer + 1}**{deepest}")
    if cards.latent_kind(card) == "bernoulli":
        picture, caption = (
            bits_picture(values),
            f"{int(values.sum())} of {len(values)} bits on (blue)",
        )
    else:
        picture, caption = bars_picture(values, REACH), f"{len(values)} values, −3 to 3"
    st.image(png(picture), caption=caption, width="content", alt=f"State of layer {layer + 1}")
    st.toggle(
        "Locked",
        key=_lock_key(name, layer),
        help="A locked layer keeps its state when the others are drawn again.",
    )


def _image(name: str, card: Card, z: Codes) -> None:
    from dashboard.decoding import decode

    st.markdown("**Image**")
    image = decode(cache.model(name), as_tensor(z[None]))
    show_images(
        image, cards.image_shape(card), scale=6, alt="The image of this draw", caption="E[x | z]"
    )


def _fresh_draws(name: str, card: Card, z: Codes, keep: list[bool], seed: int) -> None:
    from dashboard.decoding import resampled_images

    st.markdown(f"**{FRESH_DRAWS} more with the same locks**")
    show_images(
        resampled_images(cache.model(name), as_tensor(z), keep, FRESH_DRAWS, seed + 1),
        cards.image_shape(card),
        columns=4,
        scale=2,
        stretch=True,
        alt="Images of fresh draws with the same layers locked",
        caption=_what_is_locked(keep),
    )


def _what_is_locked(keep: list[bool]) -> str:
    locked = [str(layer + 1) for layer in reversed(range(len(keep))) if keep[layer]]
    if not locked:
        return "Nothing is locked: every one is a new draw of the prior."
    if len(locked) == len(keep):
        return "Everything is locked: the same image again."
    noun = "Layer" if len(locked) == 1 else "Layers"
    return f"{noun} {' and '.join(locked)} as shown, the rest drawn afresh."
