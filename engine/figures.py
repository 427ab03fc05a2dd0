"""Figures of the papers, made again from trainings of our own.

A TOML file lists the panels of a figure, the runs of each (a recipe with some keys changed) and
what the paper's figure shows. `engine.training.figure` trains the runs and records their curves as
one CSV file; here both are read.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.checkpoints import pretrained_folder, read_curves
from engine.errors import RecipeError
from engine.training.recipe import SHIPPED

__all__ = [
    "Figure",
    "FigureRun",
    "Panel",
    "Reading",
    "figure_path",
    "list_figures",
    "load_figure",
    "marginals",
    "marginals_path",
    "recorded",
]

FOLDER = SHIPPED / "figures"
AXES = ("samples", "steps")
QUANTITIES = {"elbo": "elbo", "log_likelihood": "bound"}
"""What a figure shows, and the column of the curves that it is read from."""


@dataclass(frozen=True)
class Reading:
    """What the paper shows for a run.

    Attributes:
        label: of the run that it is for.
        value: nats per item.
        samples: training items seen when it was read, or None: at the end.
        source: where it stands.
    """

    label: str
    value: float
    samples: float | None
    source: str


@dataclass(frozen=True)
class FigureRun:
    """One curve: a recipe with some of its keys changed ("section.key=value")."""

    label: str
    recipe: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    title: str
    runs: tuple[FigureRun, ...]
    readings: tuple[Reading, ...] = ()


@dataclass(frozen=True)
class Figure:
    """A figure of a paper.

    Attributes:
        name: of its file.
        title: what it shows.
        source: the paper and the figure's number.
        axis: "samples" seen or "steps".
        quantity: "elbo", or "log_likelihood": L_K with the K of the recipe.
        note: how our trainings differ from the paper's.
        marginal_items: training and test items that the marginal likelihood is estimated on in
            all known ways when a run has ended; 0: none.
        panels: from left to right.
    """

    name: str
    title: str
    source: str
    axis: str
    quantity: str
    note: str
    marginal_items: int
    panels: tuple[Panel, ...]


def list_figures() -> list[str]:
    """The names that `load_figure` knows, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_figure(name: str) -> Figure:
    """The figure of that name.

    Raises:
        RecipeError: there is none, or its file is malformed.
    """
    if name not in list_figures():
        raise RecipeError(f"no figure {name!r}; there are {', '.join(list_figures())}.")
    text = (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    try:
        return parse_figure(tomllib.loads(text), name)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"the figure {name!r} is not valid TOML: {error}.") from error


def parse_figure(table: Mapping[str, Any], name: str) -> Figure:
    """A figure from the parsed TOML `table`.

    Raises:
        RecipeError: a key is missing or has a value that is not allowed.
    """
    try:
        figure = Figure(
            name=name,
            title=table["title"],
            source=table["source"],
            axis=table["axis"],
            quantity=table["quantity"],
            note=table.get("note", ""),
            marginal_items=table.get("marginal_items", 0),
            panels=tuple(_panel(panel) for panel in table["panel"]),
        )
    except (KeyError, TypeError) as error:
        raise RecipeError(f"the figure {name!r} is not complete: it lacks {error}.") from error
    for key, value, allowed in [
        ("axis", figure.axis, AXES),
        ("quantity", figure.quantity, tuple(QUANTITIES)),
    ]:
        if value not in allowed:
            raise RecipeError(f"`{key}` of a figure must be one of {allowed}; got {value!r}.")
    for panel in figure.panels:
        labels = [run.label for run in panel.runs]
        if len(set(labels)) < len(labels):
            raise RecipeError(f"the panel {panel.title!r} has two runs of one label: {labels}.")
        if odd := [reading.label for reading in panel.readings if reading.label not in labels]:
            raise RecipeError(f"the panel {panel.title!r} has readings of no run: {odd}.")
    return figure


def _panel(table: Mapping[str, Any]) -> Panel:
    return Panel(
        title=table["title"],
        runs=tuple(
            FigureRun(run["label"], run["recipe"], tuple(run.get("set", ())))
            for run in table["run"]
        ),
        readings=tuple(
            Reading(reading["label"], reading["value"], reading.get("samples"), reading["source"])
            for reading in table.get("reading", ())
        ),
    )


def figure_path(name: str, folder: Path | None = None) -> Path:
    """Where the curves of a figure are kept, in `folder` or where the checkpoints are."""
    return (folder or pretrained_folder()) / "figures" / f"{name}.csv"


def marginals_path(name: str, folder: Path | None = None) -> Path:
    """Where the marginal likelihoods at the ends of the runs are kept."""
    return (folder or pretrained_folder()) / "figures" / f"{name}.marginal.csv"


def recorded(name: str) -> dict[str, np.ndarray]:
    """The curves of a figure in equally long columns; empty where nothing is recorded.

    Columns: panel and run (words), step, samples, seconds, train and valid (nats per item).

    Raises:
        CheckpointError: the file is damaged.
    """
    return dict(read_curves(figure_path(name)))


def marginals(name: str) -> dict[str, np.ndarray]:
    """Log p(x) at the end of each run, several estimators on the same items; may be empty.

    Columns: panel, run, split, estimator (words), value and standard_error (nats per item; over
    items), and items.

    Raises:
        CheckpointError: the file is damaged.
    """
    return dict(read_curves(marginals_path(name)))
