"""Every Streamlit cache of the app: one copy of models, data and drawn samples for all visitors.

What these functions return is shared: read it, never change it in place. torch and the engine are
imported on the first call, not with this module, so that a page paints before they are loaded.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.cards import order

if TYPE_CHECKING:
    from dashboard.logic.latent_space.tsne import TsneRun
    from dashboard.logic.recognition.gap_runs import GapRun
    from dashboard.logic.runs import Runs
    from engine.checkpoints import Checkpoint
    from engine.datasets import Dataset
    from engine.evaluation.imputation_table import ImputationRow
    from engine.figures import Figure
    from engine.mcmc.comparison import Comparison
    from engine.models import LatentVariableModel

T = TypeVar("T")

__all__ = [
    "broken_checkpoints",
    "card",
    "cards",
    "checkpoint",
    "codes",
    "curves",
    "dataset",
    "dataset_is_here",
    "derived",
    "gap_runs",
    "imputation_table",
    "latent_effects",
    "model",
    "paper_curves",
    "paper_datasets",
    "paper_figures",
    "paper_marginals",
    "prior_means",
    "start_engine",
    "tiny_comparison",
    "tsne_runs",
    "variance_curves",
]


@st.cache_resource(show_spinner=False)
def start_engine() -> None:
    """Import the engine once for the process, and settle torch in it for serving many visitors."""
    import torch

    import engine  # noqa: F401

    # One thread a visitor: the models are small, and threads that spin on cores which a training
    # (or another visitor) holds make everything a hundred times slower.
    torch.set_num_threads(1)
    # The quarter million objects of the imports will live as long as the process: out of the
    # collector's sight they cost nothing at each collection.
    gc.collect()
    gc.freeze()


def _stamp(name: str) -> tuple[int, int]:
    """Changes when the file of a checkpoint does, so that one trained again is loaded again."""
    from engine.checkpoints import checkpoint_path

    status = checkpoint_path(name).stat()
    return status.st_mtime_ns, status.st_size


@st.cache_data(show_spinner=False, max_entries=256)
def _card(name: str, stamp: tuple[int, int]) -> dict[str, Any]:
    from engine.checkpoints import read_card

    return read_card(name)


@st.cache_resource(show_spinner=False, max_entries=48)
def _checkpoint(name: str, stamp: tuple[int, int]) -> Checkpoint:
    from engine.checkpoints import load_checkpoint

    loaded = load_checkpoint(name)
    loaded.model.eval().requires_grad_(False)
    return loaded


@st.cache_data(show_spinner=False, max_entries=64)
def _curves(path: Path, stamp: int) -> dict[str, NDArray[np.float64]]:
    from engine.checkpoints import read_curves

    return read_curves(path)


def _columns(path: Path) -> dict[str, NDArray[Any]]:
    """The columns of a CSV file as it is now; none where there is no file."""
    return _curves(path, path.stat().st_mtime_ns) if path.is_file() else {}


@st.cache_resource(show_spinner=False, max_entries=8)
def _dataset(name: str) -> Dataset:
    from engine.datasets import load_dataset

    return load_dataset(name, download=False)


def _readable() -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    start_engine()
    from engine.checkpoints import list_checkpoints
    from engine.errors import EngineError

    good: dict[str, dict[str, Any]] = {}
    broken: dict[str, str] = {}
    for name in list_checkpoints():
        try:
            good[name] = _card(name, _stamp(name))
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
    start_engine()
    return _card(name, _stamp(name))


def checkpoint(name: str) -> Checkpoint:
    """The checkpoint, loaded once for all visitors; its model is in evaluation mode, grad-free.

    Raises:
        engine.CheckpointError: the file is missing, damaged, or does not fit its own card.
    """
    start_engine()
    return _checkpoint(name, _stamp(name))


def model(name: str) -> LatentVariableModel:
    """The model of `checkpoint(name)`: one copy for every visitor, so read it, never mutate it."""
    return checkpoint(name).model


def curves(name: str) -> dict[str, NDArray[np.float64]]:
    """The training curves: equally long columns, NaN where not measured; empty if none were kept.

    Raises:
        engine.CheckpointError: there is no such checkpoint, or its curves are damaged.
    """
    start_engine()
    from engine.checkpoints import checkpoint_path

    path = checkpoint_path(name).with_suffix(".csv")
    return _columns(path)


def variance_curves(name: str) -> dict[str, NDArray[Any]]:
    """The gradient variances recorded while training, by column; empty if none were.

    Raises:
        engine.CheckpointError: there is no such checkpoint, or the file is damaged.
    """
    start_engine()
    from engine.checkpoints import checkpoint_path

    path = checkpoint_path(name).with_suffix(".variance.csv")
    return _columns(path)


@st.cache_resource(show_spinner=False)
def paper_figures() -> dict[str, Figure]:
    """Name to figure of a paper that we draw again."""
    start_engine()
    from engine.figures import list_figures, load_figure

    return {name: load_figure(name) for name in list_figures()}


@st.cache_data(show_spinner=False)
def paper_datasets(name: str) -> list[str]:
    """The data set of each panel of a figure."""
    from engine.training.recipe import load_recipe

    runs = [panel.runs[0] for panel in paper_figures()[name].panels]
    return [load_recipe(run.recipe, run.overrides).data for run in runs]


def paper_curves(name: str) -> dict[str, NDArray[Any]]:
    """The recorded curves of a figure, by column; empty if none were.

    Raises:
        engine.CheckpointError: the file is damaged.
    """
    start_engine()
    from engine.figures import figure_path

    path = figure_path(name)
    return _columns(path)


def paper_marginals(name: str) -> dict[str, NDArray[Any]]:
    """Log p(x) at the ends of the runs of a figure, by column; empty if not measured.

    Raises:
        engine.CheckpointError: the file is damaged.
    """
    start_engine()
    from engine.figures import marginals_path

    path = marginals_path(name)
    return _columns(path)


def dataset_is_here(name: str) -> bool:
    """Whether the files of a data set are on this machine; they may still turn out to be broken."""
    start_engine()
    from engine.datasets import find_dataset

    return find_dataset(name) is not None


def dataset(name: str) -> Dataset:
    """The data set, from this machine alone: a page never starts a download while it is drawn.

    Raises:
        engine.DatasetError: it is not on this machine; the message says how to fetch it.
    """
    start_engine()
    return _dataset(name)


@st.cache_data(show_spinner=False, max_entries=512)
def _prior_means(name: str, stamp: tuple[int, int], count: int, seed: int) -> NDArray[np.uint8]:
    import torch

    from engine.random import make_generator

    shared = _checkpoint(name, stamp).model
    with torch.inference_mode():
        z = shared.prior().sample((count,), generator=make_generator(seed))
        means = shared.likelihood(z).mean
    return (means.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def prior_means(name: str, count: int, seed: int) -> NDArray[np.uint8]:
    """Means of p(x | z) for `count` draws z ~ p(z), uint8 `(count, data)`.

    The mean shows more than a draw of the pixels: their noise is the likelihood's, not the model's.

    Raises:
        engine.CheckpointError: as `checkpoint`.
    """
    start_engine()
    return _prior_means(name, _stamp(name), count, seed)


@st.cache_resource(show_spinner=False, max_entries=32)
def _codes(
    name: str, stamp: tuple[int, int], data: str, split: str, count: int, bits: bool
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    import torch

    from dashboard.embedding import subset
    from engine.decoding import encode

    images = getattr(_dataset(data), split)
    indices = subset(len(images), count)
    x = images[torch.from_numpy(indices)]
    found = encode(_checkpoint(name, stamp).model, (x >= 0.5).to(x.dtype) if bits else x).numpy()
    for array in (indices, found):
        array.setflags(write=False)  # shared by all visitors
    return indices, found


def codes(
    name: str, data: str, split: str, count: int, *, bits: bool
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Recognition means of (at most) `count` images of a split.

    Args:
        name: of the checkpoint.
        data: name of a data set that is on this machine.
        split: "train", "valid" or "test".
        count: images; always the same ones, see `embedding.subset`.
        bits: whether grey values are first cut at one half, for a model that knows bits.

    Returns:
        Their positions in the split, `(n,)`, and E[z | x], `(n, latent)`; both read-only.

    Raises:
        engine.CheckpointError: as `checkpoint`.
        engine.DatasetError: as `dataset`.
    """
    start_engine()
    return _codes(name, _stamp(name), data, split, count, bits)


@st.cache_data(show_spinner=False, max_entries=96)
def _latent_effects(name: str, stamp: tuple[int, int], layer: int) -> NDArray[np.float32]:
    from engine.decoding import effects

    return effects(_checkpoint(name, stamp).model, layer).numpy()


def latent_effects(name: str, layer: int) -> NDArray[np.float32]:
    """How far each latent of a layer moves the image, see `decoding.effects`.

    Raises:
        engine.CheckpointError: as `checkpoint`.
    """
    start_engine()
    return _latent_effects(name, _stamp(name), layer)


@st.cache_resource(show_spinner=False, max_entries=128)
def _derived(key: Hashable, stamp: tuple[int, int], _make: Callable[[], Any]) -> Any:
    return _make()


def derived(name: str, key: Hashable, make: Callable[[], T]) -> T:
    """What follows from a checkpoint: made by `make` unless it is kept under this `key`.

    All visitors share it, as everything here: read it, never change it.

    Raises:
        engine.CheckpointError: as `checkpoint`.
    """
    start_engine()
    found: T = _derived((name, key), _stamp(name), make)
    return found


@st.cache_resource(show_spinner=False)
def tsne_runs() -> Runs[TsneRun]:
    """The t-SNE runs of all visitors."""
    from dashboard.logic.runs import Runs

    return Runs()


@st.cache_resource(show_spinner=False)
def gap_runs() -> Runs[GapRun]:
    """The anatomies of gaps of all visitors."""
    from dashboard.logic.runs import Runs

    return Runs()


@st.cache_resource(show_spinner=False)
def tiny_comparison(name: str) -> Comparison:
    """The methods of imputation on a model of `engine.mcmc.tiny.TINY`, beside the exact law."""
    start_engine()
    from engine.mcmc.comparison import compare
    from engine.mcmc.tiny import TINY
    from engine.random import make_generator

    model, x, observed = TINY[name]()
    return compare(model, x, observed, generator=make_generator(0))


@st.cache_data(show_spinner=False, max_entries=2)
def _imputation_table(path: Path, stamp: int) -> list[ImputationRow]:
    from engine.evaluation.imputation_table import read_table

    return read_table(path)


def imputation_table() -> list[ImputationRow]:
    """The recorded quality of imputations; empty if none was recorded.

    Raises:
        engine.CheckpointError: the file is damaged.
    """
    start_engine()
    from engine.evaluation.imputation_table import table_path

    path = table_path()
    return _imputation_table(path, path.stat().st_mtime_ns) if path.is_file() else []
