"""From a recipe to a checkpoint with its card and its curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from engine.checkpoints import Checkpoint, load_checkpoint, save_checkpoint, write_rows
from engine.datasets import Dataset, load_dataset, load_own
from engine.errors import CheckpointError
from engine.evaluation import exact
from engine.evaluation.likelihood import (
    bound_metrics,
    bounds,
    controlled,
    elbo_metrics,
    metric,
    subset,
)
from engine.evaluation.partition import partition_metrics, sandwich, sandwich_metrics
from engine.evaluation.perplexity import perplexity_metrics
from engine.evaluation.validation import likelihood_metric, log_likelihoods
from engine.models import (
    DBN,
    RBM,
    GenerativeModel,
    LatentVariableModel,
    TractableModel,
    build_model,
)
from engine.random import make_generator
from engine.training.loop import Run, TrainRecord
from engine.training.recipe import Recipe, public_table
from engine.training.settings import Evaluation

MEASURED = "log_partition"
"""What the measuring leaves in the model, and the checkpoint keeps."""


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
        "recipe": public_table(recipe.table),
        "seed": recipe.training.seed,
        "metrics": metrics,
        "training": {
            "steps": progress.step,
            "samples": progress.samples,
            "seconds": round(progress.seconds, 1),
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
    x = getattr(dataset_of(recipe), recipe.evaluation.split)
    metrics = measure(model, x.to(next(model.parameters()).device), recipe.evaluation, progress)
    weights |= {k: v for k, v in model.state_dict().items() if k.endswith(MEASURED)}
    card = checkpoint.card | {"metrics": metrics, "recipe": table}
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


def measure(
    model: GenerativeModel,
    x: torch.Tensor,
    settings: Evaluation,
    progress: Callable[[int], object] | None = None,
) -> list[dict[str, Any]]:
    """The card's metrics of `model` on `x` ``(items, data)``, by the recipe's settings.

    The exact log-likelihood where the model has a density that can be said; the ELBO and L_K of a
    latent-variable model. Where a log Z has to be known, it is estimated first, by
    `settings.chains` chains, and left in the model's `log_partition`.
    """
    if isinstance(model, TractableModel):
        return [measure_density(model, x, settings, progress)]
    if isinstance(model, DBN):
        return measure_deep_belief(model, x, settings, progress)
    if isinstance(model, RBM):
        return sandwich_metrics(
            model,
            subset(x, settings.items),
            chains=settings.chains,
            temperatures=settings.temperatures,
            split=settings.split,
            generator=make_generator(settings.seed, x.device),
            progress=progress,
        )
    assert isinstance(model, LatentVariableModel)
    return measure_bounds(model, x, settings, progress)


def measure_density(
    model: TractableModel,
    x: torch.Tensor,
    settings: Evaluation,
    progress: Callable[[int], object] | None = None,
) -> dict[str, Any]:
    """The log-likelihood of a model whose density can be said.

    Where the density is a mixture of several and `settings.items` asks for fewer items than there
    are, the mixture is computed for those alone, the first density for all: it tells by how much
    those items are harder than all (see `controlled`).
    """
    chosen, terms = subset(x, settings.items), min(settings.samples, model.terms)
    values = log_likelihoods(model, chosen, terms=terms, progress=progress)
    entry = likelihood_metric(values, settings.split, terms)
    if terms > 1 and len(chosen) < len(x):
        every = log_likelihoods(model, x, terms=1, progress=progress)
        some = subset(every, settings.items)  # by the same seed, so of the same items
        entry |= controlled(values - some, some, every)
        entry["estimator"] += f", of {len(chosen)} items, the first of all as control variate"
    return entry


def measure_deep_belief(
    model: DBN,
    x: torch.Tensor,
    settings: Evaluation,
    progress: Callable[[int], object] | None = None,
) -> list[dict[str, Any]]:
    """The bounds of a deep belief network and log Z of its machine from both sides.

    The standard errors of the bounds take in that of log Z from below, which they use.
    """
    below, above = sandwich(
        model.top,
        chains=settings.chains,
        temperatures=settings.temperatures,
        generator=make_generator(settings.seed, x.device),
        progress=progress,
    )
    rows = measure_bounds(model, x, settings, progress)
    for row in rows:
        if row["name"] not in ("reconstruction", "kl"):
            row["standard_error"] = math.hypot(row["standard_error"], below.standard_error)
    temperatures, split = settings.temperatures, settings.split
    return [*rows, *partition_metrics(below, above, temperatures, split, rows[-1]["items"])]


def measure_bounds(
    model: LatentVariableModel,
    x: torch.Tensor,
    settings: Evaluation,
    progress: Callable[[int], object] | None = None,
) -> list[dict[str, Any]]:
    """The ELBO with its parts and L_K of a latent-variable model.

    Where `settings.items` asks for fewer items than there are, only the costly L_K is measured
    on those; the ELBO and its parts are measured on all, with `settings.elbo_samples` draws each,
    and tell by how much those items are harder than all (see `bound_metrics`).
    Where a model has so few latent bits that summing over them costs no more than L_K, the exact
    log-likelihood of the same items comes last.
    """
    generator = make_generator(settings.seed, x.device)
    chosen = subset(x, settings.items)
    result = bounds(model, chosen, samples=settings.samples, generator=generator, progress=progress)
    whole = None
    if len(chosen) < len(x):
        draws = settings.elbo_samples
        whole = bounds(model, x, samples=draws, generator=generator, progress=progress)
    return [
        *elbo_metrics(whole or result, settings.split),
        *bound_metrics(result, settings.split, whole),
        *perplexity_metrics(model, chosen, result, settings.split),
        *exact_metrics(model, chosen, settings),
    ]


@torch.no_grad()
def exact_metrics(
    model: LatentVariableModel, x: torch.Tensor, settings: Evaluation
) -> list[dict[str, Any]]:
    """The entry of the exact log-likelihood of `x`, or nothing where it would cost too much.

    Nothing of a prior with an energy either, whose log Z is an estimate.
    """
    if model.latent_kind != "bernoulli" or model.prior_kind == "energy":
        return []
    states = 2 ** sum(model.layer_sizes)
    if states > min(settings.samples, 2**exact.MAX_BITS):
        return []
    values = torch.cat([exact.log_marginal(model, items).double() for items in x.split(100)])
    estimator, split = "exact, by enumeration", settings.split
    return [metric("log_likelihood", values, estimator, samples=states, split=split)]


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name() if device.startswith("cuda") else "cpu"
