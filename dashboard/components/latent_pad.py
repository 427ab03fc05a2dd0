"""The latent pad: the map that the browser draws, and its view in the address."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import cache, cards, permalinks
from dashboard.components import charts
from dashboard.components.exports import show_exports
from dashboard.components.imputing import wants_bits
from dashboard.components.map_view import MapView
from dashboard.components.pad_exports import pad_code, pad_files
from dashboard.components.pickers import Images
from dashboard.frontend import register
from dashboard.logic.latent_space.latent_map import (
    LatentMap,
    axis_titles,
    details_message,
    lay_out,
    map_message,
)
from dashboard.logic.latent_space.pad_view import PadView, checked, link, names, read

__all__ = ["open_view", "settle", "show_pad"]

_PAD = register("latent_pad")
_DETAILS = register("latent_details")
_STATE = "latent.pad"

# From blue over magenta to orange: told apart with every kind of colour blindness, and each step
# legible on light and on dark.
ORDER_COLOURS = ["#3b7dd8", "#8a63c9", "#c7569b", "#e2664f", "#ee9b1f"]
UNUSED = 0.05  # standard deviations of the mean codes, below which a layer says nothing


def open_view(view: MapView) -> PadView:
    """The view that the pad opens with: the address's, unless it is what the pad itself wrote.

    It stays the same while the pad is on the page, so that what is sent to the browser does.
    """
    state: dict[str, Any] = st.session_state.setdefault(_STATE, {})
    there = _address()
    if state.get("key") != view.key and "key" in state and state["link"] == there:
        permalinks.write(**dict.fromkeys(names()))  # the address still has the other map's view
        there = _address()
    if state.get("key") != view.key or state["link"] != there:
        first = read(view.rules())
        # What is written is what was read: damaged parts are out, and the next run reads no more.
        state |= {"key": view.key, "first": first, "now": first, "seen": None}
    state["link"] = there
    found: PadView = state["first"]
    return found


def settle() -> None:
    """Remember the address as it is now; call it once all of it has been read and set right."""
    if _STATE in st.session_state:
        st.session_state[_STATE]["link"] = _address()


def _address() -> dict[str, str | None]:
    return {name: st.query_params.get(name) for name in names()}


def show_pad(view: MapView, first: PadView, tsne: NDArray[np.float64] | None) -> None:
    """The pad, and the thumbnails that follow it.

    Args:
        view: what is on the map.
        first: from `open_view`.
        tsne: the finished map for the projection "tsne".
    """
    found = cache.derived(
        view.checkpoint,
        ("latent map", *view.source, view.projection),
        lambda: lay_out(*view.codes(), cards.layer_sizes(view.card), view.layer, tsne),
    )
    st.fragment(_pad)(view, first, found)
    if view.images is not None:
        token = _token(view)
        images = view.images
        data = cache.derived(
            view.checkpoint,
            ("latent details", *view.source, view.projection),
            lambda: details_message(found, token, images.x.numpy(), bits=_are_bits(images)),
        )
        _DETAILS(key=f"{view.key}.details", data=data)


def _pad(view: MapView, first: PadView, found: LatentMap) -> None:
    """The fragment: it alone runs again when the view has come to rest."""
    opened = hashlib.sha256(repr(sorted(first.for_browser().items())).encode()).hexdigest()[:16]
    message = cache.derived(
        view.checkpoint,
        ("latent message", *view.source, view.projection, opened),
        lambda: _message(view, first, opened, found),
    )
    result = _PAD(key=view.key, data=message, default={"view": None}, on_view_change=lambda: None)
    state = st.session_state[_STATE]
    reported = result.view
    if reported is not None and reported != state["seen"] and state["key"] == view.key:
        state["seen"] = reported
        state["now"] = checked(reported, view.rules()) or state["now"]
        permalinks.write(**link(state["now"]))
        settle()
    now: PadView = state["now"]
    show_exports(pad_files(view, now, found), pad_code(view, now), key="latent")


def _token(view: MapView) -> str:
    whole = repr((view.checkpoint, view.source, view.projection))
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _are_bits(images: Images) -> bool:
    data = cache.dataset(images.dataset)
    return data.levels == 1 or (data.dynamic and images.split == "train")


def _message(view: MapView, first: PadView, opened: str, found: LatentMap) -> bytes:
    from dashboard.weights import model_arrays

    card, images = view.card, view.images
    sizes, rules = cards.layer_sizes(card), view.rules()
    several = len(sizes) > 1
    labels = None if images is None or images.labels is None else images.labels.numpy()
    header = {
        "token": _token(view),
        "view_token": opened,
        "view": first.for_browser(),
        "shape": list(cards.picture_shape(card)),
        "titles": axis_titles(found.plane, layer=view.layer if several else None, bits=rules.bits),
        "quantiles": rules.quantiles,
        "names": list(images.class_names) if images is not None and labels is not None else [],
        "colours": list(charts.CLASS_COLOURS),
        "ramp": ORDER_COLOURS,
        "total": rules.images,
        "details": images is not None,
        "binarise": wants_bits(card),
        "label": f"Map of {len(found.where)} images"
        + (f" of {images.title}" if images is not None else ""),
        "note": _note(view, found),
    }
    arrays = model_arrays(cache.model(view.checkpoint))
    return map_message(found, header, arrays, labels=labels, total=max(rules.images, 1))


def _note(view: MapView, found: LatentMap) -> str:
    """What is decoded at the crosshair, and whether it matters, where that is not plain."""
    sizes = cards.layer_sizes(view.card)
    parts = []
    spread = float(found.codes.std(0).max()) if len(found.codes) > 1 else 1.0
    if spread < UNUSED:
        parts.append(
            f"All codes of this layer are the same within {spread:.1g}: the model does not use it."
        )
        if len(sizes) > 1:
            parts.append("Choose another layer above.")
    if view.projection == "tsne":
        parts.append(
            "Places between the points of a t-SNE map have no codes: the nearest image's own code "
            "is decoded."
        )
    elif sizes[view.layer] > 2:
        parts.append(
            "The plane passes through the mean of all codes, where the other directions are held."
        )
    if cards.latent_kind(view.card) == "bernoulli":
        parts.append(
            "What is decoded are probabilities of bits, cut at 0 and 1, not bits"
            + (
                "; the layers below are drawn 12 times and their images averaged."
                if view.layer
                else "."
            )
        )
    elif len(sizes) > 1 and view.projection == "plane":
        parts.append("The noise of the other layers is held at its mean.")
    if cards.links_pixels(view.card):
        parts.append("Pixels are linked: each is shown given the means of those before it.")
    return " ".join(parts)
