"""Hide a part of an image and watch chains fill it in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from dashboard import cache, cards, state
from dashboard.cards import Card
from dashboard.components.image_grid import image_grid, png
from dashboard.components.imputing import (
    choice,
    choose_image,
    choose_mask,
    show_stages,
    wants_bits,
)
from dashboard.components.pickers import checkpoint_picker
from dashboard.images import Prepared
from dashboard.imputation import (
    STRIP_STEPS,
    WARM_UP,
    Run,
    given_picture,
    identify,
    scale_bar,
    spread_colours,
    strip_picture,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["render"]

RUN, PLAYING, DRAW = "impute.run", "impute.playing", "impute.draw"
STRIDES = {1: "1", 5: "5", 25: "25"}

MOST_CHAINS = 8
TICK = 0.3  # seconds between pictures while playing: making one takes a third of that
LONGEST_PLAY = 2000  # transitions after which a forgotten tab stops
SIDE = 168  # screen pixels of the width of a picture, or a little less
STRIP_PIECE = 5  # steps that stay together where the strip wraps on a narrow screen


@dataclass(frozen=True)
class Setup:
    """What the chains start from: all that the part of the page that plays needs to know.

    Attributes:
        checkpoint: name of the checkpoint.
        card: its card.
        x: the whole image, `(1, data)` in [0, 1].
        observed: bool `(1, data)`, true where the chains are given the pixel.
        chains: how many side by side.
        stride: transitions at a time.
    """

    checkpoint: str
    card: Card
    x: Tensor
    observed: Tensor
    chains: int
    stride: int

    @property
    def image_shape(self) -> tuple[int, int]:
        """`(height, width)`."""
        return cards.image_shape(self.card)


def render() -> None:
    """Draw the page: image, mask and number of chains in widgets, then the chains in a fragment."""
    st.title("Impute")
    st.markdown(
        "Part of an image is hidden (orange), and chains fill it in: each draws causes "
        "$z \\sim q(z \\mid x)$ from the image as completed so far, redraws the hidden pixels from "
        "$p(x \\mid z)$, and starts again; the pixels it was given never change. "
        "Hide half of a 4 or a 7 and let several chains play: the spread stays dark where they "
        "agree and lights up where the visible half leaves room for more than one digit."
    )
    name = checkpoint_picker(capable=_can_be_shown, what="a checkpoint of images")
    if name is None:
        return
    from engine.errors import EngineError

    try:
        card = cache.card(name)
        cache.model(name)
        setup = _setup(name, card)
    except EngineError as error:
        st.error(str(error))
        return
    if setup is None:
        st.info(
            "The chains start here once there are an image and a mask.", icon=":material/upload:"
        )
    elif bool(setup.observed.all()):
        st.info("Nothing is hidden: choose another mask.", icon=":material/visibility:")
    else:
        # The interval of a fragment is fixed where it is called: playing and pausing rerun the
        # page once, every picture in between runs the fragment alone.
        st.fragment(_chains, run_every=TICK if st.session_state.get(PLAYING) else None)(setup)


def _can_be_shown(card: Card) -> bool:
    try:
        cards.image_shape(card)
    except ValueError:
        return False
    return True


def _setup(name: str, card: Card) -> Setup | None:
    """All widgets above the chains; None while an upload is missing."""
    left, middle, right = st.columns([11, 11, 6])
    with left.container(border=True, height="stretch"):
        image = choose_image(name, card)
    with middle.container(border=True, height="stretch"):
        mask = choose_mask(cards.image_shape(card))
    with right.container(border=True, height="stretch"):
        chains = st.slider(
            "Chains",
            1,
            MOST_CHAINS,
            4,
            key="impute.chains",
            help="Independent chains, side by side, each from a random fill of its own.",
        )
        stride = choice(
            "Transitions at a time",
            STRIDES,
            "impute.stride",
            "How far each step, and each picture while playing, moves the chains on.",
        )
    for title, chosen in (("Your image", image), ("Your mask", mask)):
        if isinstance(chosen, Prepared):
            show_stages(title, chosen)
    if image is None or mask is None:
        return None
    return Setup(name, card, _row(image), _row(mask).bool(), int(chains), stride)


def _row(chosen: Tensor | Prepared) -> Tensor:
    """As a batch of one, `(1, data)`."""
    import torch

    values = torch.from_numpy(chosen.pixels) if isinstance(chosen, Prepared) else chosen
    return values[None]


def _chains(setup: Setup) -> None:
    """Buttons and pictures: runs alone at every step and, while playing, every `TICK` seconds."""
    run = _current_run(setup)
    playing = bool(st.session_state.get(PLAYING))
    if playing:
        run.advance(setup.stride)
        if run.state.step >= LONGEST_PLAY:
            st.session_state[PLAYING] = False
            st.rerun()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if st.button(
            "Step",
            icon=":material/skip_next:",
            key="impute.step",
            width=104,
            help="Move every chain on.",
            disabled=playing,
        ):
            run.advance(setup.stride)
        if st.button(
            "Pause" if playing else "Play",
            icon=":material/pause:" if playing else ":material/play_arrow:",
            key="impute.play",
            width=104,
            type="primary",
            help="Step again and again, until you pause.",
        ):
            st.session_state[PLAYING] = not playing
            st.rerun()
        if st.button(
            "Reset",
            icon=":material/restart_alt:",
            key="impute.reset",
            width=104,
            help="Back to step 0, with another random fill.",
        ):
            st.session_state[DRAW] = state.integer(DRAW) + 1
            st.session_state.pop(RUN, None)
            run = _current_run(setup)
        kind = choice(
            "Show",
            {"means": "Means", "draws": "Draws"},
            "impute.show",
            "Means: of p(x | z), which the hidden pixels are drawn from (for bits the probability "
            "of ink). Draws: the pixels themselves, which the next step starts from.",
        )
    st.markdown(_summary(run, setup))
    _show_now(run, setup, kind)
    _show_strip(run, setup, kind)


def _current_run(setup: Setup) -> Run:
    """The visitor's run, or a new one where anything that it started from has changed."""
    key = identify(setup.checkpoint, setup.x, setup.observed, setup.chains)
    run: Run | None = st.session_state.get(RUN)
    if run is None or run.key != key:
        model, seed = cache.model(setup.checkpoint), state.integer(DRAW)
        run = Run.start(key, model, setup.x, setup.observed, setup.chains, seed)
        st.session_state[RUN] = run
    return run


def _summary(run: Run, setup: Setup) -> str:
    hidden = ~setup.observed[0].numpy()
    truth, guess = setup.x[0].numpy()[hidden], run.mean()[hidden]
    if wants_bits(setup.card):
        wrong = float(((guess >= 0.5) != (truth >= 0.5)).mean())
        error = f"{wrong:.1%} of them wrong in the mean"
    else:
        error = f"root mean square error of the mean {np.sqrt(np.square(guess - truth).mean()):.3f}"
    return (
        f"**Step {run.state.step}** · {hidden.sum()} of {hidden.size} pixels hidden, {error} · "
        f"mean and spread over {run.completions} completions"
    )


def _show_now(run: Run, setup: Setup, kind: str) -> None:
    shape, frame = setup.image_shape, run.frame()
    scale = max(2, SIDE // shape[1] // 2 * 2)
    width = shape[1] * scale
    # One chain as large as the other pictures, several in two rows of half that size.
    rows = 1 if setup.chains == 1 else 2
    chains = image_grid(
        frame.means if kind == "means" else frame.draws,
        shape,
        columns=-(-setup.chains // rows),
        scale=scale // rows,
    )
    top = 0.2 if cards.is_density(setup.card) else 0.5
    mean = np.repeat(image_grid(run.mean(), shape, scale=scale)[..., :1], 3, axis=-1)
    spread = spread_colours(run.spread(), top, shape, scale=scale)
    given = given_picture(setup.x.numpy(), setup.observed.numpy(), shape, scale=scale)
    with st.container(horizontal=True):
        _picture(image_grid(setup.x, shape, scale=scale), width, "The whole image")
        _picture(given, width, "What the chains get")
        _picture(chains, chains.shape[1], f"{setup.chains} chain{'s' * (setup.chains > 1)} now")
        _picture(_with_bar(mean, colours=False), width, "Mean, 0 to 1")
        _picture(_with_bar(spread, colours=True), width, f"Spread, 0 to {top:g}")
    st.caption(
        "Mean and spread (standard deviation) are of E[x | z] in each pixel, over all chains and "
        f"steps; from step {WARM_UP + 1} on they leave out the first {WARM_UP}, which still "
        "remember the random fill. The bars below them are their scales."
    )


def _with_bar(picture: NDArray[np.uint8], *, colours: bool) -> NDArray[np.uint8]:
    """The picture with its scale below, RGBA; the gap is transparent on every theme."""
    height, width = picture.shape[:2]
    out = np.zeros((height + 14, width, 4), dtype=np.uint8)
    out[:height, :, :3], out[:height, :, 3] = picture, 255
    out[height + 4 :, :, :3], out[height + 4 :, :, 3] = scale_bar(width, 10, colours=colours), 255
    return out


def _picture(pixels: NDArray[np.uint8], width: int, caption: str) -> None:
    st.image(png(pixels), caption=caption, width=width, alt=caption)


def _show_strip(run: Run, setup: Setup, kind: str) -> None:
    st.subheader(f"The first {STRIP_STEPS} steps")
    columns = [frame.means if kind == "means" else frame.draws for frame in run.frames]
    pieces = [(0, 0)]
    pieces += [(s, s + STRIP_PIECE - 1) for s in range(1, STRIP_STEPS + 1, STRIP_PIECE)]
    with st.container(horizontal=True):
        for first, last in pieces:
            picture = strip_picture(
                columns[first : last + 1],
                last - first + 1,
                setup.image_shape,
                chains=setup.chains,
                scale=2,
            )
            label = "Fill" if last == 0 else f"Steps {first} to {last}"
            _picture(picture, picture.shape[1], label)
    st.caption(
        "A row for each chain, as in Figure 5 of Rezende, Mohamed and Wierstra (2014), "
        "[arXiv:1401.4082](https://arxiv.org/abs/1401.4082)."
    )
