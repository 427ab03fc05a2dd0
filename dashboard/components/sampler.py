"""The sampler: dials or switches for a layer's units, decoded in the browser as they move."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import cards, permalinks
from dashboard.cards import Card
from dashboard.components.codes import Codes
from dashboard.components.dials import Dials, code_of, unit_dials
from dashboard.components.exports import Export, show_exports
from dashboard.frontend import register
from dashboard.logic.sample.generators import browser_model, message
from dashboard.logic.sample.sample_views import BELOW, FARTHEST, Turned, read_turned

__all__ = ["LINKED", "show_sampler"]

LINKED = "sample.linked"  # in the session: what the address asked of which dials

_component = register("sampler")


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
        "shape": list(cards.picture_shape(card)),
        "titles": dials.titles,
        "link": linked.header(),
    }
    arrays: dict[str, NDArray[Any]] = {"start": start, "effects": dials.effects}
    optional = {"kl": dials.kl, "ways": dials.ways, "shares": dials.shares}
    arrays |= {part: array for part, array in optional.items() if array is not None}
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


def _take_along(
    name: str, card: Card, layer: int, start: Codes, dials: Dials, turned: Turned
) -> None:
    from dashboard.logic.sample import sample_files
    from dashboard.logic.sample.browser_draws import BELOW_DRAWS, drawn_below, view_image
    from dashboard.scripts.sample import image_script
    from engine.decoding import layer_slice

    sizes, shape = cards.layer_sizes(card), cards.picture_shape(card)
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
