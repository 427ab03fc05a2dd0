"""Where a model puts the images, and what it draws at each place."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import cache, cards
from dashboard.cards import Card
from dashboard.components.image_grid import show_images
from dashboard.components.imputing import choice
from dashboard.components.latent_map import show_map
from dashboard.components.map_layout import (
    ROWS,
    MapLayout,
    MapView,
    decoded,
    grid_columns,
    lay_out,
)
from dashboard.components.map_selection import show_selection
from dashboard.components.pickers import Images, checkpoint_picker, data_picker
from dashboard.components.tsne_progress import tsne_map
from dashboard.embedding import Limits, from_quantiles, latent_plane, tile_centres
from dashboard.tsne import MOST_POINTS

__all__ = ["render"]

COUNTS = (500, 1000, 2000, 5000, 10_000)
FIRST_COUNT = 2000

SHOW = {"points": "Points", "images": "Images", "manifold": "Manifold"}


def render() -> None:
    """Draw the page: choices in widgets, then the map and what is selected on it in a fragment."""
    st.title("Latent space")
    st.markdown(
        "Each point is an image, placed where the recognition model $q(z \\mid x)$ puts it on "
        "average; the manifold is the other direction, the image $p(x \\mid z)$ drawn at each "
        "place. Click a point, or draw a box or a lasso around several (tools above the map), to "
        "see the images, how the model redraws them, and which lie nearest."
    )
    name = checkpoint_picker(
        capable=lambda card: max(cards.layer_sizes(card)) >= 2,
        what="a checkpoint with two or more latents in a layer",
    )
    if name is None:
        return
    from engine.errors import EngineError

    try:
        card = cache.card(name)
        cache.model(name)
        images = data_picker(card, key="latent.data")
        if images is None:
            _without_images(name, card)
            return
        _map_of(_view(name, card, images))
    except EngineError as error:
        st.error(str(error))


def _view(name: str, card: Card, images: Images) -> MapView:
    """The widgets above the map."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layer = _choose_layer(name, card)
        projection = _choose_projection(card, layer)
        show = choice(
            "Show",
            {k: v for k, v in SHOW.items() if k != "manifold" or projection != "tsne"},
            f"latent.show.{projection == 'tsne'}",
            "Images: as many as there is room for. Manifold: what the model draws at each place.",
        )
        most = MOST_POINTS if projection == "tsne" else max(COUNTS)
        total = len(images.x)
        counts = [count for count in COUNTS if count < min(total, most)] + [min(total, most)]
        count: int = st.selectbox(
            "Points",
            counts,
            index=counts.index(FIRST_COUNT) if FIRST_COUNT in counts else len(counts) - 1,
            format_func=lambda count: f"{count:,}".replace(",", "\u202f"),
            key=f"latent.count.{most}.{total}",
            width=110,
        )
    return MapView(name, card, images, count, layer, projection, show)


def _choose_layer(name: str, card: Card) -> int:
    """The layer on the map; at first the deepest one that has two latents or more."""
    sizes = cards.layer_sizes(card)
    offered = [index for index, size in enumerate(sizes) if size >= 2]
    if len(offered) == 1:
        return offered[0]
    return choice(
        "Layer",
        {index: f"{index + 1} · {sizes[index]} latents" for index in reversed(offered)},
        f"latent.layer.{name}",
        "Layer 1 is next to the image, the last one is the deepest.",
    )


def _choose_projection(card: Card, layer: int) -> str:
    if cards.layer_sizes(card)[layer] > 2:
        return choice(
            "Plane",
            {"pca": "Principal axes", "tsne": "t-SNE"},
            "latent.plane",
            "Principal axes: the two directions along which the codes vary most. t-SNE: a map "
            "that keeps neighbours together, whose axes and distances mean nothing else.",
        )
    if cards.latent_kind(card) == "gaussian":
        return choice(
            "Axes",
            {"latents": "Latents", "quantiles": "Quantiles"},
            "latent.axes",
            "Quantiles: each latent as its probability under the prior N(0, 1), as in Figure 4 of "
            "Kingma and Welling (2014): every area holds as much prior as it is large.",
        )
    return "latents"


def _map_of(view: MapView) -> None:
    """The map, or for t-SNE the way to it."""
    tsne = None
    if view.projection == "tsne":
        tsne = tsne_map(view)
        if tsne is None:
            return
    st.fragment(_map)(view, tsne)


def _without_images(name: str, card: Card) -> None:
    """No images at hand: what the model draws over the prior needs none."""
    sizes = cards.layer_sizes(card)
    if 2 not in sizes or cards.latent_kind(card) != "gaussian":
        st.info(
            "A map needs images to place: fetch them, or look at what the model draws on the "
            "Sample page.",
            icon=":material/scatter_plot:",
        )
        return
    shape = cards.image_shape(card)
    rows = ROWS["manifold"]
    columns = grid_columns(rows, shape)
    points = from_quantiles(tile_centres(Limits(0, 1, 0, 1), rows, columns))
    st.subheader("The manifold")
    show_images(
        decoded(name, card, sizes.index(2), latent_plane().lift(points)),
        shape,
        columns=columns,
        gap=0,
        scale=1,
        alt="What the model draws over the plane of its two latents",
        caption="Equal steps of prior probability in both latents, up and to the right.",
    )


def _map(view: MapView, tsne: NDArray[np.float64] | None) -> None:
    """The map on the left, what is selected on it on the right: reruns alone at each selection."""
    layout = lay_out(view, tsne)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        # Another map starts without a selection: the points are others.
        key = f"latent.map.{view.checkpoint}.{view.source}.{view.projection}"
        event = show_map(layout, key=key)
        st.caption(_below(layout))
    with right, st.container(border=True):
        show_selection(layout, event)


def _below(layout: MapLayout) -> str:
    """What is on the map, and what the colours and percentages are."""
    view = layout.view
    images = view.images
    text = f"{len(layout.where)} of the {len(images.x)} images of {images.title}"
    if images.labels is None:
        text += ", coloured by position in the split"
        if images.dataset == "frey":
            text += ", which keeps the order of the film (blocks of 20 frames in a row)"
    if view.projection == "pca":
        text += ". Percentages: share of the variance of the codes"
    return text + "."
