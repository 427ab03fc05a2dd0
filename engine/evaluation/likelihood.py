"""ELBO and the K-sample bound L_K, streamed in chunks of bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from engine.checks import check_size
from engine.evaluation.importance import KS
from engine.models.base import LatentVariableModel

REPORTED_KS = (100, 5000)
"""K that papers report L_K for, beside the largest."""

CHUNK_ROWS = 8192
"""Decoded images at a time: 784 floats each, several arrays of them: about 100 MB."""


class Curve(NamedTuple):
    """L_K of every item as K grows, each mean over the groups of K that the samples fall into.

    Attributes:
        ks: from 1 to all the samples.
        bound: ``(ks, items)`` float64 nats.
    """

    ks: tuple[int, ...]
    bound: Tensor


@dataclass(frozen=True)
class Bounds:
    """Per-item results in nats, each ``(items,)`` float64.

    Attributes:
        elbo: mean of log p(x, z) - log q(z | x) over the samples.
        reconstruction: mean of log p(x | z).
        kl: mean of log q(z | x) - log p(z), the sampled KL divergence.
        bound: L_K = log of the mean importance weight (Burda et al. 2016, Eq. 8).
        samples: K.
        curve: L_K from K = 1 to `samples`, from the same draws.
    """

    elbo: Tensor
    reconstruction: Tensor
    kl: Tensor
    bound: Tensor
    samples: int
    curve: Curve


def standard_error(values: Tensor) -> float:
    """Standard error of the mean of `values` ``(items,)``.

    Raises:
        ValueError: there is one item or none, whose spread nobody knows.
    """
    if len(values) < 2:
        raise ValueError(f"a standard error needs at least 2 items; got {len(values)}.")
    return float(values.std(correction=1)) / math.sqrt(len(values))


@torch.no_grad()
def bounds(
    model: LatentVariableModel,
    x: Tensor,
    *,
    samples: int,
    generator: torch.Generator,
    progress: Callable[[int], object] | None = None,
) -> Bounds:
    """ELBO, its parts and L_K of every item of `x` ``(items, data)``.

    Chunks of about `CHUNK_ROWS` decoded images, importance weights summed as they come: memory
    grows by a number a sample, for the curve of one chunk of items, and no more. The model is used
    in its evaluation mode.

    Args:
        progress: called with the number of decoded images after each chunk.

    Raises:
        ValueError: `samples` is below 1, `x` is empty or its width is wrong.
    """
    check_size("samples", samples)
    if x.ndim != 2 or x.shape[1] != model.data_dim or len(x) == 0:
        raise ValueError(
            f"`x` must be (items, {model.data_dim}), one item or more; got {tuple(x.shape)}."
        )
    was_training = model.training
    model.eval()
    # Filled in place: a small result kept from each chunk would lie between the freed large
    # arrays, and the heap would grow by gigabytes in holes that nothing fits into.
    ks = (*(k for k in KS if k < samples), samples)
    columns = torch.empty(4 + len(ks), len(x), dtype=torch.float64, device=x.device)
    size = max(1, CHUNK_ROWS // samples)
    try:
        for rows, column in zip(x.split(size), columns.split(size, dim=1), strict=True):
            column.copy_(_chunk(model, rows, samples, ks, generator, progress))
    finally:
        model.train(was_training)
    elbo, reconstruction, kl, bound = columns[:4]
    return Bounds(elbo, reconstruction, kl, bound, samples, Curve(ks, columns[4:]))


def _chunk(
    model: LatentVariableModel,
    x: Tensor,
    samples: int,
    ks: Sequence[int],
    generator: torch.Generator,
    progress: Callable[[int], object] | None,
) -> Tensor:
    """Four columns of `Bounds` and its curve, ``(4 + ks, items)``, samples streamed."""
    q, prior = model.recognition(x), model.prior()
    running = x.new_full((len(x),), -math.inf, dtype=torch.float64)
    likelihood_sum = torch.zeros_like(running)
    kl_sum = torch.zeros_like(running)
    log_weights = running.new_empty(len(x), samples)
    done = 0
    while done < samples:
        draws = min(samples - done, max(1, CHUNK_ROWS // len(x)))
        z = q.sample((draws,), generator=generator)
        log_likelihood = model.likelihood(z).log_prob(x).double()
        kl = (q.log_prob(z) - prior.log_prob(z)).double()
        log_weights[:, done : done + draws] = (log_likelihood - kl).T
        running = torch.logaddexp(running, torch.logsumexp(log_likelihood - kl, dim=0))
        likelihood_sum += log_likelihood.sum(0)
        kl_sum += kl.sum(0)
        done += draws
        if progress is not None:
            progress(draws * len(x))
    reconstruction, kl_mean = likelihood_sum / samples, kl_sum / samples
    bound = running - math.log(samples)
    columns = torch.stack([reconstruction - kl_mean, reconstruction, kl_mean, bound])
    return torch.cat([columns, _curve(log_weights, ks)])


def _curve(log_weights: Tensor, ks: Sequence[int]) -> Tensor:
    """L_K ``(ks, items)`` of log-weights ``(items, samples)``."""
    items, samples = log_weights.shape
    rows = []
    for k in ks:
        groups = log_weights[:, : samples // k * k].reshape(items, -1, k)
        rows.append(groups.logsumexp(-1).mean(-1) - math.log(k))
    return torch.stack(rows)


def subset(x: Tensor, limit: int | None, seed: int = 0) -> Tensor:
    """`limit` rows of `x` chosen at random by a fixed `seed`; all of them without a limit.

    The test split of the static binarisation is sorted by class, so the first rows would not do.
    """
    if limit is None or limit >= len(x):
        return x
    if limit < 2:
        raise ValueError(f"`limit` must be at least 2; got {limit}.")
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    return x[order[:limit].sort().values]


def metric(
    name: str, values: Tensor, estimator: str, *, samples: int, split: str
) -> dict[str, Any]:
    """The entry of a card for the mean of `values` ``(items,)``, with its protocol."""
    return {
        "name": name,
        "value": float(values.mean()),
        "standard_error": standard_error(values),
        "estimator": estimator,
        "samples": samples,
        "split": split,
        "items": len(values),
    }


def elbo_metrics(result: Bounds, split: str) -> list[dict[str, Any]]:
    """The ELBO of `result` and its parts as the entries of a card."""
    columns = {
        "elbo": ("ELBO", result.elbo),
        "reconstruction": ("E_q log p(x|z)", result.reconstruction),
        "kl": ("sampled KL(q(z|x) || p(z))", result.kl),
    }
    return [
        metric(name, values, estimator, samples=result.samples, split=split)
        for name, (estimator, values) in columns.items()
    ]


def bound_metrics(
    result: Bounds, split: str, whole: Bounds | None = None, control: str = "elbo"
) -> list[dict[str, Any]]:
    """L_K of `result` as the entries of a card: of its own K, and of the usual ones on the way.

    Args:
        whole: of all items, where those of `result` are some of them, chosen at random. They have
            a control variate c: an L_K of few items lies as far from that of all as their c does,
            and so mean(L_K - c) of the few + mean(c) of all is reported.
        control: what c is: "elbo", or "bound", L_k with the k draws of `whole`, which rare draws
            far from the posterior do not touch.

    Raises:
        ValueError: the curve of `result` has no L_k of so many draws.
    """
    if whole is not None:
        few, every, told = _control(result, whole, control)
    found = []
    for k, values in zip(result.curve.ks, result.curve.bound, strict=True):
        if k not in REPORTED_KS and k != result.samples:
            continue
        entry = metric(f"L_{k}", values, "importance-weighted bound", samples=k, split=split)
        if whole is not None:
            entry |= controlled(values - few, few, every)
            if entry["name"] != told:  # which was measured on all
                entry["estimator"] += f" of {len(values)} items, {told} of all as control variate"
        found.append(entry)
    return found


def _control(result: Bounds, whole: Bounds, control: str) -> tuple[Tensor, Tensor, str]:
    """The control variate of the few and of all, and its name."""
    if control == "elbo":
        return result.elbo, whole.elbo, "the ELBO"
    k, ks = whole.samples, result.curve.ks
    if k not in ks:
        raise ValueError(f"the curve has no L_{k} to control it by, only {ks}.")
    return result.curve.bound[ks.index(k)], whole.bound, f"L_{k}"


def controlled(gap: Tensor, some: Tensor, every: Tensor) -> dict[str, Any]:
    """Mean of `gap` ``(some,)`` + mean of `every` ``(items,)``: what changes in a card's entry.

    The few are among all, so that the two means covary by cov(gap, some) / items.

    Args:
        gap: what was measured of a few items, chosen at random, less the control variate.
        some: the control variate of those.
        every: of all items.
    """
    shared = float(torch.cov(torch.stack([gap, some]))[0, 1]) / len(every)
    variance = standard_error(gap) ** 2 + standard_error(every) ** 2 + 2 * shared
    return {
        "value": float(gap.mean() + every.mean()),
        "standard_error": math.sqrt(max(variance, 0.0)),
        "items": len(every),
    }


def metrics(result: Bounds, split: str) -> list[dict[str, Any]]:
    """`result` as the entries of a card, each with its protocol."""
    return [*elbo_metrics(result, split), *bound_metrics(result, split)]


def curve_rows(result: Bounds) -> list[dict[str, object]]:
    """The K-curve of `result`, averaged over the items: samples, value, standard_error in nats.

    All K come from the same draws: the curve's shape is known better than its level.
    """
    return [
        {"samples": k, "value": float(values.mean()), "standard_error": standard_error(values)}
        for k, values in zip(result.curve.ks, result.curve.bound, strict=True)
    ]
