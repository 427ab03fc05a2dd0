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

from engine.estimators import GradientEstimator, build_estimator
from engine.evaluation import exact
from engine.evaluation.gradients import block_chunks, frozen, layer_parameters
from engine.evaluation.moments import Spread, VectorMoments
from engine.evaluation.products import part_size
from engine.models.base import LatentVariableModel
from engine.random import derive_seed, make_generator

__all__ = [
    "ORACLES",
    "ORACLE_STREAM",
    "Bias",
    "Oracle",
    "Truth",
    "Truths",
    "bias_of",
    "enumerable",
    "enumerated",
    "mean_bias",
    "oracle",
]

MOST_BITS = 12
"""States of all draws together, as a power of 2, that are summed over while a visitor waits."""

ORACLES = {"bernoulli": "leave-one-out", "gaussian": "sgvb-b"}
"""Unbiased estimators of little variance that need no fitting, by kind of latents."""
ORACLE_STREAM = 0x07AC1E
"""Random stream of a seed that no measurement uses."""


@dataclass(frozen=True)
class Truth:
    """The gradient of an objective on one minibatch.

    Attributes:
        gradients: by part of the model.
        source: "enumeration", or what was averaged.
        shortened: whether in the basis of `block_chunks(shorten=True)`.
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


def enumerable(model: LatentVariableModel, samples: int = 1) -> bool:
    """Whether all values of `samples` draws can be summed: at most `MOST_BITS` bits together."""
    return model.latent_kind == "bernoulli" and sum(model.layer_sizes) * samples <= MOST_BITS


def enumerated(model: LatentVariableModel, estimator: GradientEstimator, x: Tensor) -> Truth | None:
    """The exact gradient of the mean objective, or None where it cannot be enumerated.

    That is: the latents are not `enumerable` (K draws of them for L_K), or the objective is
    neither the ELBO nor L_K.
    """
    name, _, count = estimator.objective.partition("-")
    samples = int(count) if name == "iwae" else 1
    if name not in ("elbo", "iwae") or not enumerable(model, samples):
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


class Oracle:
    """The mean of many draws of an unbiased `estimator`, a chunk of them at a call.

    Args:
        draws: how many; the error of the truth is that of a mean of so many.
        seed: not that of what is measured.
        name: of the estimator.

    Attributes:
        done: draws so far.

    Raises:
        ValueError: the estimator is biased, or `draws` is below 2.
    """

    def __init__(
        self,
        model: LatentVariableModel,
        estimator: GradientEstimator,
        x: Tensor,
        *,
        draws: int,
        seed: int,
        name: str,
    ) -> None:
        if not estimator.unbiased:
            raise ValueError(f"`estimator` must be unbiased to be an oracle; {name!r} is not.")
        if draws < 2:
            raise ValueError(f"`draws` must be at least 2; got {draws}.")
        self.draws, self.name, self.done = draws, name, 0
        self._moments: dict[str, VectorMoments] = {}
        self._like = next(model.parameters())
        self._source = block_chunks(
            model,
            estimator,
            x,
            draws=draws,
            generator=make_generator(seed, x.device),
            shorten=True,
        )

    def advance(self) -> bool:
        """A chunk of draws; False where all are made."""
        chunk = next(self._source, None)
        if chunk is None:
            return False
        for part, found in chunk.items():
            if part not in self._moments:
                self._moments[part] = VectorMoments(part_size(found), self._like)
            self._moments[part].update(found)
        self.done = next(iter(self._moments.values())).draws
        return True

    def truth(self) -> Truth:
        """What the draws so far say.

        Raises:
            ValueError: there are fewer than 2 draws.
        """
        return Truth(
            {part: one.mean.clone() for part, one in self._moments.items()},
            f"mean of {self.done} draws of {self.name}",
            True,
            {part: one.spread() for part, one in self._moments.items()},
        )


def oracle(
    model: LatentVariableModel,
    estimator: GradientEstimator,
    x: Tensor,
    *,
    draws: int,
    seed: int,
    name: str,
) -> Truth:
    """The truth by an `Oracle` that has made all its draws; arguments and errors are its own."""
    source = Oracle(model, estimator, x, draws=draws, seed=seed, name=name)
    while source.advance():
        pass
    return source.truth()


class Truths:
    """What estimators should have on average, minibatch after minibatch.

    Args:
        model: frozen.
        oracle_draws: of the estimator of `ORACLES`, where the gradient of the ELBO cannot be
            enumerated; 0 for no oracle.
        seed: of the measurement.

    Attributes:
        source: of the last truth; empty before it.
    """

    def __init__(self, model: LatentVariableModel, oracle_draws: int, seed: int = 0) -> None:
        self.model, self.oracle_draws, self.seed = model, oracle_draws, seed
        self.source = ""
        self._last: tuple[Tensor, Truth] | None = None

    def of(self, estimator: GradientEstimator, x: Tensor) -> Truth | None:
        """The truth on the minibatch `x`; None where it is not known.

        That of the ELBO by an oracle is kept until another minibatch is asked for.
        """
        found = enumerated(self.model, estimator, x)
        if found is None and estimator.objective == "elbo" and self.oracle_draws:
            if self._last is None or self._last[0] is not x:
                self._last = x, self._oracle(x)
            found = self._last[1]
        if found is not None:
            self.source = found.source
        return found

    def _oracle(self, x: Tensor) -> Truth:
        name = ORACLES[self.model.latent_kind]
        return oracle(
            self.model,
            build_estimator(name, model=self.model).to(x.device),
            x,
            draws=self.oracle_draws,
            seed=derive_seed(self.seed, ORACLE_STREAM),
            name=name,
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
