"""The metrics of a card, as the [evaluation] of a recipe says."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

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
from engine.models import DBN, RBM, GenerativeModel, LatentVariableModel, TractableModel
from engine.random import make_generator
from engine.training.settings import Evaluation

__all__ = ["MEASURED", "exact_metrics", "measure", "work"]

MEASURED = "log_partition"
"""What the measuring leaves in the model, and the checkpoint keeps."""


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


def work(model: GenerativeModel, items: int, settings: Evaluation) -> int:
    """How much `measure` reports to its `progress` for `items` items, all in all."""
    chosen = min(items, settings.items or items)
    annealing = 2 * settings.chains * settings.temperatures
    if isinstance(model, RBM):
        return annealing
    if isinstance(model, TractableModel):
        terms = min(settings.samples, model.terms)
        return terms * chosen + (items if terms > 1 and chosen < items else 0)
    bound = settings.samples * chosen + (settings.elbo_samples * items if chosen < items else 0)
    return bound + (annealing if isinstance(model, DBN) else 0)


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
        *bound_metrics(result, settings.split, whole, settings.control),
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
