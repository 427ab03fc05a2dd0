"""From a recipe to a checkpoint with its card and its curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from engine.checkpoints import (
    Checkpoint,
    load_checkpoint,
    read_card,
    save_checkpoint,
    write_rows,
)
from engine.datasets import Dataset, load_dataset, load_own
from engine.errors import CheckpointError
from engine.models import build_model
from engine.training.loop import Run, TrainRecord
from engine.training.measuring import MEASURED, measure
from engine.training.recipe import Recipe, public_table


def train(
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    resume: bool = False,
    on_record: Callable[[TrainRecord], object] | None = None,
    on_evaluation: Callable[[int], object] | None = None,
) -> Checkpoint:
    """Train what `recipe` describes and write NAME.safetensors and NAME.csv into `folder`.

    NAME.state.safetensors beside them lets `resume` go on after a stop.

    Args:
        on_record: called with each record of the run.
        on_evaluation: called with the number of decoded images while the card's numbers are made.

    Raises:
        EngineError: the data are not at hand, the state does not fit, or training diverged.
        ValueError: the recipe's model or estimator has bad arguments.
    """
    dataset = dataset_of(recipe)
    before = start_seconds(recipe.training.start)
    state_path = folder / f"{recipe.name}.state.safetensors"
    run = Run(recipe, dataset, device=device, state_path=state_path, resume=resume)
    for record in run.records():
        if on_record is not None:
            on_record(record)

    config = run.model.config
    model = build_model(recipe.model.name, **config)
    weights = stored(run.best_weights, recipe.training.storage)
    model.load_state_dict({name: value.float() for name, value in weights.items()})
    model.to(device)
    x = getattr(dataset, recipe.evaluation.split).to(device)
    progress = run.progress
    metrics = measure(model, x, recipe.evaluation, on_evaluation)
    weights |= {k: v for k, v in model.state_dict().items() if k.endswith(MEASURED)}
    card = {
        "model": recipe.model.name,
        "config": config,
        "dataset": dataset.name,
        "protocol": dataset.protocol,
        **_described(dataset),
        "recipe": public_table(recipe.table),
        "seed": recipe.training.seed,
        "metrics": metrics,
        "training": {
            "steps": progress.step,
            "samples": progress.samples,
            "seconds": round(progress.seconds, 1),
            "start_seconds": before,
            "selected_step": progress.best_step,
            "valid_bound": progress.best_bound,
            "select_samples": recipe.training.select_samples,
            "device": _device_name(device),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        },
    }
    path = save_checkpoint(folder / f"{recipe.name}.safetensors", weights, card, run.curves)
    if progress.variance_rows:
        write_rows(folder / f"{recipe.name}.variance.csv", progress.variance_rows)
    return load_checkpoint(path)


def _described(dataset: Dataset) -> dict[str, list[Any]]:
    """What one has to know to show the items that a model draws, where the data are not at hand."""
    if dataset.vocabulary:
        return {"vocabulary": list(dataset.vocabulary)}
    return {"image_shape": list(dataset.image_shape)}


def start_seconds(start: str | None) -> float:
    """What the training of a checkpoint to start from took, with all that it started from itself.

    A card from before this was kept leads to its own start, as far as the checkpoints are there.

    Raises:
        CheckpointError: there is no checkpoint `start`.
    """
    seconds, seen = 0.0, set[str]()
    while start and start not in seen:
        try:
            card = read_card(start)
        except CheckpointError:
            if not seen:
                raise
            break
        seen.add(start)
        seconds += float(card["training"].get("seconds", 0.0))
        if "start_seconds" in card["training"]:
            seconds += float(card["training"]["start_seconds"])
            break
        start = card["recipe"].get("training", {}).get("start")
    return round(seconds, 1)


def dataset_of(recipe: Recipe) -> Dataset:
    """The data that `recipe` trains on, with as many training items as it says.

    Raises:
        EngineError: the data are not at hand.
        ValueError: they have fewer training items than that.
    """
    path = recipe.own_data
    dataset = load_dataset(recipe.data) if path is None else load_own(path)
    return dataset if recipe.items is None else dataset.with_fewer(recipe.items)


def measure_again(
    recipe: Recipe, checkpoint: Checkpoint, progress: Callable[[int], object] | None = None
) -> Checkpoint:
    """Measure a checkpoint as the [evaluation] of `recipe` says, and write that into its file.

    For a recipe whose [evaluation] was changed after the training: the weights stay what they are,
    unless `storage` now asks for 16 bits; then they are rounded first.

    Raises:
        EngineError: the data are not at hand, or the recipe differs in more than that.
    """
    table, before = public_table(recipe.table), checkpoint.card["recipe"]
    if _trained_by(table) != _trained_by(before):
        raise CheckpointError(
            f"{checkpoint.name} was trained by another recipe than {recipe.name}: they differ in "
            "more than [evaluation] and the `storage` of [training]; train it again."
        )
    storage, was = recipe.training.storage, before.get("training", {}).get("storage")
    if was == "float16" and storage != was:
        raise CheckpointError(
            f"{checkpoint.name} is stored in 16 bits, {recipe.name} asks for {storage}: what was "
            "rounded away does not come back; train it again."
        )
    weights = stored(safetensors.torch.load_file(checkpoint.path), storage)
    model = checkpoint.model
    model.load_state_dict({name: value.float() for name, value in weights.items()})
    dataset = dataset_of(recipe)
    x = getattr(dataset, recipe.evaluation.split)
    metrics = measure(model, x.to(next(model.parameters()).device), recipe.evaluation, progress)
    weights |= {k: v for k, v in model.state_dict().items() if k.endswith(MEASURED)}
    card = checkpoint.card | {"metrics": metrics, "recipe": table, **_described(dataset)}
    return load_checkpoint(save_checkpoint(checkpoint.path, weights, card))


def _trained_by(table: Mapping[str, Any]) -> dict[str, Any]:
    """What of a recipe decides the weights before they are rounded."""
    kept = {section: content for section, content in table.items() if section != "evaluation"}
    training = {key: value for key, value in table.get("training", {}).items() if key != "storage"}
    return kept | {"training": training}


def stored(weights: Mapping[str, Tensor], storage: str) -> dict[str, Tensor]:
    """The weights as the file keeps them; what is no weight stays exact."""
    dtype = getattr(torch, storage)
    exact = ("data_mean", MEASURED)
    return {
        k: v if k.endswith(exact) or not v.is_floating_point() else v.to(dtype)
        for k, v in weights.items()
    }


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name() if device.startswith("cuda") else "cpu"
