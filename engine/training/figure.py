"""The runs of a paper's figure: trained where they are missing, the curves gathered in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.checkpoints import (
    Checkpoint,
    load_checkpoint,
    read_card,
    read_curves,
    write_curves,
    write_rows,
)
from engine.datasets.learned import learned_dataset
from engine.errors import CheckpointError
from engine.evaluation.grid import grid_posterior
from engine.evaluation.likelihood import bounds, standard_error, subset
from engine.evaluation.marginal import kernel_marginal
from engine.figures import QUANTITIES, Figure, FigureRun, figure_path, marginals_path
from engine.random import derive_seed, make_generator
from engine.training.loop import TrainRecord
from engine.training.recipe import Recipe, load_recipe, public_table
from engine.training.run import train
from engine.training.state import saved_recipe

__all__ = ["make_runs", "marginal_rows"]

IMPORTANCE_SAMPLES = 5000
_MARGINAL = 3  # the stream of draws


@dataclass(frozen=True)
class _Job:
    """A run of a panel with its recipe and the folder that its checkpoint lies in."""

    panel: str
    run: FigureRun
    recipe: Recipe
    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / f"{self.recipe.name}.safetensors"

    @property
    def done(self) -> bool:
        """Whether there is a checkpoint of this very recipe."""
        try:
            return bool(read_card(self.path)["recipe"] == public_table(self.recipe.table))
        except CheckpointError:
            return False

    @property
    def stopped(self) -> bool:
        """Whether there is the saved state of a run of this very recipe."""
        return saved_recipe(self.path.with_suffix(".state.safetensors")) == self.recipe.table


def _jobs(figure: Figure, out: Path, work: Path) -> Iterator[_Job]:
    """Every run: shipped recipes belong beside the other checkpoints, changed ones to `work`."""
    for panel in figure.panels:
        for run in panel.runs:
            recipe = load_recipe(run.recipe, run.overrides)
            if run.overrides:
                digest = hashlib.sha256("\n".join(run.overrides).encode()).hexdigest()[:8]
                recipe = replace(recipe, name=f"{recipe.name}-{digest}")
            yield _Job(panel.title, run, recipe, work if run.overrides else out)


def make_runs(
    figure: Figure,
    out: Path,
    work: Path,
    *,
    panels: tuple[int, ...] = (),
    device: str = "cpu",
    on_record: Callable[[Recipe, TrainRecord], object] | None = None,
) -> None:
    """Train the runs that are missing, one after the other, and gather the curves after each.

    A run that was stopped goes on where its state was saved; two runs with the same recipe and
    the same changes are one.

    Args:
        out: folder of the checkpoints; the curves go into its folder "figures".
        work: folder of the runs whose weights nobody needs.
        panels: numbers, from 0, of those to train; all if empty.
        on_record: called with the recipe and each record of its run.

    Raises:
        EngineError: the data are not at hand, or a training diverged.
        ValueError: a panel's number is out of range.
    """
    if odd := [number for number in panels if not 0 <= number < len(figure.panels)]:
        raise ValueError(
            f"`panels` must lie between 0 and {len(figure.panels) - 1} for {figure.name!r}; "
            f"got {odd}."
        )
    wanted = {figure.panels[number].title for number in panels or range(len(figure.panels))}
    jobs = list(_jobs(figure, out, work))
    marginals = marginals_path(figure.name, out)
    for job in jobs:
        if job.panel not in wanted or job.done:
            continue
        # Before the training, so that a stop at any time leaves no numbers of older weights.
        marginals.unlink(missing_ok=True)
        train(
            job.recipe,
            job.folder,
            device=device,
            resume=job.stopped,
            on_record=on_record and (lambda record, job=job: on_record(job.recipe, record)),
        )
        _gather(figure, jobs, out)
    _gather(figure, jobs, out)
    if figure.marginal_items and not marginals.is_file() and all(job.done for job in jobs):
        rows = [
            {"panel": job.panel, "run": job.run.label, **row}
            for job in jobs
            for row in marginal_rows(
                load_checkpoint(job.path), figure.marginal_items, job.recipe.own_data
            )
        ]
        write_rows(marginals, rows)


def _gather(figure: Figure, jobs: list[_Job], out: Path) -> None:
    """Write the curves of the finished runs as one file."""
    columns: dict[str, list[Any]] = {
        name: [] for name in ("panel", "run", "step", "samples", "seconds", "train", "valid")
    }
    column = QUANTITIES[figure.quantity]
    for job in jobs:
        if not job.done:
            continue
        curves = read_curves(job.path.with_suffix(".csv"))
        for i in range(len(curves["step"])):
            row = (
                job.panel,
                job.run.label,
                *(float(curves[name][i]) for name in ("step", "samples", "seconds")),
                *(float(curves[f"{split}_{column}"][i]) for split in ("train", "valid")),
            )
            for values, value in zip(columns.values(), row, strict=True):
                values.append(value)
    if columns["panel"]:
        write_curves(figure_path(figure.name, out), columns)


def marginal_rows(
    checkpoint: Checkpoint, items: int, data: str | None = None
) -> list[dict[str, Any]]:
    """Log p(x) of training and test items by three estimators, for one to three latents.

    L_K by draws from q, a lower bound; Kingma and Welling's estimator (App. D); and quadrature,
    the truth.

    Args:
        items: of each split, chosen by the seed of the recipe.
        data: where the user's own data are that the checkpoint learned from, if it did.
    """
    card, model = checkpoint.card, checkpoint.model
    dataset = learned_dataset(card, data)
    rows = []
    for split in ("train", "test"):
        x = subset(getattr(dataset, split), items)
        generator = make_generator(derive_seed(card["seed"], _MARGINAL))
        values = {
            f"L_{IMPORTANCE_SAMPLES}": bounds(
                model, x, samples=IMPORTANCE_SAMPLES, generator=generator
            ).bound,
            "HMC and density estimate": kernel_marginal(model, x, generator=generator).estimate,
            "quadrature": torch.tensor(
                [grid_posterior(model, item).log_marginal for item in x], dtype=torch.float64
            ),
        }
        rows += [_row(split, name, estimate) for name, estimate in values.items()]
    return rows


def _row(split: str, estimator: str, values: Tensor) -> dict[str, Any]:
    return {
        "split": split,
        "estimator": estimator,
        "items": len(values),
        "value": float(values.mean()),
        "standard_error": standard_error(values),
    }
