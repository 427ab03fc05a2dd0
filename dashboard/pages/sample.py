"""Turn the hidden causes and see the image follow; draw from the prior, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import cache, cards, state
from dashboard.cards import Card
from dashboard.components.image_grid import image_grid, png, show_images
from dashboard.components.imputing import wants_bits
from dashboard.components.layer_state import bars_picture, bits_picture
from dashboard.components.pickers import checkpoint_picker, data_picker, suitable

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["render"]

REACH = 3.0  # the sliders' ends, in standard deviations of the prior
STEPS = 13  # images along a slider's way in the overview beside it
FIRST_SLIDERS, MOST_SLIDERS = 8, 16
IN_ONE_COLUMN = 5
FIRST_SWITCHES = 24
LAYER_DRAWS = 12  # fresh draws below the locked layers
PRIOR_ROWS, PRIOR_PIXELS = 6, 560  # rows of 560 pixels: 20 digits or 28 faces

STARTS = {"zero": "Zero", "prior": "Prior draw", "image": "Test image"}
LATENTS, AXES = "latents", "axes"

Codes = NDArray[np.float32]


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
        _turn_section(name, card)
        if card["model"] != "vae":
            st.subheader("Layer by layer")
            st.fragment(_layers)(name, card)
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


def _choice(label: str, titles: Mapping[Any, str], key: str, help_text: str | None = None) -> Any:
    return st.segmented_control(
        label,
        list(titles),
        format_func=titles.__getitem__,
        default=next(iter(titles)),
        required=True,
        key=key,
        help=help_text,
    )


# --- Sliders ---------------------------------------------------------------------------------


def _turn_section(name: str, card: Card) -> None:
    """Where to start and what to turn; then the sliders with their image in a fragment."""
    bits = cards.latent_kind(card) == "bernoulli"
    st.subheader("Switch the bits" if bits else "Turn the latents")
    here = any(cache.dataset_is_here(data) for data in suitable(card))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        sizes = cards.layer_sizes(card)
        layer = 0
        if len(sizes) > 1:
            layer = _choice(
                "Layer",
                {i: f"{i + 1} · {sizes[i]} latents" for i in reversed(range(len(sizes)))},
                f"sample.layer.{name}",
                "Layer 1 is next to the image, the last one is the deepest. The other layers stay "
                "as the start has them"
                + (", and those below are drawn, their images averaged." if bits else "."),
            )
        start = _choice(
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
            directions = _choice(
                "Sliders",
                {LATENTS: "Latents", AXES: "Principal axes"},
                "sample.directions",
                "Principal axes: the directions along which the codes of real images vary most, "
                "in standard deviations along each; in brackets their share of the variance.",
            )
        seed = 0
        if start == "prior":
            seed = int(
                st.number_input("Seed", min_value=0, max_value=2**31, key="sample.seed", width=140)
            )
    code, token = _start(name, card, start, seed)
    if code is None:
        return
    if bits:
        st.fragment(_switches)(name, card, layer, code, token)
    else:
        st.fragment(_sliders)(name, card, layer, code, token, directions)


def _start(name: str, card: Card, start: str, seed: int) -> tuple[Codes | None, str]:
    """The code to start from, `(latent,)`, and words that tell one start from another."""
    from dashboard.decoding import encode, prior_code

    if start == "zero":
        return np.zeros(cards.latent_dim(card), dtype=np.float32), "zero"
    if start == "prior":
        return prior_code(cache.model(name), seed).numpy(), f"prior {seed}"
    images = data_picker(card, key="sample.data")
    if images is None:
        return None, ""
    most = len(images.x) - 1
    if state.integer("sample.image") > most:  # another split or set has fewer
        st.session_state["sample.image"] = 0
    left, right = st.columns([1, 5], vertical_alignment="bottom")
    with left:
        number = int(st.number_input("Number", min_value=0, max_value=most, key="sample.image"))
    x = images.x[number : number + 1]
    with right:
        show_images(x, images.image_shape, scale=2, alt=f"Image {number}")
    if wants_bits(card):
        x = (x >= 0.5).to(x.dtype)
    code = encode(cache.model(name), x)[0]
    if cards.latent_kind(card) == "bernoulli":
        code = (code >= 0.5).to(code.dtype)
    return code.numpy(), f"{images.dataset} {images.split} {number}"


def _axes(name: str, card: Card, layer: int) -> tuple[Codes, NDArray[np.float64]] | None:
    """Principal axes of real images' codes, `(axes, latent)`, scaled to one standard deviation.

    Also their shares of the variance; None where no images are here.
    """
    from dashboard.decoding import layer_slice
    from dashboard.embedding import principal_axes

    here = [data for data in suitable(card) if cache.dataset_is_here(data)]
    if not here:
        return None
    _, codes = cache.codes(name, here[0], "test", 2000, bits=wants_bits(card))
    where = layer_slice(cards.layer_sizes(card), layer)
    axes, deviations = principal_axes(codes[:, where])
    whole = np.zeros((len(axes), codes.shape[1]), dtype=np.float32)
    whole[:, where] = axes * deviations[:, None]
    return whole, np.square(deviations) / max(float(np.square(deviations).sum()), 1e-12)


def _sliders(name: str, card: Card, layer: int, code: Codes, token: str, directions: str) -> None:
    """Sliders on the left, the image they make in the middle, the way of each on the right."""
    from dashboard.decoding import layer_slice

    where = layer_slice(cards.layer_sizes(card), layer)
    key = f"sample.z.{name}.{layer}.{directions}.{token}"
    ways = np.zeros((where.stop - where.start, len(code)), dtype=np.float32)
    if directions == AXES and (found := _axes(name, card, layer)) is not None:
        ways, shares = found
        order = np.arange(len(ways))
        titles = [f"axis {i + 1} ({share:.0%})" for i, share in enumerate(shares)]
    else:
        directions = LATENTS
        ways[:, where] = np.eye(len(ways), dtype=np.float32)
        order = np.arange(len(ways))
        if len(ways) > 2:  # two keep their order: they are the axes of the map
            order = np.argsort(-cache.latent_effects(name, layer), kind="stable")
        titles = [f"z{_subscript(i + 1)}" for i in range(len(ways))]
    left, middle, right = st.columns([4, 3, 5], gap="medium")
    with left:
        chosen = _chosen(order, titles, key)
        values = []
        half = len(chosen) if len(chosen) <= IN_ONE_COLUMN else -(-len(chosen) // 2)
        columns = st.columns(2) if half < len(chosen) else [st.container()]
        for rank, index in enumerate(chosen):
            begin = 0.0 if directions == AXES else float(code[where.start + index])
            with columns[rank // half]:
                values.append(_slider(titles[index], begin, f"{key}.{index}"))
        if directions == LATENTS and len(chosen) > 2:
            st.caption("Sorted by how much they change the image.")
    turned = code.copy()
    for index, value in zip(chosen, values, strict=True):
        if directions == AXES:
            turned += np.float32(value) * ways[index]
        else:
            turned[where.start + index] = value
    with middle:
        _show_code(name, card, layer, turned)
    if chosen:
        with right:
            _show_ways(name, card, layer, turned, ways[chosen], directions == AXES)


def _chosen(order: NDArray[np.int64], titles: list[str], key: str) -> list[int]:
    """Which latents have a slider: all of a few, a choice of many."""
    if len(order) <= 10:
        return [int(index) for index in order]
    chosen: list[int] = st.multiselect(
        "Latents, by how much they change the image",
        [int(index) for index in order],
        default=[int(index) for index in order[:FIRST_SLIDERS]],
        format_func=titles.__getitem__,
        max_selections=MOST_SLIDERS,
        key=f"{key}.chosen",
        placeholder="Choose one or more",
    )
    return chosen


def _slider(title: str, begin: float, key: str) -> float:
    """One slider; a start beyond the usual reach widens it."""
    reach = max(REACH, float(np.ceil(abs(begin))))
    value: float = st.slider(title, -reach, reach, round(begin, 2), step=0.05, key=key)
    return value


def _subscript(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _tensor(codes: NDArray[np.floating]) -> Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(codes, dtype=np.float32))


def _show_code(name: str, card: Card, layer: int, code: Codes) -> None:
    from dashboard.decoding import decode

    image = decode(cache.model(name), _tensor(code[None]), layer=layer)
    picture = image_grid(image, cards.image_shape(card), scale=10)
    st.image(png(picture), caption="E[x | z] at these values", width="content", alt="The image")


def _show_ways(name: str, card: Card, layer: int, code: Codes, ways: Codes, relative: bool) -> None:
    """A row of images for each slider: from its left end to its right end."""
    from dashboard.decoding import decode, travel

    offsets = _tensor(np.linspace(-REACH, REACH, STEPS))
    codes = travel(_tensor(code), _tensor(ways), offsets, relative=relative)
    images = decode(cache.model(name), codes, layer=layer)
    show_images(
        images,
        cards.image_shape(card),
        columns=STEPS,
        scale=1,
        gap=2,
        stretch=True,
        alt="The way of each slider",
        caption=(
            "A row for each slider, in their order: "
            + (
                f"from {REACH:g} standard deviations less to {REACH:g} more than now"
                if relative
                else f"from −{REACH:g} to {REACH:g}"
            )
            + ", the others as they are."
        ),
    )


def _switches(name: str, card: Card, layer: int, code: Codes, token: str) -> None:
    """The bits of a layer that change the image most, as switches."""
    from dashboard.decoding import layer_slice

    where = layer_slice(cards.layer_sizes(card), layer)
    order = np.argsort(-cache.latent_effects(name, layer), kind="stable")
    offered = [int(index) for index in order[:FIRST_SWITCHES]]
    left, middle, right = st.columns([5, 3, 3], gap="medium")
    with left:
        on = st.pills(
            f"Bits that are on, of the {len(offered)} that change the image most",
            offered,
            selection_mode="multi",
            default=[index for index in offered if code[where.start + index] > 0.5],
            format_func=lambda index: f"z{_subscript(index + 1)}",
            wrap=True,
            key=f"sample.bits.{name}.{layer}.{token}",
        )
    turned = code.copy()
    for index in offered:
        turned[where.start + index] = float(index in on)
    with middle:
        _show_code(name, card, layer, turned)
    with right:
        picture = bits_picture(turned[where])
        st.image(
            png(picture),
            caption=f"All {where.stop - where.start} bits of the layer, white is on",
            width="content",
            alt="The bits of the layer",
        )


# --- Layer by layer --------------------------------------------------------------------------


def _layers(name: str, card: Card) -> None:
    """The state of each layer, the deepest first, with its lock; then the image."""
    sizes = cards.layer_sizes(card)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = int(
            st.number_input(
                "Seed of the next draw",
                min_value=0,
                max_value=2**31,
                key="sample.layers.seed",
                width=180,
            )
        )
        st.button(
            "Draw again",
            icon=":material/casino:",
            key="sample.layers.draw",
            on_click=_count_up,
            args=("sample.layers.seed",),
            help="Draw the layers that are not locked, from the deepest down.",
        )
    keep = [
        bool(st.session_state.get(f"sample.lock.{name}.{layer}")) for layer in range(len(sizes))
    ]
    z = _layer_state(name, sizes, keep, seed)
    columns = st.columns([3] * len(sizes) + [3, 4], gap="small")
    for column, layer in zip(columns, reversed(range(len(sizes))), strict=False):
        with column, st.container(border=True, height="stretch"):
            _layer(name, card, layer, z)
    from dashboard.decoding import decode, resampled_images

    shape = cards.image_shape(card)
    model = cache.model(name)
    with columns[-2], st.container(border=True, height="stretch"):
        st.markdown("**Image**")
        image = decode(model, _tensor(z[None]))
        show_images(image, shape, scale=6, alt="The image of this draw", caption="E[x | z]")
    with columns[-1], st.container(border=True, height="stretch"):
        st.markdown(f"**{LAYER_DRAWS} more with the same locks**")
        others = resampled_images(model, _tensor(z), keep, LAYER_DRAWS, seed + 1)
        show_images(
            others,
            shape,
            columns=4,
            scale=2,
            stretch=True,
            alt="Images of fresh draws with the same layers locked",
            caption=_what_is_locked(keep),
        )


def _count_up(key: str) -> None:
    st.session_state[key] = state.integer(key) + 1


def _layer_state(name: str, sizes: tuple[int, ...], keep: list[bool], seed: int) -> Codes:
    """The visitor's code: drawn again, but for the locked layers, whenever the seed changes."""
    from dashboard.decoding import prior_code, redraw

    kept = st.session_state.get("sample.layers.state")
    if kept is None or kept["name"] != name or len(kept["z"]) != sum(sizes):
        kept = {"name": name, "seed": seed, "z": prior_code(cache.model(name), seed).numpy()}
    elif kept["seed"] != seed:
        z = redraw(cache.model(name), _tensor(kept["z"]), keep, seed)
        kept = {"name": name, "seed": seed, "z": z.numpy()}
    st.session_state["sample.layers.state"] = kept
    z_now: Codes = kept["z"]
    return z_now


def _layer(name: str, card: Card, layer: int, z: Codes) -> None:
    from dashboard.decoding import layer_slice

    sizes = cards.layer_sizes(card)
    values = z[layer_slice(sizes, layer)]
    bits = cards.latent_kind(card) == "bernoulli"
    deepest = ", the deepest" if layer == len(sizes) - 1 and len(sizes) > 1 else ""
    st.markdown(f"**Layer {layer + 1}**{deepest}")
    if bits:
        picture, caption = bits_picture(values), f"{int(values.sum())} of {len(values)} bits on"
    else:
        picture, caption = bars_picture(values, REACH), f"{len(values)} values, −3 to 3"
    st.image(png(picture), caption=caption, width="content", alt=f"State of layer {layer + 1}")
    st.toggle(
        "Locked",
        key=f"sample.lock.{name}.{layer}",
        help="A locked layer keeps its state when the others are drawn again.",
    )


def _what_is_locked(keep: list[bool]) -> str:
    locked = [str(layer + 1) for layer in reversed(range(len(keep))) if keep[layer]]
    if not locked:
        return "Nothing is locked: every one is a new draw of the prior."
    if len(locked) == len(keep):
        return "Everything is locked: the same image again."
    noun = "Layer" if len(locked) == 1 else "Layers"
    return f"{noun} {' and '.join(locked)} as shown, the rest drawn afresh."


# --- Prior -----------------------------------------------------------------------------------


def _prior(name: str, card: Card) -> None:
    from dashboard.decoding import prior_images

    shape = cards.image_shape(card)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = int(
            st.number_input(
                "Seed", min_value=0, max_value=2**31, key="sample.prior.seed", width=140
            )
        )
        st.button(
            "Draw again",
            icon=":material/casino:",
            key="sample.prior.draw",
            on_click=_count_up,
            args=("sample.prior.seed",),
        )
        kind = _choice(
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
