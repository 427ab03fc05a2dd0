"""Hide a part of an image and watch chains fill it in."""

from __future__ import annotations

import streamlit as st

from dashboard import cache, capabilities, cards, permalinks
from dashboard.components.chain_player import Setup, View, show_player
from dashboard.components.completions import show_completions
from dashboard.components.exports import Export, show_exports
from dashboard.components.image_grid import png
from dashboard.components.imputing import LARGEST_SEED, Chosen, choose_image
from dashboard.components.linked import choose_number, choose_one, slide
from dashboard.components.masking import choose_mask
from dashboard.components.pickers import checkpoint_picker
from dashboard.components.tiny_models import show_tiny_models
from dashboard.films import gif
from dashboard.logic.impute.imputation import chain_frames, state_picture, traces_csv
from dashboard.logic.impute.methods import METHODS, title
from dashboard.permalinks import show_problems
from dashboard.scripts import impute as script

__all__ = ["render"]

MOST_CHAINS = 8
LONGEST_START = 500
SEED = "impute.seed"
METHOD = "impute.method"
_WHY = "needs latents that are real numbers, and those of this model are bits"


def render() -> None:
    """Draw the page: what is above the image, then the rest in fragments."""
    st.title("Impute")
    st.markdown(
        "Part of an image is hidden (orange), and chains fill it in: each finds causes $z$ for the "
        "image as completed so far, redraws the hidden pixels from $p(x \\mid z)$, and starts "
        "again; the pixels it was given never change. "
        "Paint over part of a 4 or a 7 and let the chains play: the spread lights up where the "
        "visible part leaves room for more than one digit, and the diagnostics tell when the "
        "chains agree."
    )
    problems = st.container()
    name = checkpoint_picker(
        capable=capabilities.completes,
        what="a checkpoint of images with latents, given which its pixels are independent",
    )
    if name is not None:
        st.fragment(_draw)(name)
        st.fragment(show_tiny_models)()
        st.fragment(show_completions)()
    with problems:
        show_problems()


def _draw(name: str) -> None:
    """Image, mask, settings and player: all that runs again when one of them changes."""
    from engine.errors import EngineError

    try:
        card = cache.card(name)
        cache.model(name)
        with st.container(border=True):
            image = choose_image(name, card)
    except EngineError as error:
        st.error(str(error))
        return
    if image is None:
        st.info("The chains start here once there is an image.", icon=":material/upload:")
        return
    left, right = st.columns([5, 3])
    with left, st.container(border=True, height="stretch"):
        hidden = choose_mask(image.x, cards.picture_shape(card))
    with right, st.container(border=True, height="stretch"):
        chains, method, seed, start = _settings(name)
    if not hidden.any():
        st.info("Nothing is hidden: paint on the image.", icon=":material/visibility:")
        return
    setup = Setup(name, card, image.x[None], hidden, method, chains, seed, start)
    view = show_player(setup)
    _exports(setup, image, view)


def _settings(name: str) -> tuple[int, str, int, int]:
    """How many chains, by which method, from which seed, after how many of pseudo-Gibbs."""
    chains = slide(
        "Chains",
        range(1, MOST_CHAINS + 1),
        4,
        name="chains",
        key="impute.chains",
        help="Independent chains, side by side, each from a random fill of its own.",
    )
    method = _method(name)
    start = 0
    if method != "pseudo-gibbs":
        start = choose_number(
            "Steps of pseudo-Gibbs first",
            0,
            LONGEST_START,
            20,
            name="start",
            key="impute.start",
            help="From a random fill nearly every proposal of a method that tests them would be "
            "rejected.",
        )

    def another() -> None:
        st.session_state[SEED] = (st.session_state[SEED] + 1) % (LARGEST_SEED + 1)

    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = choose_number("Seed", 0, LARGEST_SEED, 0, name="seed", key=SEED, width=140)
        st.button(
            "Another run",
            icon=":material/restart_alt:",
            key="impute.another_run",
            on_click=another,
            help="Other random fills and other draws, from the next seed.",
        )
    return chains, method, seed, start


def _method(name: str) -> str:
    """One of the methods that suit the model, with a sentence on it."""
    from engine.mcmc import suitable_methods

    suitable = [method for method in suitable_methods(cache.model(name)) if method in METHODS]
    unsuited = [method for method in METHODS if method not in suitable]
    before = st.session_state.get(METHOD)
    if before in unsuited:  # chosen on another model
        st.session_state[METHOD] = suitable[0]
        permalinks.keep(METHOD, "method", None)
        st.info(f"{title(before)} {_WHY}: {title(suitable[0])} instead.", icon=":material/block:")
    elif before is None and st.query_params.get("method") in unsuited:
        permalinks.refuse("method", f"must suit the model: {', '.join(suitable)}", None)
        permalinks.write(method=None)
    method = choose_one("Method", {key: title(key) for key in suitable}, name="method", key=METHOD)
    st.caption(METHODS[method].sentence + (f" Hamiltonian {_WHY}." if unsuited else ""))
    return method


def _exports(setup: Setup, image: Chosen, view: View) -> None:
    recording, shape, step = view.recording, setup.image_shape, view.step
    code = script.view(
        checkpoint=setup.checkpoint,
        image=image.code,
        image_shape=shape,
        hidden=setup.hidden,
        method=setup.method,
        chains=setup.chains,
        seed=setup.seed,
        start=recording.start,
        step=step,
        kind=view.kind,
        top=setup.top,
        warm_up=recording.warm_up,
    )
    files = [
        Export(
            "Pictures, PNG",
            "impute.png",
            "image/png",
            lambda: png(
                state_picture(recording, shape, step, view.kind, top=setup.top)
                .repeat(4, axis=0)
                .repeat(4, axis=1)
            ),
        ),
        Export(
            "Chains, GIF",
            "impute.gif",
            "image/gif",
            lambda: gif(chain_frames(recording, shape, step, view.kind), scale=3),
        ),
        Export(
            "Traces, CSV",
            "impute.csv",
            "text/csv",
            lambda: traces_csv(recording, step, view.pixel),
        ),
    ]
    show_exports(files, code, key="impute")
