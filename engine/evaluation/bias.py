r"""Whether the mean of an estimator is the gradient it should be.

With n draws of mean m, covariance C, and the true gradient t, the squared bias is estimated by

.. math:: ||m - t||^2 - \mathrm{tr}(C) / n

without bias of its own. It is told in standard errors that it would have if there were no bias,
sqrt(2 tr(C^2)) / n: a z-score near 0 with standard deviation 1, skewed to the right where C has few
directions. The truth is enumerated where a belief network has few states, or is itself the mean of
many draws of an unbiased estimator, whose error is counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.estimators import GradientEstimator
from engine.evaluation import exact
from engine.evaluation.gradients import frozen, gradient_chunks, layer_parameters
from engine.evaluation.moments import Spread, VectorMoments
from engine.models.base import LatentVariableModel
from engine.random import make_generator

__all__ = ["Bias", "Truth", "bias_of", "enumerated", "mean_bias", "oracle"]

MOST_BITS = 12
"""States of all draws together, as a power of 2, that are summed over while a visitor waits."""


@dataclass(frozen=True)
class Truth:
    """The gradient of an objective on one minibatch.

    Attributes:
        gradients: by part of the model.
        source: "enumeration", or what was averaged.
        shortened: whether in the basis of `gradient_chunks(shorten=True)`.
        spreads: of the draws that were averaged; empty where it is exact.
    """

    gradients: dict[str, Tensor]
    source: str
    shortened: bool
    spreads: dict[str, Spread]


@dataclass(frozen=True)
class Bias:
    """The squared length of the bias.

    Attributes:
        square: unbiased (so it may be negative), in the unit of the trace.
        square_se: its standard error.
        null_se: what that would be without bias.
    """

    square: float
    square_se: float
    null_se: float

    @property
    def z(self) -> float | None:
        """The square in errors that it has without bias; None where nothing varies."""
        return self.square / self.null_se if self.null_se > 0 else None


def enumerated(model: LatentVariableModel, estimator: GradientEstimator, x: Tensor) -> Truth | None:
    """The exact gradient of the mean objective, or None where it cannot be enumerated.

    That is: the latents are no bits or have more than `MOST_BITS` (times K for L_K), or the
    objective is neither the ELBO nor L_K.
    """
    name, _, count = estimator.objective.partition("-")
    samples = int(count) if name == "iwae" else 1
    bits = sum(model.layer_sizes) * samples
    if model.latent_kind != "bernoulli" or bits > MOST_BITS or name not in ("elbo", "iwae"):
        return None
    model = frozen(model).requires_grad_(True)
    value = exact.elbo(model, x) if samples == 1 else _bound(model, x, samples)
    names, parameters = zip(*model.named_parameters(), strict=True)
    found = torch.autograd.grad(value.mean(), parameters)
    flat = {one: slope.flatten() for one, slope in zip(names, found, strict=True)}
    gradients = {
        part: torch.cat([flat[one] for one in members])
        for part, members in layer_parameters(model).items()
    }
    return Truth(gradients, "enumeration", False, {})


def _bound(model: LatentVariableModel, x: Tensor, samples: int) -> Tensor:
    """L_K, all values of all K draws summed, ``(batch,)``."""
    latent = sum(model.layer_sizes)
    z = exact.all_bits(samples * latent, dtype=x.dtype, device=x.device)
    z = z.reshape(-1, samples, 1, latent).expand(-1, -1, len(x), -1)
    log_q = model.recognition(x).log_prob(z)
    bound = torch.logsumexp(model.log_joint(x, z) - log_q, dim=1) - math.log(samples)
    return (log_q.sum(1).exp() * bound).sum(0)


def oracle(
    model: LatentVariableModel,
    estimator: GradientEstimator,
    x: Tensor,
    *,
    draws: int,
    seed: int,
    name: str,
) -> Truth:
    """The mean of many draws of an unbiased `estimator`.

    Args:
        draws: how many; the error of the truth is that of a mean of so many.
        seed: not that of what is measured.
        name: of the estimator.

    Raises:
        ValueError: the estimator is biased, or `draws` is below 2.
    """
    if not estimator.unbiased:
        raise ValueError(f"`estimator` must be unbiased to be an oracle; {name!r} is not.")
    if draws < 2:
        raise ValueError(f"`draws` must be at least 2; got {draws}.")
    moments: dict[str, VectorMoments] = {}
    generator = make_generator(seed, x.device)
    for chunk in gradient_chunks(
        model, estimator, x, draws=draws, generator=generator, shorten=True
    ):
        for part, found in chunk.items():
            moments.setdefault(part, VectorMoments(found.shape[1], found)).update(found)
    return Truth(
        {part: one.mean.clone() for part, one in moments.items()},
        f"mean of {draws} draws of {name}",
        True,
        {part: one.spread() for part, one in moments.items()},
    )


def bias_of(spread: Spread, truth: Truth, part: str) -> Bias:
    """The bias in one part of the model, from the spread of gradients less the truth."""
    null = math.sqrt(2 * spread.square_trace) / spread.draws
    square, error = spread.mean_square, spread.mean_square_se
    given = truth.spreads.get(part)
    if given is not None:
        # tr(C C') <= sqrt(tr(C^2) tr(C'^2)): the errors add up at most like this
        own = math.sqrt(2 * given.square_trace) / given.draws
        null += own
        square -= given.trace / given.draws
        error = math.hypot(error, own, math.sqrt(2 * own * (null - own)))
    return Bias(square, error, null)


def mean_bias(found: Sequence[Bias]) -> Bias:
    """The mean over minibatches."""
    count = len(found)
    return Bias(
        math.fsum(one.square for one in found) / count,
        math.sqrt(math.fsum(one.square_se**2 for one in found)) / count,
        math.sqrt(math.fsum(one.null_se**2 for one in found)) / count,
    )
