"""Draw on an image and watch q(z|x) follow, beside the true posterior and what lies between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from dashboard import cache, capabilities, cards, permalinks
from dashboard.cards import Card
from dashboard.components.anatomy import choose_samples, current_anatomy, show_anatomy
from dashboard.components.charts import CLASS_COLOURS
from dashboard.components.exports import Export, show_exports
from dashboard.components.imputing import wants_bits
from dashboard.components.items import Item, choose_item
from dashboard.components.pickers import checkpoint_picker
from dashboard.frontend import register
from dashboard.logic.recognition.gap_files import curve_csv, gap_csv
from dashboard.logic.recognition.gap_runs import REPETITIONS, STEPS
from dashboard.logic.recognition.microscope_picture import microscope_png
from dashboard.logic.recognition.posteriors import Posterior, plane_normal, true_posterior
from dashboard.logic.recognition.recognition import (
    LARGEST_SEED,
    LONGEST_TEXT,
    STARTS,
    Codes,
    View,
    checked_view,
    decode_image,
    encode_image,
    microscope_message,
    news_message,
    plane_of,
)
from dashboard.scripts.recognition import recognition_script

if TYPE_CHECKING:
    from torch import Tensor

    from dashboard.embedding import Plane
    from dashboard.logic.recognition.gap_runs import GapRun
    from engine.models import LatentVariableModel

__all__ = ["render"]

_microscope = register("microscope")
_news = register("recognition_news")

POINTS = 10_000  # codes on the map
IMPORTANCE_SAMPLES = 5000  # a quarter of a second
SEEN, REVISION, TOKEN = "recognition.seen", "recognition.revision", "recognition.token"
POSTERIOR = "recognition.posterior"


@dataclass(frozen=True)
class Setup:
    """All that the part of the page below the widgets needs.

    Attributes:
        name: of the checkpoint.
        card: its card.
        item: the test image; None where no images are here.
        token: tells this image, opened from this link, from all others.
        opening: what to show before anything is drawn.
    """

    name: str
    card: Card
    item: Item | None
    token: str
    opening: View

    @property
    def bits(self) -> bool:
        """Whether the model knows bits."""
        return wants_bits(self.card)

    @property
    def pixels(self) -> int:
        """Of an image."""
        return cards.pixel_count(self.card)

    @property
    def start(self) -> np.ndarray[Any, Any] | None:
        """The test image, float32 `(data,)`."""
        return None if self.item is None else self.item.x.numpy()


def render() -> None:
    """Draw the page: widgets for the image, then the microscope in a fragment."""
    st.title("Recognition")
    st.markdown(
        "Draw on the image, and with each stroke you see where the recognition model believes its "
        "causes lie, $q(z \\mid x)$, beside the true posterior $p(z \\mid x)$ and the image "
        "redrawn from there. Close the gap of a 4 until it is a 9, or start blank and write a "
        "digit; then take the gap between the ELBO and $\\log p(x)$ apart for this very image."
    )
    name = checkpoint_picker(
        capable=capabilities.recognises,
        what="a checkpoint of images with two latents or more and no Boltzmann machine",
    )
    if name is None:
        permalinks.show_problems()
        return
    from engine.errors import EngineError

    try:
        card = cache.card(name)
        cache.model(name)
        item = choose_item(card, key="recognition")
        setup = _setup(name, card, item)
        problems = st.container()
        st.fragment(_look)(setup)
        with problems:  # what the fragment reads of the address counts too
            permalinks.show_problems()
    except EngineError as error:
        st.error(str(error))


def _setup(name: str, card: Card, item: Item | None) -> Setup:
    """What the address says is drawn on the chosen image."""
    source = "none" if item is None else item.name
    text, previous = st.query_params.get("drawn"), st.session_state.get(TOKEN)
    if text != st.session_state.get(SEEN):  # a link, or the browser went back
        st.session_state[REVISION] = st.session_state.get(REVISION, 0) + 1
    elif previous is not None and previous != source:  # another image was chosen
        permalinks.write(drawn=None, start=None)
    st.session_state[TOKEN] = source
    bits, pixels = wants_bits(card), cards.pixel_count(card)
    start = permalinks.read_choice("start", STARTS, "image" if item is not None else "blank")
    seed = permalinks.read_integer("seed", 0, 0, LARGEST_SEED)
    blank = np.zeros(pixels, dtype=np.float32)
    image = blank if item is None or start == "blank" else item.x.numpy()
    text = st.query_params.get("drawn")
    if text is not None:
        try:
            image = decode_image(text, pixels, bits=bits)
        except ValueError as error:
            permalinks.refuse("drawn", str(error), None)
    st.session_state[SEEN] = text
    opening = View(encode_image(image, bits=bits), start, seed)
    token = f"{source} {st.session_state.get(REVISION, 0)}"
    return Setup(name, card, item, token, opening)


def _look(setup: Setup) -> None:
    """The microscope and all that is known about the image under it; runs alone after a stroke."""
    key = f"recognition.microscope.{setup.name}"
    channel = f"recognition {setup.name}"
    codes = _codes(setup)
    reported = _microscope(
        key=key,
        data=_message(setup, codes, channel),
        default={"view": None},
        on_view_change=lambda: None,
    ).view
    view = checked_view(reported, setup.token, setup.pixels, bits=setup.bits) or setup.opening
    _link(setup, view)
    import torch

    x = torch.from_numpy(decode_image(view.image, setup.pixels, bits=setup.bits))
    plane = None if codes is None else codes.plane
    posterior = _posterior(setup, view, x, codes)
    st.header("Anatomy of the gap")
    st.markdown(
        "The ELBO lies below $\\log p(x)$ by the divergence of q from the true posterior, in two "
        "parts: what the recognition *network* gives away against q\\*, the best q of its family "
        "for this image alone, and what no member of the *family* can reach "
        "([Cremer, Li and Duvenaud 2018](https://arxiv.org/abs/1801.03558))."
    )
    samples = choose_samples()
    run_key = (setup.name, view.image, samples, view.seed)
    run = current_anatomy(setup.name, x, run_key, samples, view.seed)
    local = None
    if run is not None and run.result is not None and plane is not None:
        local = plane_normal(run.result.local, plane)
    _news(
        key=f"recognition.news.{setup.name}",
        data=news_message(
            channel=channel,
            token=setup.token,
            view=view,
            item=setup.start,
            pixels=setup.pixels,
            bits=setup.bits,
            posterior=posterior,
            local=local,
        ),
    )
    show_anatomy(setup.name, setup.card, x, run_key, run, samples, view.seed)
    _exports(setup, view, samples, run, _picture(setup, x, posterior, plane, local))


def _codes(setup: Setup) -> Codes | None:
    """The map: codes of the data, or where none are here, of the model's own samples."""
    if cards.latent_kind(setup.card) == "bernoulli":
        return None
    item = setup.item
    if item is None:
        return cache.derived(setup.name, "sampled plane", lambda: _sampled(cache.model(setup.name)))
    images = item.images

    def make() -> Codes:
        indices, found = cache.codes(
            setup.name, images.dataset, images.split, POINTS, bits=setup.bits
        )
        plane = plane_of(found)
        labels = None if images.labels is None else images.labels.numpy()[indices]
        return Codes(plane, plane.project(found), labels, images.class_names)

    return cache.derived(setup.name, ("plane", images.dataset, images.split), make)


def _sampled(model: LatentVariableModel) -> Codes:
    from engine.decoding import encode
    from engine.random import make_generator

    found = encode(model, model.sample(1000, generator=make_generator(0)).clamp(0, 1)).numpy()
    plane = plane_of(found)
    return Codes(plane, plane.project(found), None)


def _message(setup: Setup, codes: Codes | None, channel: str) -> bytes:
    images = None if setup.item is None else setup.item.images
    source = None if images is None or codes is None else (images.dataset, images.split)

    def make() -> bytes:
        return microscope_message(
            cache.model(setup.name),
            codes,
            cards.picture_shape(setup.card),
            channel,
            CLASS_COLOURS,
            bits=setup.bits,
        )

    return cache.derived(setup.name, ("microscope", source), make)


def _posterior(setup: Setup, view: View, x: Tensor, codes: Codes | None) -> Posterior:
    """The true posterior of the image; the last one is kept for this visitor."""
    source = None if setup.item is None else (setup.item.images.dataset, setup.item.images.split)
    key = (setup.name, source, view.image, view.seed)
    kept = st.session_state.get(POSTERIOR)
    if kept is None or kept[0] != key:
        plane = None if codes is None else codes.plane
        found = true_posterior(
            cache.model(setup.name), x, plane, samples=IMPORTANCE_SAMPLES, seed=view.seed
        )
        st.session_state[POSTERIOR] = kept = (key, found)
    return kept[1]


def _link(setup: Setup, view: View) -> None:
    """Put the view into the address; a test image as it is needs no pixels there."""
    blank = view.start == "blank" or setup.start is None
    start = np.zeros(setup.pixels, dtype=np.float32) if blank else setup.start
    assert start is not None
    untouched = view.image == encode_image(start, bits=setup.bits)
    text = None if untouched else view.image
    if text is not None and len(text) > LONGEST_TEXT:
        text = None
        st.caption(
            f"This drawing takes more than {LONGEST_TEXT} letters: the address of this page links "
            "to the image that it began from."
        )
    permalinks.write(
        drawn=text,
        start="blank" if view.start == "blank" and setup.start is not None else None,
        seed=view.seed or None,
    )
    st.session_state[SEEN] = text


def _picture(
    setup: Setup, x: Tensor, posterior: Posterior, plane: Plane | None, local: Any
) -> Callable[[], bytes]:
    """What makes the view's PNG when somebody asks for it."""

    def make() -> bytes:
        model = cache.model(setup.name)
        found = model.recognition(x[None])
        q = found.mean[0].numpy() if plane is None else plane_normal(found, plane)
        redrawn = model.likelihood(found.mean).mean[0].numpy()
        shape = cards.picture_shape(setup.card)
        return microscope_png(x.numpy(), redrawn, shape, q, posterior, local)

    return make


def _exports(
    setup: Setup, view: View, samples: int, run: GapRun | None, picture: Callable[[], bytes]
) -> None:
    code = recognition_script(
        setup.name,
        view.image,
        bits=setup.bits,
        pixels=setup.pixels,
        samples=samples,
        repetitions=REPETITIONS,
        steps=STEPS,
        seed=view.seed,
    )
    files = [Export("View, PNG", "view.png", "image/png", picture)]
    result = None if run is None else run.result
    if result is not None:
        files += [
            Export("L_K, CSV", "bounds.csv", "text/csv", lambda: curve_csv(result)),
            Export("Gap, CSV", "gap.csv", "text/csv", lambda: gap_csv(result)),
        ]
    show_exports(files, code, key="recognition")
