"""Cards and models of checkpoints; one that is trained again is loaded again."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

from dashboard.cache.process import start_engine
from dashboard.cards import order

if TYPE_CHECKING:
    from engine.checkpoints import Checkpoint
    from engine.models import LatentVariableModel

__all__ = [
    "Stamp",
    "broken_checkpoints",
    "card",
    "cards",
    "checkpoint",
    "derived",
    "model",
    "stamp",
]

T = TypeVar("T")
Stamp = tuple[int, int]


def stamp(name: str) -> Stamp:
    """Changes when the file of a checkpoint does, so that one trained again is loaded again.

    Raises:
        engine.CheckpointError: there is no such checkpoint.
        OSError: its file was removed in between.
    """
    start_engine()
    from engine.checkpoints import checkpoint_path

    status = checkpoint_path(name).stat()
    return status.st_mtime_ns, status.st_size


@st.cache_data(show_spinner=False, max_entries=256)
def _card(name: str, stamped: Stamp) -> dict[str, Any]:
    from engine.checkpoints import read_card

    return read_card(name)


@st.cache_resource(show_spinner=False, max_entries=48)
def _checkpoint(name: str, stamped: Stamp) -> Checkpoint:
    from engine.checkpoints import load_checkpoint

    loaded = load_checkpoint(name)
    loaded.model.eval().requires_grad_(False)
    return loaded


def _readable() -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    start_engine()
    from engine.checkpoints import list_checkpoints
    from engine.errors import EngineError

    good: dict[str, dict[str, Any]] = {}
    broken: dict[str, str] = {}
    for name in list_checkpoints():
        try:
            good[name] = _card(name, stamp(name))
        except (EngineError, OSError) as error:  # OSError: removed since it was listed
            broken[name] = str(error)
    return dict(sorted(good.items(), key=lambda item: order(*item))), broken


def cards() -> dict[str, dict[str, Any]]:
    """Name to card of every checkpoint whose header can be read, in the order of `cards.order`."""
    return _readable()[0]


def broken_checkpoints() -> dict[str, str]:
    """Name to what is wrong, for the files among the checkpoints that cannot be read."""
    return _readable()[1]


def card(name: str) -> dict[str, Any]:
    """The card of a checkpoint, without loading its weights.

    Raises:
        engine.CheckpointError: there is no such checkpoint, or its header is damaged.
    """
    return _card(name, stamp(name))


def checkpoint(name: str) -> Checkpoint:
    """The checkpoint, loaded once for all visitors; its model is in evaluation mode, grad-free.

    Raises:
        engine.CheckpointError: the file is missing, damaged, or does not fit its own card.
    """
    return _checkpoint(name, stamp(name))


def model(name: str) -> LatentVariableModel:
    """The model of `checkpoint(name)`: one copy for every visitor, so read it, never mutate it."""
    return checkpoint(name).model


@st.cache_resource(show_spinner=False, max_entries=128)
def _derived(key: Hashable, stamped: Stamp, _make: Callable[[], Any]) -> Any:
    return _make()


def derived(name: str, key: Hashable, make: Callable[[], T]) -> T:
    """What follows from a checkpoint: made by `make` unless it is kept under this `key`.

    All visitors share it, as everything here: read it, never change it.

    Raises:
        engine.CheckpointError: as `checkpoint`.
    """
    found: T = _derived((name, key), stamp(name), make)
    return found
