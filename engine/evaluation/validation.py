"""What is measured of a model, whatever its kind: a point of the curves, exact log-likelihoods."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from engine.checks import check_size
from engine.evaluation.likelihood import bounds, metric
from engine.models.base import GenerativeModel, LatentVariableModel
from engine.models.energy import EnergyModel
from engine.models.tractable import TractableModel

CHUNK_ITEMS = 500
"""Items whose exact density is computed at a time, for bounded memory."""


def validate(
    model: GenerativeModel, x: Tensor, *, samples: int, generator: torch.Generator
) -> dict[str, float]:
    """Means over the items of `x` ``(items, data)``, in nats: a point of the training curves.

    Args:
        samples: K of the bound L_K of a latent-variable model; of a tractable one, how many of its
            densities are averaged where it has several.

    Returns:
        elbo, reconstruction, kl and bound. The density of a tractable model is both `elbo` and
        `bound`. For an energy model both are -F(x) less its `log_partition`, which is as right as
        `engine.evaluation.partition.settle` left it. What there is not is NaN.

    Raises:
        ValueError: `samples` is below 1, `x` is empty or its width is wrong.
    """
    check_size("samples", samples)
    nothing = {"reconstruction": math.nan, "kl": math.nan}
    if isinstance(model, TractableModel):
        value = float(log_likelihoods(model, x, terms=samples).mean())
        return {"elbo": value, **nothing, "bound": value}
    if isinstance(model, EnergyModel):
        value = float(energy_likelihoods(model, x).mean())
        return {"elbo": value, **nothing, "bound": value}
    assert isinstance(model, LatentVariableModel)
    result = bounds(model, x, samples=samples, generator=generator)
    return {
        name: float(getattr(result, name).mean())
        for name in ("elbo", "reconstruction", "kl", "bound")
    }


@torch.no_grad()
def energy_likelihoods(model: EnergyModel, x: Tensor) -> Tensor:
    """-F(x) - `log_partition` of every item of `x` ``(items, data)`` in float64 nats.

    Raises:
        ValueError: `x` is empty or its width is wrong.
    """
    if len(x) == 0:
        raise ValueError("`x` must hold one item or more; got none.")
    energies = [model.free_energy(rows).double() for rows in x.split(CHUNK_ITEMS)]
    return -torch.cat(energies) - model.log_partition.double()


@torch.no_grad()
def log_likelihoods(
    model: TractableModel,
    x: Tensor,
    *,
    terms: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Tensor:
    """Log p(x) of every item of `x` ``(items, data)`` in float64 nats, in evaluation mode.

    Args:
        terms: see `TractableModel.quick_log_prob`; None takes all.
        progress: called with the number of densities computed after each chunk.

    Raises:
        ValueError: `terms` is below 1, `x` is empty or its width is wrong.
    """
    if terms is not None:
        check_size("terms", terms)
    if len(x) == 0:
        raise ValueError("`x` must hold one item or more; got none.")
    count = model.terms if terms is None else min(terms, model.terms)
    was_training = model.training
    model.eval()
    values = torch.empty(len(x), dtype=torch.float64, device=x.device)
    try:
        for rows, column in zip(x.split(CHUNK_ITEMS), values.split(CHUNK_ITEMS), strict=True):
            column.copy_(model.quick_log_prob(rows, count))
            if progress is not None:
                progress(count * len(rows))
    finally:
        model.train(was_training)
    return values


def likelihood_metric(values: Tensor, split: str, terms: int) -> dict[str, Any]:
    """The entry of a card for exact log-likelihoods `values` ``(items,)``."""
    estimator = "exact" if terms == 1 else f"exact, mixture of {terms} orderings"
    return metric("log_likelihood", values, estimator, samples=terms, split=split)
