"""Sliders for the latents of a Gaussian layer, the image they make, and the way of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import cache, cards
from dashboard.cards import Card
from dashboard.components.codes import Codes, as_tensor, latent_name, show_code
from dashboard.components.image_grid import show_images
from dashboard.components.imputing import wants_bits
from dashboard.components.pickers import suitable

__all__ = ["REACH", "Dials", "axis_dials", "latent_dials", "show_sliders"]

REACH = 3.0  # the sliders' ends, in standard deviations of the prior
STEPS = 13  # images along a slider's way in the overview beside it
MOST_OFFERED = 10  # latents that all have a slider; of more, the visitor picks
FIRST_SLIDERS, MOST_SLIDERS = 8, 16
IN_ONE_COLUMN = 5
AXES_CODES = 2000  # images whose codes give the principal axes


@dataclass(frozen=True)
class Dials:
    """What the sliders of a layer turn.

    Attributes:
        titles: of each.
        ways: the change of the whole code for one step of a slider, `(dials, latent)`.
        order: in which they are offered.
        relative: whether a slider is added to the code it starts from (then it starts at zero)
            or says the value of its latent.
    """

    titles: list[str]
    ways: Codes
    order: list[int]
    relative: bool


def latent_dials(name: str, card: Card, layer: int) -> Dials:
    """A dial for each latent of a layer, those first that change the image most."""
    from dashboard.decoding import layer_slice

    where = layer_slice(cards.layer_sizes(card), layer)
    ways = np.eye(cards.latent_dim(card), dtype=np.float32)[where]
    order = np.arange(len(ways))
    if len(ways) > 2:  # two keep their order: they are the axes of the map
        order = np.argsort(-cache.latent_effects(name, layer), kind="stable")
    return Dials([latent_name(i) for i in range(len(ways))], ways, order.tolist(), relative=False)


def axis_dials(name: str, card: Card, layer: int) -> Dials | None:
    """A dial for each principal axis of real images' codes, in standard deviations along it.

    None where no images are here.
    """
    from dashboard.decoding import layer_slice
    from dashboard.embedding import principal_axes

    here = [data for data in suitable(card) if cache.dataset_is_here(data)]
    if not here:
        return None
    _, codes = cache.codes(name, here[0], "test", AXES_CODES, bits=wants_bits(card))
    where = layer_slice(cards.layer_sizes(card), layer)
    axes, deviations = principal_axes(codes[:, where])
    ways = np.zeros((len(axes), codes.shape[1]), dtype=np.float32)
    ways[:, where] = axes * deviations[:, None]
    shares = np.square(deviations) / max(float(np.square(deviations).sum()), 1e-12)
    titles = [f"axis {i + 1} ({share:.0%})" for i, share in enumerate(shares)]
    return Dials(titles, ways, list(range(len(ways))), relative=True)


def show_sliders(name: str, card: Card, layer: int, code: Codes, dials: Dials, key: str) -> None:
    """The image on the left, the sliders that make it in the middle, the way of each on the right.

    Args:
        name: of the checkpoint.
        card: its card.
        layer: whose latents are turned.
        code: to start from, `(latent,)`.
        dials: of the layer.
        key: of the widgets: another one for another start, so that they begin anew.
    """
    # The image comes first: on a phone the columns stand one above the other.
    left, middle, right = st.columns([3, 4, 5], gap="medium")
    with middle:
        chosen = _choose(dials, key)
        turned = code.copy()
        in_column = len(chosen) if len(chosen) <= IN_ONE_COLUMN else -(-len(chosen) // 2)
        columns = st.columns(2) if in_column < len(chosen) else [st.container()]
        for rank, index in enumerate(chosen):
            way = dials.ways[index]
            begin = 0.0 if dials.relative else float(code @ way)
            with columns[rank // in_column]:
                value = _slider(dials.titles[index], begin, f"{key}.{index}")
            turned += np.float32(value - begin) * way
        if not dials.relative and 2 < len(dials.order) <= MOST_OFFERED:
            st.caption("Sorted by how much they change the image.")
    with left:
        show_code(name, card, layer, turned)
    if chosen:
        with right:
            _show_ways(name, card, layer, turned, dials.ways[chosen], dials.relative)


def _choose(dials: Dials, key: str) -> list[int]:
    """Which dials have a slider: all of a few, a choice of many."""
    if len(dials.order) <= MOST_OFFERED:
        return dials.order
    chosen: list[int] = st.multiselect(
        "Axes" if dials.relative else "Latents, by how much they change the image",
        dials.order,
        default=dials.order[:FIRST_SLIDERS],
        format_func=dials.titles.__getitem__,
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


def _show_ways(
    name: str, card: Card, layer: int, code: Codes, ways: NDArray[np.float32], relative: bool
) -> None:
    """A row of images for each slider: from its left end to its right end."""
    from dashboard.decoding import decode, travel

    offsets = as_tensor(np.linspace(-REACH, REACH, STEPS))
    codes = travel(as_tensor(code), as_tensor(ways), offsets, relative=relative)
    span = (
        f"from {REACH:g} standard deviations less to {REACH:g} more than now"
        if relative
        else f"from −{REACH:g} to {REACH:g}"
    )
    columns = ", the left column first" if len(ways) > IN_ONE_COLUMN else ""
    show_images(
        decode(cache.model(name), codes, layer=layer),
        cards.image_shape(card),
        columns=STEPS,
        scale=1,
        gap=2,
        stretch=True,
        alt="The way of each slider",
        caption=f"A row for each slider, in their order{columns}: {span}, the others as they are.",
    )
