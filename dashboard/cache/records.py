"""What trainings and measurements recorded in tables beside the checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.cache.process import start_engine

if TYPE_CHECKING:
    from engine.evaluation.imputation_table import ImputationRow
    from engine.figures import Figure

__all__ = [
    "curves",
    "imputation_table",
    "paper_curves",
    "paper_datasets",
    "paper_figures",
    "paper_marginals",
    "variance_curves",
]


@st.cache_data(show_spinner=False, max_entries=64)
def _curves(path: Path, stamp: int) -> dict[str, NDArray[np.float64]]:
    from engine.checkpoints import read_curves

    return read_curves(path)


def _columns(path: Path) -> dict[str, NDArray[Any]]:
    """The columns of a CSV file as it is now; none where there is no file."""
    return _curves(path, path.stat().st_mtime_ns) if path.is_file() else {}


def curves(name: str) -> dict[str, NDArray[np.float64]]:
    """The training curves: equally long columns, NaN where not measured; empty if none were kept.

    Raises:
        engine.CheckpointError: there is no such checkpoint, or its curves are damaged.
    """
    start_engine()
    from engine.checkpoints import checkpoint_path

    return _columns(checkpoint_path(name).with_suffix(".csv"))


def variance_curves(name: str) -> dict[str, NDArray[Any]]:
    """The gradient variances recorded while training, by column; empty if none were.

    Raises:
        engine.CheckpointError: there is no such checkpoint, or the file is damaged.
    """
    start_engine()
    from engine.checkpoints import checkpoint_path

    return _columns(checkpoint_path(name).with_suffix(".variance.csv"))


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

    return _columns(figure_path(name))


def paper_marginals(name: str) -> dict[str, NDArray[Any]]:
    """Log p(x) at the ends of the runs of a figure, by column; empty if not measured.

    Raises:
        engine.CheckpointError: the file is damaged.
    """
    start_engine()
    from engine.figures import marginals_path

    return _columns(marginals_path(name))


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
