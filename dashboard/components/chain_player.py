"""The chain player: records chains for it, tells it what they say, takes what it reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import cache, cards, permalinks, state
from dashboard.cards import Card, wants_bits
from dashboard.components.pickers import suitable
from dashboard.frontend import register
from dashboard.logic.impute.class_mix import ClassMix
from dashboard.logic.impute.imputation import spread_top
from dashboard.logic.impute.playing import CAP, KINDS, Report, message, read_report
from dashboard.logic.impute.recording import Recording, identify
from dashboard.logic.impute.running import Running

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["KEY", "Setup", "View", "show_player"]

_player = register("chain_player")

KEY = "impute.player"
KEPT = "impute.recording"
EMBEDDED = 5000  # test images among which neighbours are looked for


@dataclass(frozen=True)
class Setup:
    """What the chains start from.

    Attributes:
        checkpoint: name of the checkpoint.
        card: its card.
        x: the whole image, `(1, data)` in [0, 1].
        hidden: bool `(pixels,)`, true where the chains fill in.
        method: a key of `engine.mcmc.METHODS`.
        chains: how many side by side.
        seed: of every draw.
        start: transitions of pseudo-Gibbs before those of another method.
    """

    checkpoint: str
    card: Card
    x: Tensor
    hidden: NDArray[np.bool_]
    method: str
    chains: int
    seed: int
    start: int

    @property
    def image_shape(self) -> tuple[int, ...]:
        """`(height, width)`, or `(height, width, 3)` in colour."""
        return cards.picture_shape(self.card)

    @property
    def channels(self) -> int:
        """Values of a pixel."""
        return self.x.shape[1] // len(self.hidden)

    @property
    def top(self) -> float:
        """The spread that is shown brightest."""
        return spread_top(density=cards.is_density(self.card))


@dataclass
class Kept:
    """A visitor's recording, with what was computed on it."""

    token: str
    recording: Recording
    joint: Running
    pixel: int
    trace: Running


@dataclass(frozen=True)
class View:
    """What the player shows, as far as the server knows: at its last rest.

    Attributes:
        recording: the chains.
        step, pixel, kind: see `playing.Report`.
    """

    recording: Recording
    step: int
    pixel: int
    kind: str


def show_player(setup: Setup) -> View:
    """Draw the player, with as many steps as it asks for."""
    import torch

    observed = torch.from_numpy(~setup.hidden.repeat(setup.channels))[None]
    settings = (setup.method, setup.chains, setup.seed, setup.start)
    token = identify(setup.checkpoint, setup.x, observed, *settings)
    value = state.reported(KEY, "view")
    pixels = len(setup.hidden)
    report = read_report(value, token, pixels)
    kept = st.session_state.get(KEPT)
    others = isinstance(kept, Kept) and kept.token != token
    linked = None if others or value is not None else _linked(pixels)
    view = report or linked or _carried(value, pixels)

    if not isinstance(kept, Kept) or others:
        recording = _record(setup, observed)
        joint, trace = Running(recording.warm_up), Running(recording.warm_up)
        kept = Kept(token, recording, joint, view.pixel, trace)
        st.session_state[KEPT] = kept
    # Of a link only the first steps at once: the player asks for the others, and shows how far.
    kept.recording.extend(report.wanted if report else Report(0, False, 0, 0, KINDS[0]).wanted)
    if kept.pixel != view.pixel:
        kept.pixel, kept.trace = view.pixel, Running(kept.recording.warm_up)
    kept.joint.update(kept.recording.log_joint(0, len(kept.recording)))
    kept.trace.update(kept.recording.pixel(view.pixel))

    header: dict[str, Any] = {
        "token": token,
        "shape": list(setup.image_shape),
        "top": setup.top,
        "method": setup.method,
        "step": linked.step if linked and "step" in st.query_params else None,
        "pixel": view.pixel,
        "kind": view.kind,
        "diagnostics": {"log_joint": kept.joint.message(), "pixel": kept.trace.message()},
    }
    data = message(
        kept.recording,
        header,
        first=report.have if report else 0,
        density=cards.is_density(setup.card),
    )
    _player(key=KEY, data=data, default={"view": None}, on_view_change=lambda: None)
    step = min(view.step, len(kept.recording) - 1)
    if report and not report.want:
        permalinks.write(step=step)
    if report:
        permalinks.write(pixel=view.pixel, show=view.kind if view.kind != KINDS[0] else None)
    return View(kept.recording, step, view.pixel, view.kind)


def _linked(pixels: int) -> Report:
    """What the address says; the pixel in the middle where it says nothing."""
    step = permalinks.read_integer("step", 0, 0, CAP - 1)
    pixel = permalinks.read_integer("pixel", _middle(pixels), 0, pixels - 1)
    return Report(0, False, step, pixel, permalinks.read_choice("show", KINDS, KINDS[0]))


def _carried(value: object, pixels: int) -> Report:
    """Other chains start from their fill; the pixel and what is shown stay as they were."""
    old = value.get("token") if isinstance(value, Mapping) else None
    report = read_report(value, str(old), pixels)
    permalinks.write(step=None)
    if report is None:
        return Report(0, False, 0, _middle(pixels), KINDS[0])
    return Report(0, False, 0, report.pixel, report.kind)


def _middle(pixels: int) -> int:
    return pixels // 2 + round(pixels**0.5) // 2


def _record(setup: Setup, observed: Tensor) -> Recording:
    return Recording(
        cache.model(setup.checkpoint),
        setup.x,
        observed,
        method=setup.method,
        chains=setup.chains,
        seed=setup.seed,
        start=setup.start,
        classes=_classes(setup.checkpoint, setup.card),
        channels=setup.channels,
    )


def _classes(name: str, card: Card) -> ClassMix | None:
    """Embedded test images with their classes: the model's own data, or what is here instead."""
    from engine.errors import EngineError

    for data in suitable(card):
        if not cache.dataset_is_here(data):
            continue
        try:
            known = cache.dataset(data)
            if known.labels is None:
                continue
            where, codes = cache.codes(name, data, "test", EMBEDDED, bits=wants_bits(card))
        except EngineError:  # the picker says what is wrong with the data
            continue
        return ClassMix(codes, known.labels["test"].numpy()[where], known.class_names)
    return None
