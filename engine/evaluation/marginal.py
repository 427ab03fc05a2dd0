"""The marginal likelihood by posterior draws and a density estimate, for few latents.

Kingma and Welling (2014), arXiv:1312.6114v10, App. D: good below five latents; the estimate of
their Figure 3, made to compare with wake-sleep and Monte Carlo EM, which have no bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.checks import check_size
from engine.mcmc.hmc import HMC, DualAveraging, HMCState
from engine.models.base import LatentVariableModel

__all__ = ["MULTIPLES", "Marginal", "bandwidth", "kernel_marginal", "posterior_draws"]

MULTIPLES = tuple(float(m) for m in np.geomspace(0.25, 2, 10))
"""Of Scott's factor, from which the bandwidth is chosen."""

MOST_LATENTS = 4

DRAWS, TRAJECTORIES = 50, 100
"""Of the posterior of an item, and the length of the chain to each."""

CHUNK_ROWS = 4096
"""Chains that move together."""

_TARGET = 0.9  # acceptance, as the paper's other chains
_FIRST_STEP = 0.1

Array = NDArray[np.float64]
Progress = Callable[[int], object]


@dataclass(frozen=True)
class Marginal:
    """Log p(x) of every item, nats.

    Attributes:
        estimate: ``(items,)`` float64. The mean of q(z) / p(x, z) has the mean 1 / p(x) over
            exact draws: so this is too high on average, the more the fewer draws. Chains that are
            still on their way make it too low, by as much as they are off.
        standard_error: of each given its item, ``(items,)`` (delta method) of the second half
            of the draws; too small where the density estimate reaches beyond the posterior.
        multiples: of Scott's factor, as chosen for each item, ``(items,)``.
        acceptance: mean of the last trajectories of each item, ``(items,)``.
    """

    estimate: Tensor
    standard_error: Tensor
    multiples: Tensor
    acceptance: Tensor


def kernel_marginal(
    model: LatentVariableModel,
    x: Tensor,
    *,
    samples: int = DRAWS,
    trajectories: int = TRAJECTORIES,
    leapfrog_steps: int = 4,
    generator: torch.Generator,
    progress: Progress | None = None,
) -> Marginal:
    r"""Draws of p(z | x), a density q fitted on the first half, and their ratio on the second.

    .. math:: \frac1{p(x)} \approx \frac2S \sum_s \frac{q(z_s)}{p(z_s)\, p(x \mid z_s)}.

    q is a Gaussian kernel estimate (`scipy.stats.gaussian_kde`) whose bandwidth is the one of
    `MULTIPLES` under which each draw of the first half is likeliest given the others: the second
    half has no part in it.

    Args:
        model: with one to `MOST_LATENTS` Gaussian latents; read only.
        x: ``(items, data)``.
        samples: posterior draws of each item, each the end of a chain of its own.
        trajectories, leapfrog_steps: of each chain, see `posterior_draws`.
        progress: called with the number of trajectories made; what it raises ends this.

    Raises:
        ValueError: the latents are not that few Gaussian ones, a shape does not fit or `samples`
            is less than twice the latents and four.
    """
    from scipy.stats import gaussian_kde

    latents = sum(model.layer_sizes)
    if model.latent_kind != "gaussian" or latents > MOST_LATENTS:
        raise ValueError(
            f"`model` must have one to {MOST_LATENTS} Gaussian latents for a density estimate; "
            f"got {latents} {model.latent_kind} ones."
        )
    least = 2 * latents + 4
    if check_size("samples", samples) < least:
        raise ValueError(
            f"`samples` must be at least {least} for {latents} latents, half of them to fit a "
            f"density; got {samples}."
        )
    z, log_joint, acceptance = posterior_draws(
        model,
        x,
        samples=samples,
        trajectories=trajectories,
        leapfrog_steps=leapfrog_steps,
        generator=generator,
        progress=progress,
    )
    points, half = z.double().cpu().numpy(), samples // 2
    chosen, log_q = [], []
    for item in range(len(x)):
        first, second = points[:half, item].T, points[half:, item].T
        scott = gaussian_kde(first).factor
        chosen.append(bandwidth(first))
        log_q.append(gaussian_kde(first, bw_method=chosen[-1] * scott).logpdf(second))
    log_ratio = torch.from_numpy(np.stack(log_q, axis=1)) - log_joint[half:].double().cpu()
    log_mean = log_ratio.logsumexp(0) - math.log(len(log_ratio))
    relative = (log_ratio - log_mean).exp()
    return Marginal(
        estimate=-log_mean,
        standard_error=relative.std(0) / math.sqrt(len(relative)),
        multiples=torch.tensor(chosen, dtype=torch.float64),
        acceptance=acceptance.double().cpu(),
    )


@torch.no_grad()
def posterior_draws(
    model: LatentVariableModel,
    x: Tensor,
    *,
    samples: int,
    trajectories: int = TRAJECTORIES,
    leapfrog_steps: int = 4,
    generator: torch.Generator,
    progress: Progress | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The ends of `samples` independent chains of HMC for each item.

    They start at draws of q(z | x), so that they need not travel far; a mode that q leaves out is
    found rarely. The first two thirds of the trajectories tune a step size for each item.

    Args:
        x: ``(items, data)``.

    Returns:
        z ``(samples, items, latent)``, log p(x, z) ``(samples, items)`` and the mean acceptance
        of the untuned trajectories ``(items,)``.

    Raises:
        ValueError: a number is below 1 or the shape of `x` is wrong.
    """
    check_size("samples", samples)
    check_size("trajectories", trajectories)
    if x.ndim != 2 or x.shape[1] != model.data_dim or len(x) == 0:
        raise ValueError(
            f"`x` must be (items, {model.data_dim}), one item or more; got {tuple(x.shape)}."
        )
    found = []
    for items in x.split(max(1, CHUNK_ROWS // samples)):
        start = model.recognition(items).sample((samples,), generator=generator)
        found.append(
            _chains(model, items, start, trajectories, leapfrog_steps, generator, progress)
        )
    states, rates = zip(*found, strict=True)
    return (
        torch.cat([state.position for state in states], dim=1),
        torch.cat([state.log_density for state in states], dim=1),
        torch.cat(rates),
    )


def _chains(
    model: LatentVariableModel,
    x: Tensor,
    start: Tensor,
    trajectories: int,
    leapfrog_steps: int,
    generator: torch.Generator,
    progress: Progress | None,
) -> tuple[HMCState, Tensor]:
    """The last states of the chains from `start`, and their acceptance once tuned."""
    kernel = HMC(lambda z: model.log_joint(x, z), leapfrog_steps=leapfrog_steps)
    state, tuning = kernel.init(start), DualAveraging(_TARGET)
    size = tuning.init(start.new_full((len(x),), _FIRST_STEP))
    tuned, rates = max(1, 2 * trajectories // 3), []
    for step in range(trajectories):
        now = size.value if step < tuned else size.average
        state = kernel.step(state, now.expand(start.shape[:-1]), generator=generator)
        if step < tuned:
            size = tuning.update(size, state.acceptance.mean(0))
        if step >= min(tuned, trajectories - 1):
            rates.append(state.acceptance.mean(0))
        if progress is not None:
            progress(state.accepted.numel())
    return state, torch.stack(rates).mean(0)


def bandwidth(points: Array) -> float:
    """The multiple of Scott's factor under which each of `points` ``(latents, n)`` is likeliest.

    Leave-one-out: the log-density of each point by the kernels of the others, added up.
    """
    from scipy.special import logsumexp

    latents, count = points.shape
    root = np.linalg.cholesky(np.cov(points).reshape(latents, latents))
    white = np.linalg.solve(root, points)
    squares = ((white[:, :, None] - white[:, None]) ** 2).sum(0)
    np.fill_diagonal(squares, np.inf)
    scott = count ** (-1 / (latents + 4))
    scores = [
        logsumexp(-squares / (2 * (multiple * scott) ** 2), axis=1).sum()
        - count * latents * math.log(multiple * scott)
        for multiple in MULTIPLES
    ]
    return MULTIPLES[int(np.argmax(scores))]
