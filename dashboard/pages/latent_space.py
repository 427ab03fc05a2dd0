"""Where a model puts the images, and what it draws at each place."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import cache, cards
from dashboard.cards import Card
from dashboard.components import charts, latent_map
from dashboard.components.image_grid import show_images, to_pixels
from dashboard.components.imputing import wants_bits
from dashboard.components.pickers import Images, checkpoint_picker, data_picker
from dashboard.embedding import (
    Limits,
    Plane,
    from_quantiles,
    latent_plane,
    nearest,
    room_for_images,
    subset,
    tile_centres,
)
from dashboard.tsne import MOST_POINTS

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from dashboard.tsne import TsneRun

__all__ = ["MapView", "render"]

COUNTS = (500, 1000, 2000, 5000, 10_000)
FIRST_COUNT = 2000
ROWS = {"images": 26, "manifold": 20}  # of images on the map: as many as can be made out
POLL = 0.7  # seconds between looks at a running t-SNE
MOST_SHOWN = 30  # selected images
MOST_QUERIES, NEIGHBOURS = 4, 8

SHOW = {"points": "Points", "images": "Images", "manifold": "Manifold"}


@dataclass(frozen=True)
class MapView:
    """Everything that decides what the map shows.

    Attributes:
        checkpoint: name of the checkpoint.
        card: its card.
        images: the split that is embedded.
        count: images on the map, at most.
        layer: of latents, 0 next to the image.
        projection: "latents", "quantiles", "pca" or "tsne".
        show: key of `SHOW`.
    """

    checkpoint: str
    card: Card
    images: Images
    count: int
    layer: int
    projection: str
    show: str

    @property
    def bits(self) -> bool:
        """Whether grey values have to be cut to bits for this model."""
        return wants_bits(self.card)

    @property
    def source(self) -> tuple[str, str, int, int]:
        """What the points are of."""
        return self.images.dataset, self.images.split, self.count, self.layer

    def codes(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Positions of the images in the split, and the recognition means of all layers."""
        return cache.codes(
            self.checkpoint, self.images.dataset, self.images.split, self.count, bits=self.bits
        )


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
        show = _choice(
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
    return _choice(
        "Layer",
        {index: f"{index + 1} · {sizes[index]} latents" for index in reversed(offered)},
        f"latent.layer.{name}",
        "Layer 1 is next to the image, the last one is the deepest.",
    )


def _choose_projection(card: Card, layer: int) -> str:
    if cards.layer_sizes(card)[layer] > 2:
        return _choice(
            "Plane",
            {"pca": "Principal axes", "tsne": "t-SNE"},
            "latent.plane",
            "Principal axes: the two directions along which the codes vary most. t-SNE: a map "
            "that keeps neighbours together, whose axes and distances mean nothing else.",
        )
    if cards.latent_kind(card) == "gaussian":
        return _choice(
            "Axes",
            {"latents": "Latents", "quantiles": "Quantiles"},
            "latent.axes",
            "Quantiles: each latent as its probability under the prior N(0, 1), as in Figure 4 of "
            "Kingma and Welling (2014): every area holds as much prior as it is large.",
        )
    return "latents"


def _choice(label: str, titles: Mapping[Any, str], key: str, help_text: str) -> Any:
    return st.segmented_control(
        label,
        list(titles),
        format_func=titles.__getitem__,
        default=next(iter(titles)),
        required=True,
        key=key,
        help=help_text,
    )


def _map_of(view: MapView) -> None:
    """The map, or for t-SNE the way to it."""
    if view.projection != "tsne":
        st.fragment(_map)(view, None)
        return
    key = (view.checkpoint, *view.source)
    run = cache.tsne_runs().get(key)
    if run is not None and run.running:
        st.fragment(_watch, run_every=POLL)(run)
    elif run is not None and run.result is not None:
        st.fragment(_map)(view, run.result)
    else:
        _offer(view, key, run)


def _offer(view: MapView, key: tuple[Any, ...], run: TsneRun | None) -> None:
    """The button that starts a run, and what became of the last one."""
    if run is not None and run.error == "stopped":
        st.caption("Stopped. Nothing of it is kept.")
    elif run is not None:
        st.error(f"t-SNE did not come to its end: {run.error}")
    count = len(subset(len(view.images.x), view.count))
    st.markdown(
        f"t-SNE of {count} codes takes up to half a minute; it runs beside everything else, and "
        "its map is kept for everybody."
    )
    if st.button("Start t-SNE", type="primary", key="latent.tsne.start"):
        from dashboard.decoding import layer_slice

        _, codes = view.codes()
        points = codes[:, layer_slice(cards.layer_sizes(view.card), view.layer)]
        if len(points) < 5:
            st.warning("t-SNE needs at least five images.")
        elif cache.tsne_runs().start(key, points) is None:
            st.warning("Others are computing maps at the moment: try again in half a minute.")
        else:
            st.rerun()


def _watch(run: TsneRun) -> None:
    """Progress of a run, looked at again and again until it ends."""
    if not run.running:
        st.rerun()
    done, divergence = run.progress()
    text = f"t-SNE: iteration {done} of {run.iterations}"
    if divergence is not None:
        text += f", KL divergence {divergence:.3f} nats"
    elif done:
        text += ", clusters forming"
    st.progress(min(done / run.iterations, 1.0), text=text)
    if st.button("Stop", icon=":material/stop:", key="latent.tsne.stop"):
        run.stop()
        st.rerun()


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
    layer, plane = sizes.index(2), latent_plane()
    rows = ROWS["manifold"]
    height, width = cards.image_shape(card)
    columns = round(rows * height / width)
    points = from_quantiles(tile_centres(Limits(0, 1, 0, 1), rows, columns))
    st.subheader("The manifold")
    show_images(
        latent_map.decoded(name, card, layer, plane.lift(points)),
        (height, width),
        columns=columns,
        gap=0,
        scale=1,
        stretch=False,
        alt="What the model draws over the plane of its two latents",
        caption="Equal steps of prior probability in both latents, up and to the right.",
    )


def _map(view: MapView, placed: NDArray[np.float64] | None) -> None:
    """The map on the left, what is selected on it on the right: reruns alone at each selection."""
    indices, codes = view.codes()
    where, plane = latent_map.place(view.card, view.layer, view.projection, codes, placed)
    limits = latent_map.limits_of(view.projection, where)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        figure = _figure(view, where, limits, plane)
        event = charts.show(
            figure,
            # Another map starts without a selection: the points are others.
            key=f"latent.map.{view.checkpoint}.{view.source}.{view.projection}",
            alt=f"Map of {len(where)} images of {view.images.title}",
            on_select="rerun",
            selection_mode=("points", "box", "lasso"),
        )
        st.caption(_legend_text(view, len(where)))
    chosen, tiles = latent_map.selection(event, len(where))
    with right, st.container(border=True):
        if chosen:
            _selected(view, chosen, indices, codes)
        elif tiles and plane is not None:
            _tile(view, tiles[0], where, limits, plane, indices, codes)
        else:
            st.markdown("**Nothing is selected yet.**")
            st.caption(
                "Click a point or an image of the manifold, or take the box or the lasso from the "
                "tools above the map and draw around several; with these in hand a double click "
                "ends the selection. Dragging moves the map; a click on a class in the legend "
                "hides it."
            )


def _legend_text(view: MapView, count: int) -> str:
    total = len(view.images.x)
    text = f"{count} of the {total} images of {view.images.title}"
    if view.images.labels is None:
        text += ", coloured by position in the split"
        if view.images.dataset == "frey":
            text += ", which keeps the order of the film (blocks of 20 frames in a row)"
    if view.projection == "pca":
        text += ". Percentages: share of the variance of the codes"
    return text + "."


def _grid(view: MapView) -> tuple[int, int]:
    """Rows and columns of images that fill the map: its cells have the shape of an image."""
    height, width = view.images.image_shape
    rows = ROWS[view.show]
    return rows, round(rows * height / width)


def _figure(
    view: MapView, where: NDArray[np.float64], limits: Limits, plane: Plane | None
) -> go.Figure:
    indices, codes = view.codes()
    titles = latent_map.axis_titles(view.projection, view.layer, view.card, plane)
    figure = latent_map.empty_map(titles, limits)
    shape = view.images.image_shape
    key = (*view.source, view.projection, view.show)
    if view.show == "manifold":
        assert plane is not None
        rows, columns = _grid(view)

        def manifold() -> bytes:
            centres = tile_centres(limits, rows, columns)
            return latent_map.manifold_png(_drawn(view, plane, centres, codes), shape, columns)

        _lay(figure, cache.picture(view.checkpoint, key, manifold), limits)
        latent_map.add_tiles(figure, limits, rows, columns)
        return figure

    labels = None if view.images.labels is None else view.images.labels.numpy()[indices]
    pictured = np.empty(0, dtype=np.int64)
    if view.show == "images":
        rows, columns = _grid(view)
        cells, pictured = room_for_images(where, limits, rows, columns)

        def images() -> bytes:
            pixels = to_pixels(view.images.x[indices[pictured]], shape)
            colours = None if labels is None else labels[pictured]
            return latent_map.images_png(pixels, colours, cells, rows, columns)

        _lay(figure, cache.picture(view.checkpoint, key, images), limits)
    names, total = view.images.class_names, len(view.images.x)
    latent_map.add_points(figure, where, indices, labels, names, pictured, total)
    return figure


def _lay(figure: go.Figure, picture: bytes, limits: Limits) -> None:
    uri = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    latent_map.add_picture(figure, uri, limits)


def _drawn(
    view: MapView,
    plane: Plane,
    points: NDArray[np.float64],
    codes: NDArray[np.float32],
) -> NDArray[np.float32]:
    """What the model draws at places on the map; other layers are held at their mean code."""
    z = latent_map.on_map(view.projection, plane, points)
    return latent_map.decoded(view.checkpoint, view.card, view.layer, z, codes.mean(0))


def _selected(
    view: MapView,
    chosen: list[int],
    indices: NDArray[np.int64],
    codes: NDArray[np.float32],
) -> None:
    """The selected images, redrawn, and their neighbours."""
    shown = chosen[:MOST_SHOWN]
    x = view.images.x[indices[shown]]
    redrawn = latent_map.reconstructions(view.checkpoint, codes[shown])
    shape = view.images.image_shape
    noun = "image" if len(chosen) == 1 else "images"
    more = f", the first {len(shown)} shown" if len(chosen) > len(shown) else ""
    st.markdown(f"**{len(chosen)} {noun} selected**{more}{_classes(view, indices[chosen])}")
    scale = 3 if len(shown) <= 5 else 2
    columns = min(len(shown), 10 if scale == 2 else 5)
    show_images(
        latent_map.in_pairs(np.asarray(x), redrawn, columns),
        shape,
        columns=columns,
        scale=scale,
        alt="The selected images and their reconstructions",
        caption="Selected images; below each row, E[x | z] at their codes: the reconstructions.",
    )
    _neighbours(view, shown[:MOST_QUERIES], indices, codes)


def _classes(view: MapView, positions: NDArray[np.int64]) -> str:
    """How many of each class, the most frequent first."""
    if view.images.labels is None:
        return ""
    labels, counts = np.unique(view.images.labels.numpy()[positions], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    names = [f"{view.images.class_names[labels[i]]} ({counts[i]})" for i in order[:5]]
    return " · classes: " + ", ".join(names) + (" …" if len(order) > 5 else "")


def _neighbours(
    view: MapView,
    queries: list[int],
    indices: NDArray[np.int64],
    codes: NDArray[np.float32],
) -> None:
    from dashboard.decoding import layer_slice

    z = codes[:, layer_slice(cards.layer_sizes(view.card), view.layer)]
    rows = [[query, *nearest(z, query, NEIGHBOURS)] for query in queries]
    if not rows or len(rows[0]) < 2:
        return
    st.markdown("**Nearest in latent space**")
    show_images(
        view.images.x[indices[np.concatenate(rows)]],
        view.images.image_shape,
        columns=len(rows[0]),
        alt="Selected images and their nearest neighbours",
        caption=(
            f"First column: selected; then its {len(rows[0]) - 1} nearest of the {len(z)} images "
            f"on the map, by the Euclidean distance of their codes"
            f"{_in_layer(view)}."
        ),
    )


def _in_layer(view: MapView) -> str:
    several = len(cards.layer_sizes(view.card)) > 1
    return f" in layer {view.layer + 1}" if several else ""


def _tile(
    view: MapView,
    tile: int,
    where: NDArray[np.float64],
    limits: Limits,
    plane: Plane,
    indices: NDArray[np.int64],
    codes: NDArray[np.float32],
) -> None:
    """One image of the manifold, large, and the test images whose points are nearest to it."""
    rows, columns = _grid(view)
    if tile >= rows * columns:
        return
    centre = tile_centres(limits, rows, columns)[tile]
    image = _drawn(view, plane, centre[None], codes)
    st.markdown(f"**Drawn at ({centre[0]:.2f}, {centre[1]:.2f})**".replace("-", "−"))
    show_images(image, view.images.image_shape, scale=6, alt="The image drawn at this place")
    order = np.argsort(np.square(where - centre).sum(1), kind="stable")[: NEIGHBOURS + 1]
    st.markdown("**Nearest images on the map**")
    show_images(
        view.images.x[indices[order]],
        view.images.image_shape,
        columns=len(order),
        alt="Images whose points are nearest to this place",
    )
