"""Switches for the bits of a layer, the image they make, and all bits of the layer."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import cache, cards
from dashboard.cards import Card
from dashboard.components.codes import Codes, latent_name, show_code
from dashboard.components.image_grid import png
from dashboard.components.layer_state import bits_picture

__all__ = ["show_switches"]

MOST_OFFERED = 24  # of the bits that change the image most


def show_switches(name: str, card: Card, layer: int, code: Codes, key: str) -> None:
    """The image on the left, the switches that make it in the middle, all bits on the right.

    Args:
        name: of the checkpoint.
        card: its card.
        layer: whose bits are switched.
        code: to start from, `(latent,)`.
        key: of the switches: another one for another start, so that they begin anew.
    """
    from dashboard.decoding import layer_slice

    where = layer_slice(cards.layer_sizes(card), layer)
    order = np.argsort(-cache.latent_effects(name, layer), kind="stable")
    offered: list[int] = order[:MOST_OFFERED].tolist()
    left, middle, right = st.columns([3, 5, 3], gap="medium")
    with middle:
        on = st.pills(
            f"Bits that are on, of the {len(offered)} that change the image most",
            offered,
            selection_mode="multi",
            default=[index for index in offered if code[where.start + index] > 0.5],
            format_func=latent_name,
            wrap=True,
            key=key,
        )
    turned = code.copy()
    for index in offered:
        turned[where.start + index] = float(index in on)
    with left:
        show_code(name, card, layer, turned)
    with right:
        st.image(
            png(bits_picture(turned[where])),
            caption=f"All {where.stop - where.start} bits of the layer, blue is on",
            width="content",
            alt="The bits of the layer",
        )
