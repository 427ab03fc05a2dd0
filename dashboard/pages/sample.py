"""Turn the hidden causes and see the image follow; draw from the prior, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from dashboard import cache, capabilities, cards, permalinks
from dashboard.cards import Card
from dashboard.components import dials as turning
from dashboard.components import layer_player, sampler
from dashboard.components.codes import Codes, image_code
from dashboard.components.exports import Export, show_exports
from dashboard.components.image_grid import image_grid, png, show_images
from dashboard.components.linked import choose_number, choose_segment
from dashboard.components.pickers import checkpoint_picker, suitable
from dashboard.components.seeds import draw_again
from dashboard.scripts.sample import draws_script

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["render"]

PRIOR_ROWS, PRIOR_PIXELS = 6, 560  # rows of 560 pixels: 20 digits or 28 faces
MOST_SEED = 2**31

STARTS = {"zero": "Zero", "prior": "Prior draw", "image": "Test image"}
LATENTS, AXES = "latents", "axes"
SHOWN = "sample.shown"  # in the session: the checkpoint that the page showed last
GRID_SEED = "sample.grid.seed"
OF_ONE_MODEL = (  # in the address: what means something else for another checkpoint
    "layer", "data", "split", "image", "units", "z", "below",
    "layers_seed", "step", "locks", "show",
)  # fmt: skip


def render() -> None:
    """Draw the page: a fragment each for the sampler, the layers and the prior's images."""
    st.title("Sample")
    st.markdown(
        "The generative model draws an image $p(x \\mid z)$ from hidden causes $z$: here you set "
        "them yourself and see the image at once, with how much each is used beside it, or let "
        "the prior draw them. Turn one at a time to find what it stands for; in a model of "
        "several layers, lock a layer and press play to see what it has already decided."
    )
    problems = st.container()
    name = checkpoint_picker(capable=capabilities.draws_images, what="a checkpoint of images")
    if name is None:
        return
    from engine.errors import EngineError

    try:
        card = cache.card(name)
        cache.model(name)
        _begin_anew(name)
        if cards.runs_in_browser(card):
            _turn(name, card)
            if card["model"] != "vae":
                st.header("Layer by layer")
                st.fragment(layer_player.show_layers)(name, card)
            st.header("Draws from the prior")
            st.fragment(_prior)(name, card)
        else:
            st.info(_why_nothing_turns(card), icon=":material/casino:")
            st.header("Draws from the model")
            st.fragment(_draws)(name, card)
    except EngineError as error:
        st.error(str(error))
    with problems:
        permalinks.show_problems()


def _begin_anew(name: str) -> None:
    """A visit begins with what the address says; another checkpoint chosen here with nothing."""
    if GRID_SEED not in st.session_state:  # the page was not there a moment ago
        for key in (sampler.LINKED, layer_player.LINKED):
            st.session_state.pop(key, None)
    elif st.session_state.get(SHOWN) != name:
        permalinks.write(**dict.fromkeys(OF_ONE_MODEL))
    st.session_state[SHOWN] = name


def _turn(name: str, card: Card) -> None:
    """Where to start and what to turn; then the sampler in a fragment."""
    bits = cards.latent_kind(card) == "bernoulli"
    sizes = cards.layer_sizes(card)
    here = any(cache.dataset_is_here(data) for data in suitable(card))
    st.header("Switch the bits" if bits else "Turn the latents")
    seed = 0
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layer = _choose_layer(name, card)
        start = choose_segment(
            "Start from",
            {
                k: v
                for k, v in STARTS.items()
                if (k != "image" or here) and (k != "zero" or not bits)
            },
            name="start",
            key=f"sample.start.{here}.{bits}",
            help="Test image: its code, the mean of q(z | x), bits cut at one half.",
        )
        directions = LATENTS
        if here and not bits and sizes[layer] > 1:
            directions = choose_segment(
                "Sliders",
                {LATENTS: "Latents", AXES: "Principal axes"},
                name="directions",
                key="sample.directions",
                help="Principal axes: the directions along which the codes of real images vary "
                "most, in standard deviations along each.",
            )
        if start == "prior":
            seed = choose_number("Seed", 0, MOST_SEED, 0, name="seed", key="sample.seed", width=140)
    found = _start(name, card, start, seed)
    if found is None:
        return
    code, token = found
    # What takes time is found here, once, and not in the fragment at each report.
    dials = turning.axis_dials(name, card, layer) if directions == AXES else None
    if dials is None:
        dials = turning.unit_dials(name, card, layer)
    key = f"sample.turn.{name}.{layer}.{dials.kind}.{token}"
    st.fragment(sampler.show_sampler)(name, card, layer, code, dials, key)


def _choose_layer(name: str, card: Card) -> int:
    sizes = cards.layer_sizes(card)
    if len(sizes) == 1:
        permalinks.read_choice("layer", ["1"], "1")
        return 0
    drawn = ", and those below are drawn" if cards.latent_kind(card) == "bernoulli" else ""
    chosen = choose_segment(
        "Layer",
        {str(i + 1): f"{i + 1} · {sizes[i]} latents" for i in reversed(range(len(sizes)))},
        name="layer",
        key=f"sample.layer.{name}",
        help="Layer 1 is next to the image, the last one is the deepest. The other layers stay as "
        f"the start has them{drawn}.",
    )
    return int(chosen) - 1


def _start(name: str, card: Card, start: str, seed: int) -> tuple[Codes, str] | None:
    """The code to start from, `(latent,)`, and words that tell one start from another."""
    from engine.decoding import prior_code

    if start == "zero":
        return np.zeros(cards.latent_dim(card), dtype=np.float32), "zero"
    if start == "prior":
        return prior_code(cache.model(name), seed).numpy(), f"prior {seed}"
    return image_code(name, card, key="sample")


def _why_nothing_turns(card: Card) -> str:
    if cards.model_kind(card) == "energy":
        return (
            "The hidden units of this machine cannot be set here: they and the pixels are drawn in "
            "turns, by many Gibbs sweeps for each image."
        )
    if not cards.has_latents(card):
        return (
            "This model has no latents to set: it gives every image a probability, and draws the "
            "pixels from that, one after the other or all from one component."
        )
    return (
        "The causes of this model cannot be set here: they are drawn by a Boltzmann machine, which "
        "has to run for a while for each image."
    )


def _draws(name: str, card: Card) -> None:
    """Images of a model whose causes cannot be set here, or that has none."""
    shape = cards.picture_shape(card)
    kinds = {"pixels": "Pixels"}
    if cards.has_latents(card):
        kinds = {"means": "Means", "pixels": "Pixels"}
    seed, kind = _choose_draws(kinds)
    columns = max(1, PRIOR_PIXELS // shape[1])
    count, means = PRIOR_ROWS * columns, kind == "means"
    if len(shape) == 3 or not cards.has_latents(card):
        count //= 2  # they take longer to draw, or to look at

    def draw() -> Tensor:
        from dashboard.logic.sample.draws import drawn_images

        return drawn_images(cache.model(name), count, seed, means=means)

    with st.spinner("Drawing …"):
        images = cache.derived(name, ("draws", count, seed, kind), draw)
    _show_grid(images, shape, columns, f"{count} images that {name} draws")
    show_exports(
        [
            Export(
                "Images, PNG",
                "draws.png",
                "image/png",
                lambda: png(image_grid(images, shape, columns=columns)),
            )
        ],
        draws_script(name, shape, count=count, columns=columns, seed=seed, means=means),
        key="sample.draws",
    )


def _choose_draws(kinds: dict[str, str]) -> tuple[int, str]:
    """The seed, and whether to show means or drawn pixels."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = choose_number("Seed", 0, MOST_SEED, 0, name="grid_seed", key=GRID_SEED, width=140)
        draw_again(GRID_SEED, "sample.grid.draw")
        if len(kinds) == 1:
            return seed, next(iter(kinds))
        kind = choose_segment(
            "Show",
            kinds,
            name="grid",
            key="sample.grid.show",
            help="Means: E[x | z] for z drawn from the prior. Pixels: x drawn from p(x | z) too.",
        )
    return seed, kind


def _prior(name: str, card: Card) -> None:
    from engine.decoding import prior_images

    shape = cards.picture_shape(card)
    seed, kind = _choose_draws({"means": "Means", "pixels": "Pixels"})
    columns = PRIOR_PIXELS // shape[1]
    images = prior_images(cache.model(name), PRIOR_ROWS * columns, seed, pixels=kind == "pixels")
    _show_grid(images, shape, columns, f"{len(images)} images drawn from the prior")


def _show_grid(images: Tensor, shape: tuple[int, ...], columns: int, alt: str) -> None:
    """Draws side by side, as wide as the page."""
    show_images(images, shape, columns=columns, scale=2, gap=4, stretch=True, alt=alt)
