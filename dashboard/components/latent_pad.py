"""The latent pad: the map that the browser draws, its view in the address, and its exports."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import cache, cards, permalinks
from dashboard.cards import Card
from dashboard.components import charts
from dashboard.components.codes import as_tensor
from dashboard.components.exports import Export, show_exports
from dashboard.components.image_grid import to_pixels
from dashboard.components.imputing import wants_bits
from dashboard.components.pickers import Images
from dashboard.embedding import to_quantiles
from dashboard.films import gif
from dashboard.frontend import register
from dashboard.interpolation import journey
from dashboard.latent_map import LatentMap, axis_titles, details_message, lay_out, map_message
from dashboard.pad_view import PadRules, PadView, checked, link, names, read
from dashboard.scripts.latent_space import plane_script, ways_script

__all__ = ["MapView", "open_view", "settle", "show_pad", "way_film"]

_PAD = register("latent_pad")
_DETAILS = register("latent_details")
_STATE = "latent.pad"

# From blue over magenta to orange: told apart with every kind of colour blindness, and each step
# legible on light and on dark.
ORDER_COLOURS = ["#3b7dd8", "#8a63c9", "#c7569b", "#e2664f", "#ee9b1f"]
FILM_FRAMES = 25
UNUSED = 0.05  # standard deviations of the mean codes, below which a layer says nothing


@dataclass(frozen=True)
class MapView:
    """Everything that decides which points are on the map.

    Attributes:
        checkpoint: name of the checkpoint.
        card: its card.
        images: the split that is embedded; None where no images are here.
        count: images on the map, at most.
        layer: of latents, 0 next to the image.
        projection: "plane" or "tsne".
    """

    checkpoint: str
    card: Card
    images: Images | None
    count: int
    layer: int
    projection: str

    @property
    def source(self) -> tuple[str, str, int, int]:
        """What the points are of."""
        if self.images is None:
            return "", "", 0, self.layer
        return self.images.dataset, self.images.split, self.count, self.layer

    @property
    def key(self) -> str:
        """Of the component: a view goes on as long as this stays, pins and all."""
        data, split, _, layer = self.source
        return f"latent.pad.{self.checkpoint}.{data}.{split}.{layer}.{self.projection}"

    def codes(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Positions of the images in the split, and the recognition means of all layers."""
        if self.images is None:
            empty = np.zeros((0, cards.latent_dim(self.card)), dtype=np.float32)
            return np.zeros(0, dtype=np.int64), empty
        return cache.codes(
            self.checkpoint,
            self.images.dataset,
            self.images.split,
            self.count,
            bits=wants_bits(self.card),
        )

    def layer_codes(self) -> NDArray[np.float32]:
        """The recognition means of the layer on the map, `(n, latents of the layer)`."""
        from dashboard.decoding import layer_slice

        return self.codes()[1][:, layer_slice(cards.layer_sizes(self.card), self.layer)]

    def rules(self) -> PadRules:
        """What its pad can show."""
        size = cards.layer_sizes(self.card)[self.layer]
        bits = cards.latent_kind(self.card) == "bernoulli"
        plane = self.projection == "plane"
        known = self.images is not None and self.images.labels is not None
        return PadRules(
            latents=cards.latent_dim(self.card),
            bits=bits,
            axes=min(size, 5) if plane else 2,
            quantiles=plane and size == 2 and not bits,
            classes=len(self.images.class_names) if self.images is not None and known else 0,
            images=0 if self.images is None else len(self.images.x),
            has_plane=plane,
        )


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
    show_exports(_files(view, now, found), _code(view, now), key="latent")


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
        "shape": list(cards.image_shape(card)),
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
    return " ".join(parts)


def _files(view: MapView, now: PadView, found: LatentMap) -> list[Export]:
    files = [Export("Points, CSV", "points.csv", "text/csv", lambda: _table(view, now, found))]
    if len(now.pins) > 1:
        files += [
            Export(
                f"{way.capitalize()} way, GIF",
                f"{way}.gif",
                "image/gif",
                lambda way=way: way_film(view, now, way),  # type: ignore[misc]
            )
            for way in ("linear", "spherical")
        ]
    return files


def _table(view: MapView, now: PadView, found: LatentMap) -> bytes:
    """A line for each point: its position in the split, its class, where it is on the map."""
    across, up = now.axes
    where = found.where[:, [across, up]]
    if now.scale == "quantiles":
        where = to_quantiles(where)
    images = view.images
    known = images is not None and images.labels is not None
    labels = images.labels.numpy() if images is not None and images.labels is not None else None
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["image", *(["class"] if known else []), "x", "y"])
    for row in np.argsort(found.positions, kind="stable"):
        position = int(found.positions[row])
        kind = []
        if labels is not None and images is not None:
            kind = [images.class_names[int(labels[position])]]
        writer.writerow([position, *kind, *(f"{value:.6g}" for value in where[row])])
    return out.getvalue().encode()


def way_film(view: MapView, now: PadView, way: str) -> bytes:
    """The way between two pins and back, as a GIF."""
    from dashboard.decoding import decode

    a, b = (now.pins[index].z for index in now.between)
    bits = cards.latent_kind(view.card) == "bernoulli"
    z = journey(a, b, FILM_FRAMES, way, cards.layer_sizes(view.card), bits=bits)
    images = decode(cache.model(view.checkpoint), as_tensor(z), layer=view.layer)
    frames = to_pixels(images, cards.image_shape(view.card))
    return gif(np.concatenate([frames, frames[-2:0:-1]]), milliseconds=80, scale=8)


def _code(view: MapView, now: PadView) -> str:
    """The script for the pins, or without any for the manifold over the window."""
    sizes = cards.layer_sizes(view.card)
    bits = cards.latent_kind(view.card) == "bernoulli"
    shape = cards.image_shape(view.card)
    if now.pins:
        return ways_script(
            view.checkpoint,
            np.stack([pin.z for pin in now.pins]),
            now.between if len(now.pins) > 1 else None,
            sizes,
            view.layer,
            shape,
            bits=bits,
        )
    data, split, count, layer = view.source
    return plane_script(
        view.checkpoint,
        (data, split, count, wants_bits(view.card)),
        sizes,
        layer,
        now.axes if view.projection == "plane" else (0, 1),
        now.window if view.projection == "plane" else None,
        shape,
        bits=bits,
        quantiles=now.scale == "quantiles",
    )
