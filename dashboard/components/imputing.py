"""What the Impute page works on: the widgets that choose an image to complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from dashboard import cache, cards, permalinks, state
from dashboard.cards import Card, wants_bits
from dashboard.components.items import choose_item
from dashboard.components.linked import choose_number, choose_segment
from dashboard.components.pickers import data_picker, suitable
from dashboard.components.uploads import prepared, show_stages, upload
from dashboard.images import prepare_colour, prepare_picture
from dashboard.scripts import impute as script

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Chosen", "choose_image", "wants_bits"]

SAMPLE = "impute.sample"

SOURCES = {"data": "Test image", "upload": "Upload", "sample": "Model's sample"}
CROPS = {"strokes": "Around the strokes", "middle": "Middle"}
INVERT = {"auto": "If the paper is bright", "yes": "Yes", "no": "No"}
LARGEST_SEED = 999_999


@dataclass(frozen=True)
class Chosen:
    """The image to complete.

    Attributes:
        x: float32 `(data,)` in [0, 1].
        code: lines of Python that make `x`, `(1, data)`, in a script that has the `model`.
    """

    x: Tensor
    code: str


def choose_image(name: str, card: Card) -> Chosen | None:
    """Widgets for the image: of the data, of the visitor, or of the model itself.

    Returns:
        None where there is no image yet, after saying why.

    Raises:
        engine.CheckpointError: the checkpoint is damaged and the model had to draw the image.
    """
    here = any(cache.dataset_is_here(dataset) for dataset in suitable(card))
    sources = SOURCES if here else {key: SOURCES[key] for key in ("sample", "upload")}
    source = choose_segment(
        "Image",
        sources,
        name="source",
        key=f"impute.source.{'data' if here else 'sample'}",
        label_visibility="collapsed",
    )
    if source != "upload":
        permalinks.write(pixels=None)
    if source == "upload":
        return _uploaded_image(card)
    if source == "data":
        return _test_image(card)
    if not here:
        data_picker(card, key="impute.data")  # says that the images are not here
    return _model_sample(name)


def _test_image(card: Card) -> Chosen | None:
    item = choose_item(card, key="impute")
    if item is None:
        return None
    images, bits = item.images, wants_bits(card)
    return Chosen(item.x, script.data_image(images.dataset, images.split, item.number, bits=bits))


def _model_sample(name: str) -> Chosen:
    from engine.random import make_generator

    def another() -> None:
        st.session_state[SAMPLE] = (state.integer(SAMPLE) + 1) % (LARGEST_SEED + 1)

    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = choose_number(
            "Seed of the sample", 0, LARGEST_SEED, 0, name="sample", key=SAMPLE, width=160
        )
        st.button(
            "Another",
            key="impute.another_sample",
            on_click=another,
            help="Let the model draw another image: causes from the prior, then the most probable "
            "pixels.",
        )
    model, bits = cache.model(name), wants_bits(cache.card(name))
    # The mode of p(x | z): drawn pixels would hide the image under the likelihood's noise.
    z = model.prior().sample((1,), generator=make_generator(seed))
    x = model.likelihood(z).mean[0].clamp(0, 1)
    return Chosen(x.round() if bits else x, script.sample_image(seed, bits=bits))


def _uploaded_image(card: Card) -> Chosen | None:
    import torch

    shape, bits = cards.picture_shape(card), wants_bits(card)
    data = upload("An image", "impute.image", "PNG or JPEG of any size, up to 8 MB.")
    colour = len(shape) == 3
    settings = {} if colour else _preparation(cards.is_density(card), bits)
    if data is None:
        # Bits of an earlier upload, from the link that was opened.
        linked = permalinks.read_bits("pixels", shape[0] * shape[1]) if bits else None
        if linked is None:
            return None
        st.caption("The picture that came with the link.")
        pixels = linked.astype(np.float32)
    else:
        made = prepared(
            "impute.prepared",
            data,
            (shape, bits, settings),
            lambda: (
                prepare_colour(data, shape)
                if colour
                else prepare_picture(data, shape[:2], binary=bits, **settings)
            ),
        )
        if made is None:
            return None
        show_stages("Your image", made)
        pixels = made.pixels
    # 784 bits are 131 letters; grey values of somebody's photograph do not belong in an address.
    permalinks.write(pixels=permalinks.encode_bits(pixels >= 0.5) if bits else None)
    if bits:
        st.caption("Its bits are part of this page's address, so a link shows it to others.")
    else:
        st.caption("A picture of yours is not in this page's address: a link opens without it.")
    return Chosen(torch.from_numpy(pixels), script.literal_image(pixels, bits=bits))


def _preparation(faces: bool, bits: bool) -> dict[str, Any]:
    """Crop, inversion and threshold of an upload, as `prepare_picture` takes them."""
    kind, threshold = "faces" if faces else "digits", 0.5
    with st.expander("Crop, invert, binarise", icon=":material/tune:"):
        crop = _choice(
            "Crop",
            {key: CROPS[key] for key in (sorted(CROPS) if faces else CROPS)},
            f"impute.crop.{kind}",
            "Around the strokes: with the margins that MNIST gives its digits. Middle: the largest "
            "part of the right proportions.",
        )
        invert = _choice(
            "Exchange dark and bright",
            {key: INVERT[key] for key in (("no", "yes") if faces else INVERT)},
            f"impute.invert.{kind}",
            "The digits of MNIST are bright on black; ink on paper has to be inverted.",
        )
        if bits:
            threshold = st.slider(
                "Ink from brightness",
                0.05,
                0.95,
                0.5,
                0.05,
                key="impute.threshold",
                help="Pixels at least this bright (of the full contrast) become 1, others 0.",
            )
    inverted = {"auto": None, "yes": True, "no": False}[invert]
    return {"crop": crop, "invert": inverted, "threshold": threshold}


def _choice(label: str, titles: Mapping[str, str], key: str, help_text: str) -> Any:
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
