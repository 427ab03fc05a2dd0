"""The table of imputation quality: made by a plan, kept as CSV, read by everybody."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from engine.checkpoints import pretrained_folder, write_atomically
from engine.errors import CheckpointError
from engine.evaluation.completion_bound import conditional_bound
from engine.evaluation.imputation import GUIDES, Accuracy, accuracy, summary
from engine.evaluation.imputation_plan import ImputationPlan
from engine.evaluation.imputation_task import ImputationTask, load_task
from engine.evaluation.likelihood import standard_error
from engine.mcmc.imputation import suitable_methods

__all__ = ["ImputationRow", "measure_group", "read_table", "table_path", "write_table"]


@dataclass(frozen=True)
class ImputationRow:
    """One method on one checkpoint's data under one mask; a line of the CSV.

    Each `..._se` is the standard error over the items.

    Attributes:
        checkpoint, dataset, split, mask, method: names.
        hidden: share of the pixels that are missing.
        items: imputed images.
        chains, start, warm_up, transitions: of each item, see `accuracy`.
        samples, log_conditional: log p(x_m | x_o) of the truth in nats per item, from `samples`
            draws each. It belongs to the model, so all methods of a checkpoint and mask have the
            same: it is made once, with completed items of all of them.
        seed: of items, mask and draws.
        quantity: what `error` is, "bit_error" (share of the hidden pixels) or "rmse" (pixel value).
        error: of the chain's mean, see `Accuracy`.
        change: of `error` against pseudo-Gibbs, below zero where the method is better. As both
            see the same items, its standard error is smaller than those of the two errors.
        draw_error: of single draws.
        calibration: squared error of the mean over the variance that the chain claims.
        acceptance: share of the proposals that were taken.
    """

    checkpoint: str
    dataset: str
    split: str
    mask: str
    hidden: float
    method: str
    items: int
    chains: int
    start: int
    warm_up: int
    transitions: int
    samples: int
    seed: int
    log_conditional: float
    log_conditional_se: float
    quantity: str
    error: float
    error_se: float
    change: float
    change_se: float
    draw_error: float
    draw_error_se: float
    calibration: float
    calibration_se: float
    acceptance: float
    acceptance_se: float

    @property
    def group(self) -> tuple[str, str]:
        """What the rows of one measurement share: checkpoint and mask."""
        return self.checkpoint, self.mask


_READ: dict[str, Callable[[str], str | int | float]] = {"str": str, "int": int, "float": float}
_COLUMNS = {field.name: _READ[str(field.type)] for field in fields(ImputationRow)}


def measure_group(
    plan: ImputationPlan,
    checkpoint: str,
    mask: str,
    *,
    data: str | None = None,
    progress: Callable[[int], object] | None = None,
) -> list[ImputationRow]:
    """The rows of one checkpoint and mask: all methods that suit the model, on the same items.

    Args:
        plan: says which items, and how long the chains are.
        checkpoint: name or path.
        mask: one of `engine.datasets.masks.NAMED`.
        data: where the user's own data are that the checkpoint learned from, if it did.
        progress: called with the number of chain transitions made since.

    Raises:
        EngineError: the checkpoint or its data set is missing or broken.
        ValueError: there is no such mask.
    """
    task = load_task(
        checkpoint, mask, data=data, split=plan.split, items=plan.items, seed=plan.seed
    )
    methods = suitable_methods(task.model)
    found: dict[str, Accuracy] = {}
    guides = []
    for method in methods:
        found[method], completed = accuracy(
            task.model,
            task.x,
            task.observed,
            method=method,
            chains=plan.chains,
            start=plan.start,
            warm_up=plan.warm_up,
            transitions=plan.transitions,
            generator=task.chains_generator(),
            progress=progress,
        )
        # Evenly along the chains: neighbours come from different ones.
        share = min(len(completed), max(1, GUIDES // len(methods)))
        guides.append(completed[torch.linspace(0, len(completed) - 1, share).round().long()])
    inside = _log_conditional(task, torch.cat(guides), plan.samples)
    base = found["pseudo-gibbs"].error
    return [_row(plan, task, method, one, base, inside) for method, one in found.items()]


def _log_conditional(task: ImputationTask, guides: Tensor, samples: int) -> Tensor:
    """Log p(x_m | x_o) of each item as the difference of two bounds, see `Quality`."""
    generator = task.bound_generator()
    every = torch.ones_like(task.observed)
    whole = conditional_bound(
        task.model, task.x, every, task.x[None], samples=samples, generator=generator
    )
    return whole - conditional_bound(
        task.model, task.x, task.observed, guides, samples=samples, generator=generator
    )


def _row(
    plan: ImputationPlan,
    task: ImputationTask,
    method: str,
    found: Accuracy,
    base: Tensor,
    inside: Tensor,
) -> ImputationRow:
    entries = summary(found)
    named = {entry["name"]: (entry["value"], entry["standard_error"]) for entry in entries}
    quantity = str(entries[0]["name"])
    change = found.error - base
    return ImputationRow(
        task.checkpoint,
        task.dataset,
        plan.split,
        mask=task.mask,
        hidden=task.hidden,
        method=method,
        items=len(task.x),
        chains=plan.chains,
        start=plan.start,
        warm_up=plan.warm_up,
        transitions=plan.transitions,
        samples=plan.samples,
        seed=plan.seed,
        log_conditional=float(inside.mean()),
        log_conditional_se=standard_error(inside),
        quantity=quantity,
        error=named[quantity][0],
        error_se=named[quantity][1],
        change=float(change.mean()),
        change_se=standard_error(change),
        draw_error=named[f"{quantity}_of_draws"][0],
        draw_error_se=named[f"{quantity}_of_draws"][1],
        calibration=named["calibration"][0],
        calibration_se=named["calibration"][1],
        acceptance=named["acceptance"][0],
        acceptance_se=named["acceptance"][1],
    )


def table_path() -> Path:
    """Where the recorded table lies: beside the checkpoints."""
    return pretrained_folder() / "imputation.csv"


def write_table(path: Path, rows: Iterable[ImputationRow]) -> None:
    """Keep `rows` as CSV; an interrupted call leaves what was there."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        cells = astuple(row)
        writer.writerow([f"{cell:.7g}" if isinstance(cell, float) else cell for cell in cells])
    write_atomically(path, stream.getvalue().encode())


def read_table(path: Path | None = None) -> list[ImputationRow]:
    """The recorded rows, in the order of the plan; none where there is no file.

    Args:
        path: of the CSV; `table_path()` if None.

    Raises:
        CheckpointError: the file is not such a table.
    """
    path = table_path() if path is None else path
    if not path.is_file():
        return []
    again = "make it again by `python -m engine impute-table measure`."
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *lines = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CheckpointError(f"{path} is not CSV ({error}); {again}") from error
    if header != list(_COLUMNS):
        raise CheckpointError(f"{path} has other columns than a table of imputations; {again}")
    try:
        return [
            ImputationRow(*(read(c) for read, c in zip(_COLUMNS.values(), line, strict=True)))  # type: ignore[arg-type]
            for line in lines
        ]
    except ValueError as error:
        raise CheckpointError(f"{path} has a broken line ({error}); {again}") from error
