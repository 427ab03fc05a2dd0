"""What weighted draws of q(z | x) say about one item: L_K for every K, and the true posterior."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.checks import check_size
from engine.distributions import Distribution
from engine.models.base import LatentVariableModel

CHUNK_ROWS = 4096
"""Draws decoded at a time."""

KS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)

Progress = Callable[[int], object]


@dataclass(frozen=True)
class Draws:
    """Independent draws from a proposal with their densities, float64 nats.

    Attributes:
        z: ``(samples, latent)``.
        log_joint: log p(x, z), ``(samples,)``.
        log_densities: log q(z | x) of every density asked for, ``(densities, samples)``.
    """

    z: Tensor
    log_joint: Tensor
    log_densities: Tensor


@dataclass(frozen=True)
class KCurve:
    """The importance-weighted bound as K grows (Burda et al. 2016, arXiv:1509.00519, Eq. 8).

    Attributes:
        ks: the numbers of samples.
        bound: L_K in nats, ``(ks,)``: each on average below log p(x), and not below that of a
            smaller K. L_1 is the ELBO.
        standard_error: of `bound`, ``(ks,)``; for the largest K from as few values as there are
            repetitions.
    """

    ks: tuple[int, ...]
    bound: Tensor
    standard_error: Tensor


@dataclass(frozen=True)
class ImportancePosterior:
    """Moments of p(z | x) by self-normalised importance sampling from q.

    Attributes:
        mean: E[z | x], ``(latent,)``; for bits the probability of each.
        standard_error: of `mean`, ``(latent,)`` (delta method); as untrustworthy as the mean
            where `ess` is small.
        covariance: Cov[z | x], ``(latent, latent)``.
        ess: effective number of draws, 1 / sum of squared weights: from 1, all weight on one
            draw and nothing here to be trusted, to `samples`, where q is the posterior.
        samples: draws from q.
    """

    mean: Tensor
    standard_error: Tensor
    covariance: Tensor
    ess: float
    samples: int


def one_item(model: LatentVariableModel, x: Tensor) -> Tensor:
    """`x` as ``(1, data)``.

    Raises:
        ValueError: it is neither ``(data,)`` nor ``(1, data)``.
    """
    if x.shape not in ((model.data_dim,), (1, model.data_dim)):
        raise ValueError(f"`x` must be one item of {model.data_dim} pixels; got {tuple(x.shape)}.")
    return x.reshape(1, -1)


@torch.no_grad()
def draw(
    model: LatentVariableModel,
    x: Tensor,
    proposal: Distribution,
    samples: int,
    *,
    densities: Sequence[Distribution] | None = None,
    generator: torch.Generator,
    progress: Progress | None = None,
) -> Draws:
    """`samples` draws from `proposal`, decoded in chunks.

    Args:
        x: ``(1, data)``.
        proposal: with a batch of one.
        densities: whose log-densities to take; `proposal` itself if None.
        progress: called with the number of draws after each chunk. What it raises ends this.
    """
    densities = [proposal] if densities is None else densities
    latents, joints, logs = [], [], []
    for start in range(0, samples, CHUNK_ROWS):
        count = min(CHUNK_ROWS, samples - start)
        z = proposal.sample((count,), generator=generator)
        joints.append(model.log_joint(x, z)[:, 0].double())
        logs.append(torch.stack([q.log_prob(z)[:, 0] for q in densities]).double())
        latents.append(z[:, 0])
        if progress is not None:
            progress(count)
    return Draws(torch.cat(latents), torch.cat(joints), torch.cat(logs, dim=1))


def bounds_of_weights(log_weights: Tensor, ks: Sequence[int]) -> KCurve:
    """L_K for every K from one set of weights per repetition.

    The K_max weights of a repetition are cut into groups of K, whose bounds are averaged. All
    K see the same weights, so the curve rises even where its level is uncertain (always where
    each K divides the next).

    Args:
        log_weights: log p(x, z) - log q(z | x), ``(repetitions, K_max)``, all independent.
        ks: numbers from 1 to K_max.
    """
    bounds, errors = [], []
    for k in ks:
        groups = log_weights.shape[1] // k
        values = log_weights[:, : groups * k].reshape(-1, k).logsumexp(-1) - math.log(k)
        bounds.append(values.mean())
        errors.append(values.std() / math.sqrt(len(values)))
    return KCurve(tuple(ks), torch.stack(bounds), torch.stack(errors))


def k_curve(
    model: LatentVariableModel,
    x: Tensor,
    ks: Sequence[int] = KS,
    *,
    repetitions: int = 4,
    generator: torch.Generator,
    progress: Progress | None = None,
) -> KCurve:
    """L_K of one item for growing K, with standard errors over `repetitions` sets of draws.

    Args:
        x: ``(data,)`` or ``(1, data)``.
        ks: whole numbers from 1 on.
        repetitions: independent sets of max(ks) draws.
        progress: called with the number of draws after each chunk; what it raises ends this.

    Raises:
        ValueError: `x` is not one item, a number of `ks` is below 1 or there is none, or there
            are fewer than 2 repetitions.
    """
    x = one_item(model, x)
    check_repetitions(repetitions)
    most = max(check_ks(ks))
    with torch.no_grad():
        q = model.recognition(x)
    draws = draw(model, x, q, repetitions * most, generator=generator, progress=progress)
    weights = draws.log_joint - draws.log_densities[0]
    return bounds_of_weights(weights.view(repetitions, most), ks)


def check_ks(ks: Sequence[int]) -> Sequence[int]:
    """`ks` if it lists whole numbers from 1 on."""
    if not ks:
        raise ValueError("`ks` must list at least one number of samples; got none.")
    for k in ks:
        check_size("ks", k)
    return ks


def check_repetitions(repetitions: int) -> None:
    """Refuse fewer than 2, whose spread nobody knows."""
    check_size("repetitions", repetitions, least=2)


def importance_posterior(
    model: LatentVariableModel,
    x: Tensor,
    samples: int = 5000,
    *,
    generator: torch.Generator,
    progress: Progress | None = None,
) -> ImportancePosterior:
    """Mean and covariance of the true posterior of one item, where no grid can go.

    Raises:
        ValueError: `x` is not one item, or `samples` is below 1.
    """
    x = one_item(model, x)
    check_size("samples", samples)
    with torch.no_grad():
        q = model.recognition(x)
    draws = draw(model, x, q, samples, generator=generator, progress=progress)
    weights = (draws.log_joint - draws.log_densities[0]).softmax(0)
    z = draws.z.double()
    mean = weights @ z
    centred = z - mean
    return ImportancePosterior(
        mean=mean,
        standard_error=(weights[:, None] * centred).square().sum(0).sqrt(),
        covariance=(centred * weights[:, None]).T @ centred,
        ess=float(1 / weights.square().sum()),
        samples=samples,
    )
