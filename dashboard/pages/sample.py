"""Turn the hidden causes and see the image follow; draw from the prior, layer by layer."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import cache, cards
from dashboard.cards import Card
from dashboard.components.codes import Codes, image_code
from dashboard.components.image_grid import show_images
from dashboard.components.imputing import choice
from dashboard.components.layer_locks import show_layers
from dashboard.components.pickers import checkpoint_picker, suitable
from dashboard.components.seeds import choose_seed, draw_again
from dashboard.components.sliders import axis_dials, latent_dials, show_sliders
from dashboard.components.switches import show_switches

__all__ = ["render"]

PRIOR_ROWS, PRIOR_PIXELS = 6, 560  # rows of 560 pixels: 20 digits or 28 faces

STARTS = {"zero": "Zero", "prior": "Prior draw", "image": "Test image"}
LATENTS, AXES = "latents", "axes"


def render() -> None:
    """Draw the page: a fragment for the sliders, one for the layers, one for the prior's images."""
    st.title("Sample")
    st.markdown(
        "The generative model draws an image $p(x \\mid z)$ from hidden causes $z$: set them "
        "yourself, or let the prior draw them. Turn one latent at a time to find what it stands "
        "for; in a model of several layers, lock a layer and draw the ones below again to see "
        "what that layer has already decided."
    )
    name = checkpoint_picker(capable=_can_be_shown, what="a checkpoint of images")
    if name is None:
        return
    from engine.errors import EngineError

    try:
        card = cache.card(name)
        cache.model(name)
        _turn(name, card)
        if card["model"] != "vae":
            st.subheader("Layer by layer")
            st.fragment(show_layers)(name, card)
        st.subheader("Draws from the prior")
        st.fragment(_prior)(name, card)
    except EngineError as error:
        st.error(str(error))


def _can_be_shown(card: Card) -> bool:
    try:
        cards.image_shape(card)
    except ValueError:
        return False
    return True


def _turn(name: str, card: Card) -> None:
    """Where to start and what to turn; then the sliders with their image in a fragment."""
    bits = cards.latent_kind(card) == "bernoulli"
    sizes = cards.layer_sizes(card)
    here = any(cache.dataset_is_here(data) for data in suitable(card))
    st.subheader("Switch the bits" if bits else "Turn the latents")
    seed = 0
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layer = _choose_layer(name, card)
        start = choice(
            "Start from",
            {
                k: v
                for k, v in STARTS.items()
                if (k != "image" or here) and (k != "zero" or not bits)
            },
            f"sample.start.{here}.{bits}",
            "Test image: its code, the mean of q(z | x).",
        )
        directions = LATENTS
        if here and not bits and sizes[layer] > 1:
            directions = choice(
                "Sliders",
                {LATENTS: "Latents", AXES: "Principal axes"},
                "sample.directions",
                "Principal axes: the directions along which the codes of real images vary most, "
                "in standard deviations along each; in brackets their share of the variance.",
            )
        if start == "prior":
            seed = choose_seed("sample.seed")
    found = _start(name, card, start, seed)
    if found is None:
        return
    code, token = found
    if bits:
        key = f"sample.bits.{name}.{layer}.{token}"
        st.fragment(show_switches)(name, card, layer, code, key)
        return
    # What takes time is found here, once, and not in the fragment at each move of a slider.
    dials = axis_dials(name, card, layer) if directions == AXES else None
    if dials is None:
        dials = latent_dials(name, card, layer)
    key = f"sample.z.{name}.{layer}.{directions}.{token}"
    st.fragment(show_sliders)(name, card, layer, code, dials, key)


def _choose_layer(name: str, card: Card) -> int:
    sizes = cards.layer_sizes(card)
    if len(sizes) == 1:
        return 0
    drawn = ", and those below are drawn, their images averaged"
    layer: int = choice(
        "Layer",
        {i: f"{i + 1} · {sizes[i]} latents" for i in reversed(range(len(sizes)))},
        f"sample.layer.{name}",
        "Layer 1 is next to the image, the last one is the deepest. The other layers stay as the "
        f"start has them{drawn if cards.latent_kind(card) == 'bernoulli' else ''}.",
    )
    return layer


def _start(name: str, card: Card, start: str, seed: int) -> tuple[Codes, str] | None:
    """The code to start from, `(latent,)`, and words that tell one start from another."""
    from dashboard.decoding import prior_code

    if start == "zero":
        return np.zeros(cards.latent_dim(card), dtype=np.float32), "zero"
    if start == "prior":
        return prior_code(cache.model(name), seed).numpy(), f"prior {seed}"
    return image_code(name, card, key="sample")


def _prior(name: str, card: Card) -> None:
    from dashboard.decoding import prior_images

    shape = cards.image_shape(card)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = choose_seed("sample.prior.seed")
        draw_again("sample.prior.seed", "sample.prior.draw")
        kind = choice(
            "Show",
            {"means": "Means", "pixels": "Pixels"},
            "sample.prior.show",
            "Means: E[x | z] for z drawn from the prior. Pixels: x drawn from p(x | z) as well.",
        )
    columns = PRIOR_PIXELS // shape[1]
    images = prior_images(cache.model(name), PRIOR_ROWS * columns, seed, pixels=kind == "pixels")
    show_images(
        images,
        shape,
        columns=columns,
        scale=2,
        gap=4,
        stretch=True,
        alt=f"{len(images)} images drawn from the prior",
    )
