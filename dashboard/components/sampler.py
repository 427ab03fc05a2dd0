"""The sampler: dials or switches for a layer's units, decoded in the browser as they move."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import cache, cards, permalinks
from dashboard.blobs import pack
from dashboard.cards import Card
from dashboard.components.codes import Codes, as_tensor, latent_name
from dashboard.components.exports import Export, show_exports
from dashboard.components.imputing import wants_bits
from dashboard.components.pickers import suitable
from dashboard.frontend import register
from dashboard.sample_views import BELOW, FARTHEST, Turned, read_turned

if TYPE_CHECKING:
    from engine.models import LatentVariableModel

__all__ = ["Dials", "axis_dials", "browser_model", "message", "show_sampler", "unit_dials"]

LINKED = "sample.linked"  # in the session: what the address asked of which dials
IMAGES = 2000  # whose codes give the principal axes and the KL

_component = register("sampler")


@dataclass(frozen=True)
class Dials:
    """What is turned: the units of a layer, or the principal axes of its codes.

    Attributes:
        kind: "latents", "bits" or "axes".
        titles: of each.
        effects: on the image, of each, see `decoding.effects`.
        kl: of each unit in nats, None where no images are here, and for axes.
        ways: of axes, the change of the layer for a step of one, `(axes, layer)`.
        notes: of axes, their share of the variance.
        measured: how the KL was.
    """

    kind: str
    titles: list[str]
    effects: NDArray[np.float32]
    kl: NDArray[np.float32] | None = None
    ways: NDArray[np.float32] | None = None
    notes: list[str] | None = None
    measured: str = ""


def unit_dials(name: str, card: Card, layer: int) -> Dials:
    """A dial or a switch for each unit of a layer."""
    from dashboard.decoding import layer_slice

    where = layer_slice(cards.layer_sizes(card), layer)
    bits = cards.latent_kind(card) == "bernoulli"
    kl, measured = None, ""
    here = _data_here(card)
    if here is not None:
        kl = _unit_kl(name, card, here)[where]
        field = ", at mean field given the layer above" if bits else ""
        measured = f"KL averaged over {IMAGES} test images ({cards.dataset_title(here)}){field}."
    return Dials(
        "bits" if bits else "latents",
        [latent_name(index) for index in range(where.stop - where.start)],
        cache.latent_effects(name, layer),
        kl,
        measured=measured,
    )


def axis_dials(name: str, card: Card, layer: int) -> Dials | None:
    """A dial for each principal axis of real images' codes, in standard deviations along it.

    None where no images are here.
    """
    here = _data_here(card)
    if here is None:
        return None

    def make() -> Dials:
        from dashboard.decoding import direction_effects, layer_slice
        from dashboard.embedding import principal_axes

        _, codes = cache.codes(name, here, "test", IMAGES, bits=wants_bits(card))
        where = layer_slice(cards.layer_sizes(card), layer)
        axes, deviations = principal_axes(codes[:, where])
        ways = (axes * deviations[:, None]).astype(np.float32)
        whole = np.zeros((len(axes), codes.shape[1]), dtype=np.float32)
        whole[:, where] = ways
        effects = direction_effects(cache.model(name), as_tensor(whole)).numpy()
        shares = np.square(deviations) / max(float(np.square(deviations).sum()), 1e-12)
        return Dials(
            "axes",
            [f"axis {index + 1}" for index in range(len(axes))],
            effects,
            ways=ways,
            notes=[f"{share:.1%}" for share in shares],
            measured=f"Axes of the codes of {IMAGES} test images ({cards.dataset_title(here)}).",
        )

    return cache.derived(name, ("axes", here, layer), make)


def _data_here(card: Card) -> str | None:
    return next((data for data in suitable(card) if cache.dataset_is_here(data)), None)


def _unit_kl(name: str, card: Card, data: str) -> NDArray[np.float32]:
    def make() -> NDArray[np.float32]:
        from dashboard.embedding import subset
        from dashboard.usage import unit_kl

        images = cache.dataset(data).test
        x = images[subset(len(images), IMAGES)]
        x = (x >= 0.5).to(x.dtype) if wants_bits(card) else x
        return unit_kl(cache.model(name), x).numpy()

    return cache.derived(name, ("unit kl", data), make)


def browser_model(name: str) -> LatentVariableModel:
    """The model with the weights that the browser has: for files that equal what it shows."""

    def make() -> LatentVariableModel:
        from dashboard.browser_draws import as_in_browser

        return as_in_browser(cache.model(name))

    return cache.derived(name, "browser model", make)


def message(name: str, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> bytes:
    """A message with the generative half of a model; "token" in its header tells it from others."""

    def make() -> tuple[dict[str, Any], dict[str, NDArray[Any]], str]:
        from dashboard.weights import model_arrays

        spec, weights = model_arrays(cache.model(name))
        inference = ("encoder", "heads", "factor_heads", "recognisers")
        spec = {key: value for key, value in spec.items() if key not in inference}
        weights = {
            key: value for key, value in weights.items() if key.split(".")[1:2] not in
            [[part] for part in inference]
        }  # fmt: skip
        digest = hashlib.sha256(b"".join(value.tobytes() for value in weights.values()))
        return spec, weights, digest.hexdigest()

    spec, weights, digest = cache.derived(name, "generator", make)
    words = json.dumps([name, digest, header]).encode()
    own = b"".join(value.tobytes() for value in arrays.values())
    token = hashlib.sha256(words + own).hexdigest()[:16]
    return pack({"model": spec, "token": token, **header}, {**weights, **arrays})


def show_sampler(name: str, card: Card, layer: int, start: Codes, dials: Dials, key: str) -> None:
    """The image, the dials that make it, and what can be taken along.

    Args:
        name: of the checkpoint.
        card: its card.
        layer: whose units are turned.
        start: the code to start from, `(latent,)`.
        dials: of the layer.
        key: of the component: another one for another start, so that it begins anew.
    """
    bits, size = dials.kind == "bits", len(dials.titles)
    kept = st.session_state.get(LINKED)
    if kept is None or kept[0] != key:
        # The address is read once; another start, layer or kind of dial begins with nothing turned.
        kept = (key, _read_address(size, bits=bits) if kept is None else Turned())
        st.session_state[LINKED] = kept
    linked: Turned = kept[1]
    header = {
        "kind": dials.kind,
        "layer": layer,
        "shape": list(cards.image_shape(card)),
        "titles": dials.titles,
        "notes": dials.notes,
        "link": linked.header(),
    }
    arrays: dict[str, NDArray[Any]] = {"start": start, "effects": dials.effects}
    if dials.kl is not None:
        arrays["kl"] = dials.kl
    if dials.ways is not None:
        arrays["ways"] = dials.ways
    result = _component(
        key=key,
        data=message(name, header, arrays),
        default={"view": None},
        on_view_change=lambda: None,
    )
    turned = read_turned(result.view, size, bits=bits) or linked
    permalinks.write(
        units=",".join(str(unit + 1) for unit in turned.units) or None,
        z=",".join(f"{value:.6g}" for value in turned.values) or None,
        below=turned.below if turned.below != BELOW[0] else None,
    )
    if dials.measured:
        st.caption(dials.measured)
    _take_along(name, card, layer, start, dials, turned)


def _read_address(size: int, *, bits: bool) -> Turned:
    """What the address says was turned; a broken part of it leaves all at the start."""
    below = permalinks.read_choice("below", BELOW, BELOW[0])
    units = permalinks.read_numbers("units", None, 1, size)
    values = permalinks.read_numbers("z", None, 0 if bits else -FARTHEST, 1 if bits else FARTHEST)
    if units is None and values is None:
        return Turned(below=below)
    if units is None or values is None or len(units) != len(values):
        return permalinks.refuse("z", "must have one number for each of `units`", Turned())
    # As decimals, as the browser had them: its arithmetic is in 64 bits.
    report = {
        "units": [int(unit) - 1 for unit in units],
        "values": [round(float(value), 2) for value in values],
        "below": below,
    }
    turned = read_turned(report, size, bits=bits)
    rule = "must be numbers of units, each once, in their order"
    return permalinks.refuse("units", rule, Turned()) if turned is None else turned


def code_of(start: Codes, where: slice, dials: Dials, values: dict[int, float]) -> Codes:
    """The code `(latent,)` with some dials turned, as CodeView.code of code_view.js."""
    z = start.copy()
    for unit, value in values.items():
        if dials.ways is None:
            z[where.start + unit] = value
        else:
            # in 64 bits and then rounded, as the browser adds
            z[where] = (z[where] + value * dials.ways[unit].astype(np.float64)).astype(np.float32)
    return z


def _take_along(
    name: str, card: Card, layer: int, start: Codes, dials: Dials, turned: Turned
) -> None:
    from dashboard import sample_files
    from dashboard.browser_draws import BELOW_DRAWS, drawn_below, view_image
    from dashboard.decoding import layer_slice
    from dashboard.scripts.sample import image_script

    sizes, shape = cards.layer_sizes(card), cards.image_shape(card)
    where = layer_slice(sizes, layer)
    values = dict(zip(turned.units, turned.values, strict=True))
    code = code_of(start, where, dials, values)
    draws = BELOW_DRAWS if turned.below == "average" else 1
    model = browser_model(name)
    moved = turned.last if turned.last >= 0 else int(np.argmax(dials.effects))

    def way() -> bytes:
        bits = dials.kind == "bits"
        stops = [0.0, 1.0] if bits else np.linspace(-3, 3, sample_files.WAY).tolist()
        # The dial moved last is put last, as the browser does for its strips.
        rest = {unit: value for unit, value in values.items() if unit != moved}
        codes = np.stack([code_of(start, where, dials, {**rest, moved: stop}) for stop in stops])
        return sample_files.traversal_gif(model, codes, layer, draws, shape)

    axes = dials.kind == "axes"
    # Of axes the CSV has the latents that they make: those have a KL and an effect of their own.
    units = unit_dials(name, card, layer) if axes else dials
    below = drawn_below(model, code, layer, draws)
    bits = dials.kind == "bits"
    what = f"A code of {name} turned on the Sample page"
    show_exports(
        [
            Export(
                "Image, PNG",
                "sample.png",
                "image/png",
                lambda: sample_files.image_png(view_image(model, code, layer, draws), shape),
            ),
            Export(f"Along {dials.titles[moved]}, GIF", "traversal.gif", "image/gif", way),
            Export(
                "Values, CSV",
                "latents.csv",
                "text/csv",
                lambda: sample_files.units_csv(code[where], start[where], units.kl, units.effects),
            ),
        ],
        image_script(name, below[:, : sizes[0]] if bits else below, shape, what=what, bits=bits),
        key="sample",
    )
