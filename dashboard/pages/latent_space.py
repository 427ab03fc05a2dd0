"""Where a model puts the images, and what it draws at each place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard import cache, capabilities, cards, permalinks
from dashboard.cards import Card
from dashboard.components.latent_pad import open_view, settle, show_pad
from dashboard.components.linked import choose_one, choose_segment
from dashboard.components.map_view import MapView
from dashboard.components.pickers import Images, checkpoint_picker, data_picker
from dashboard.components.tsne_progress import tsne_map
from dashboard.logic.latent_space.tsne import MOST_POINTS

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

__all__ = ["render"]

COUNTS = (1000, 2000, 5000, 10_000)
FIRST_COUNT = 10_000


def render() -> None:
    """Draw the page: choices in widgets, then the pad, which reruns alone."""
    st.title("Latent space")
    st.markdown(
        "Each point is an image, placed where the recognition model $q(z \\mid x)$ puts it on "
        "average; the picture beside the map is the other direction, the image $p(x \\mid z)$ that "
        "the model draws where your pointer is. Move over the map and watch it change, pin two "
        "places to see the ways between them, or draw a lasso around a group to add what is common "
        "to it to a pin."
    )
    damage = st.container()
    row = st.container(horizontal=True, vertical_alignment="bottom")
    name = checkpoint_picker(
        capable=capabilities.has_map,
        what="a checkpoint of images with two latents or more in a layer and no Boltzmann machine",
        row=row,
    )
    if name is not None:
        _page_of(name, row)
    with damage:
        permalinks.show_problems()
    settle()


def _page_of(name: str, row: DeltaGenerator) -> None:
    from engine.errors import EngineError

    try:
        card = cache.card(name)
        cache.model(name)
        images = data_picker(card, key="latent.data", row=row)
        view = _view(name, card, images, row)
        if view is None:
            return
        tsne = None
        if view.projection == "tsne":
            tsne = tsne_map(view)
            if tsne is None:
                return
        show_pad(view, open_view(view), tsne)
    except EngineError as error:
        st.error(str(error))


def _view(name: str, card: Card, images: Images | None, row: DeltaGenerator) -> MapView | None:
    """The widgets above the map; None after saying why there is no map."""
    sizes = cards.layer_sizes(card)
    if images is None:
        # What the model draws over the prior of two latents needs no images.
        if 2 not in sizes or cards.latent_kind(card) != "gaussian":
            st.info(
                "A map needs images to place: fetch them, or look at what the model draws on the "
                "Sample page.",
                icon=":material/scatter_plot:",
            )
            return None
        return MapView(name, card, None, 0, sizes.index(2), "plane")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layer = _choose_layer(name, card)
        projection = _choose_projection(card, layer)
    with row:
        count = _choose_count(len(images.x), MOST_POINTS if projection == "tsne" else 70_000)
    return MapView(name, card, images, count, layer, projection)


def _choose_layer(name: str, card: Card) -> int:
    """The layer on the map; at first the deepest one that has two latents or more."""
    sizes = cards.layer_sizes(card)
    offered = [index for index, size in enumerate(sizes) if size >= 2]
    if len(offered) == 1:
        return offered[0]
    chosen = choose_segment(
        "Layer",
        {f"{index + 1}": f"{index + 1} · {sizes[index]} latents" for index in reversed(offered)},
        name="layer",
        key=f"latent.layer.{name}",
        help="Layer 1 is next to the image, the last one is the deepest.",
    )
    return int(chosen) - 1


def _choose_projection(card: Card, layer: int) -> str:
    if cards.layer_sizes(card)[layer] == 2:
        return "plane"
    return choose_segment(
        "Plane",
        {"plane": "Principal axes", "tsne": "t-SNE"},
        name="plane",
        key="latent.plane",
        help="Principal axes: the directions along which the codes vary most. t-SNE: a map that "
        "keeps neighbours together, whose axes and distances mean nothing else.",
    )


def _choose_count(total: int, most: int) -> int:
    largest = min(total, most)
    counts = [count for count in COUNTS if count < largest] + [largest]
    chosen = choose_one(
        "Points",
        {f"{count}": f"{count:,}".replace(",", "\u202f") for count in counts},
        name="count",
        key=f"latent.count.{largest}",
        default=f"{FIRST_COUNT if FIRST_COUNT in counts else largest}",
        width=120,
    )
    return int(chosen)
