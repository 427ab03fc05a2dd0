"""What the Impute page works on: the widgets that choose an image and what of it is hidden."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import cache, cards, state
from dashboard.cards import Card
from dashboard.components.image_grid import png
from dashboard.components.pickers import data_picker, suitable
from dashboard.images import PictureError, Prepared, prepare_mask, prepare_picture

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["choice", "choose_image", "choose_mask", "show_stages", "wants_bits"]

# Counters in the session: each click on a button "Another …" makes the next draw.
INDEX, PICKS = "impute.index", "impute.picks"
PATTERN, SAMPLE = "impute.pattern", "impute.sample"

SOURCES = {"data": "Test image", "upload": "Upload", "sample": "Model's sample"}
MASKS = {
    "60": "60 %",
    "80": "80 %",
    "square": "Square",
    "half": "Half",
    "upload": "Upload",
}
SIDES = {"bottom": "Bottom", "top": "Top", "right": "Right", "left": "Left"}
CROPS = {"strokes": "Around the strokes", "middle": "Middle"}
INVERT = {"auto": "If the paper is bright", "yes": "Yes", "no": "No"}
ANY_CLASS = "Any"
STAGE_SIDE = 112  # screen pixels of the longer side of a step from upload to model


def choice(label: str, titles: Mapping[Any, str], key: str, help_text: str) -> Any:
    """One of the keys of `titles`, shown side by side; the first at first."""
    return st.segmented_control(
        label,
        list(titles),
        format_func=titles.__getitem__,
        default=next(iter(titles)),
        required=True,
        key=key,
        help=help_text,
    )


def wants_bits(card: Card) -> bool:
    """Whether the checkpoint saw bits in training: not densities, and not the grey digits."""
    return not cards.is_density(card) and card["dataset"] != "mnist"


def choose_image(name: str, card: Card) -> Tensor | Prepared | None:
    """Widgets for the image: of the data, of the visitor, or of the model itself.

    Returns:
        The image `(data,)` in [0, 1]; None where there is none yet, after saying why.

    Raises:
        engine.CheckpointError: the checkpoint is damaged and the model had to draw the image.
    """
    here = any(cache.dataset_is_here(dataset) for dataset in suitable(card))
    sources = list(SOURCES) if here else ["sample", "upload"]
    source = choice(
        "Image",
        {key: SOURCES[key] for key in sources},
        f"impute.source.{'data' if here else 'sample'}",
        "Where the image to complete comes from.",
    )
    if source == "upload":
        return _uploaded_image(card)
    if source == "data":
        return _test_image(card)
    if not here:
        data_picker(card, key="impute.data")  # says that the images are not here
    return _model_sample(name)


def _test_image(card: Card) -> Tensor | None:
    images = data_picker(card, key="impute.data")
    if images is None:
        return None
    count, labels = len(images.x), images.labels
    if state.integer(INDEX) >= count:  # another split or set has fewer
        st.session_state[INDEX] = 0

    def another() -> None:
        wanted = st.session_state.get("impute.class", ANY_CLASS)
        among: Sequence[int] = range(count)
        if labels is not None and wanted in images.class_names:
            label = images.class_names.index(wanted)
            among = (labels == label).nonzero().flatten().tolist() or among
        st.session_state[INDEX] = among[_next_draw(PICKS, len(among))]

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input(
            "Number",
            min_value=0,
            max_value=count - 1,
            key=INDEX,
            width=124,
            help=f"Position in the split, from 0 to {count - 1}.",
        )
        if labels is not None:
            st.selectbox(
                "Class",
                [ANY_CLASS, *images.class_names],
                key="impute.class",
                width=84,
                on_change=another,
                help="Draws an image of this class.",
            )
        st.button(
            "Another",
            key="impute.another",
            on_click=another,
            help="Draw an image of the split (and class) at random.",
        )
    x = images.x[state.integer(INDEX)]
    # Stand-ins and other protocols come in grey: the model knows bits.
    return (x >= 0.5).to(x.dtype) if wants_bits(card) else x


def _next_draw(counter: str, count: int) -> int:
    """A number below `count`, another at each call."""
    import torch

    from engine.random import make_generator

    st.session_state[counter] = state.integer(counter) + 1
    generator = make_generator(state.integer(counter))
    return int(torch.randint(count, (), generator=generator))


def _model_sample(name: str) -> Tensor:
    from engine.random import make_generator

    def another() -> None:
        st.session_state[SAMPLE] = state.integer(SAMPLE) + 1

    st.button(
        "Another",
        key="impute.another_sample",
        on_click=another,
        help="Let the model draw another image: causes from the prior, then the most probable "
        "pixels.",
    )
    model = cache.model(name)
    # The mode of p(x | z): drawn pixels would hide the image under the likelihood's noise.
    z = model.prior().sample((1,), generator=make_generator(state.integer(SAMPLE)))
    x = model.likelihood(z).mean[0]
    return x.round() if wants_bits(cache.card(name)) else x


def _uploaded_image(card: Card) -> Prepared | None:
    faces, shape = cards.is_density(card), cards.image_shape(card)
    data = _upload("An image", "impute.image", "PNG or JPEG of any size, up to 8 MB.")
    with st.expander("Crop, invert, binarise", icon=":material/tune:"):
        kind, threshold = "faces" if faces else "digits", 0.5
        crop = choice(
            "Crop",
            {key: CROPS[key] for key in (sorted(CROPS) if faces else CROPS)},
            f"impute.crop.{kind}",
            "Around the strokes: with the margins that MNIST gives its digits. Middle: the largest "
            "part of the right proportions.",
        )
        invert = choice(
            "Exchange dark and bright",
            {key: INVERT[key] for key in (("no", "yes") if faces else INVERT)},
            f"impute.invert.{kind}",
            "The digits of MNIST are bright on black; ink on paper has to be inverted.",
        )
        if wants_bits(card):
            threshold = st.slider(
                "Ink from brightness",
                0.05,
                0.95,
                0.5,
                0.05,
                key="impute.threshold",
                help="Pixels at least this bright (of the full contrast) become 1, others 0.",
            )
    if data is None:
        return None
    return _prepared(
        "impute.prepared",
        data,
        (shape, crop, invert, threshold, wants_bits(card)),
        lambda: prepare_picture(
            data,
            shape,
            binary=wants_bits(card),
            crop=crop,
            invert={"auto": None, "yes": True, "no": False}[invert],
            threshold=threshold,
        ),
    )


def choose_mask(shape: tuple[int, int]) -> Tensor | Prepared | None:
    """Widgets for what is hidden in an image of `shape`.

    Returns:
        What stays visible, `(data,)`, true or 1 where it does; None where there is no mask yet,
        after saying why.
    """
    from engine.datasets.masks import half_mask, random_mask, square_mask
    from engine.random import make_generator

    kind = choice(
        "Hidden",
        MASKS,
        "impute.mask",
        "Which pixels the chains have to fill in: a share of them at random, a square in the "
        "middle, a half, or the dark parts of a picture of yours.",
    )
    if kind == "upload":
        data = _upload(
            "A mask",
            "impute.mask_file",
            "PNG or JPEG: what is bright or transparent stays visible, what is dark is hidden.",
        )
        if data is None:
            return None
        return _prepared("impute.prepared_mask", data, shape, lambda: prepare_mask(data, shape))
    if kind == "square":
        size = st.slider(
            "Side of the square",
            4,
            min(shape),
            min(14, *shape),
            key=f"impute.square.{min(shape)}",
            help="In pixels; the square lies in the middle.",
        )
        return square_mask(shape, size)[0]
    if kind == "half":
        side = choice(
            "Hidden half", SIDES, "impute.half", "The half of the image that the chains fill in."
        )
        return half_mask(shape, side)[0]

    def another() -> None:
        st.session_state[PATTERN] = state.integer(PATTERN) + 1

    st.button(
        "Another pattern",
        key="impute.another_pattern",
        on_click=another,
        help="Hide as many pixels, but others.",
    )
    generator = make_generator(state.integer(PATTERN))
    return random_mask(shape, int(kind) / 100, generator=generator)[0]


def _upload(label: str, key: str, help_text: str) -> bytes | None:
    file = st.file_uploader(label, type=["png", "jpg", "jpeg"], key=key, help=help_text)
    return None if file is None else file.getvalue()


def _prepared(
    key: str, data: bytes, options: object, make: Callable[[], Prepared]
) -> Prepared | None:
    """What came of an upload, made once for each file and setting; None after an error message."""
    signature = (hashlib.sha256(data).digest(), options)
    kept = st.session_state.get(key)
    if kept is None or kept[0] != signature:
        try:
            kept = (signature, make())
        except PictureError as error:
            st.error(str(error), icon=":material/broken_image:")
            return None
        st.session_state[key] = kept
    prepared: Prepared = kept[1]
    return prepared


def show_stages(title: str, prepared: Prepared) -> None:
    """Every step from the file to what the model is given, as a row of small pictures."""
    st.caption(f"{title}, from the file to what the model is given:")
    with st.container(horizontal=True):
        for stage in prepared.stages:
            height, width = stage.pixels.shape
            longer = max(height, width)
            scale = max(1, round(STAGE_SIDE / longer))
            st.image(
                png(stage.pixels.repeat(scale, axis=0).repeat(scale, axis=1)),
                caption=stage.label,
                width=max(24, round(STAGE_SIDE * width / longer)),
                alt=f"{title}: {stage.label}",
            )
