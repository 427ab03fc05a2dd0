"""Gradient variances of one checkpoint as a file beside it, like those recorded in a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.checkpoints import read_curves, write_rows
from engine.errors import CheckpointError
from engine.estimators.variants import VARIANTS
from engine.variance_jobs import Result

__all__ = ["write_record"]


def write_record(
    folder: Path, name: str, card: Mapping[str, Any], results: Sequence[Result]
) -> Path:
    """Write NAME.variance.csv: the columns that a training records, at its last step alone.

    Raises:
        CheckpointError: a training has recorded more steps than that under this name.
    """
    path = folder / f"{name}.variance.csv"
    if len(set(read_curves(path).get("step", ()))) > 1:
        raise CheckpointError(
            f"{path} was recorded over a training, and stays as it is: choose another folder."
        )
    training = card.get("training", {})
    rows = [
        {
            "step": training.get("steps", 0),
            "samples": training.get("samples", 0),
            **row,
            "estimator": VARIANTS[row["estimator"]].title,
            "batch_size": one.job.batch_size,
            "fit_steps": one.summary["fit_steps"],
            "seconds": one.summary["seconds_per_draw"],
            "truth": one.summary["truth"],
        }
        for one in results
        for row in one.rows
    ]
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(path, rows)
    return path
