r"""The toy problem of every paper on gradients through bits, with its known answers.

.. math:: L(a) = E_b[(b - t)^2], \qquad b \sim \mathrm{Bernoulli}(\theta), \quad \theta = \sigma(a)

One bit, one logit a, and a target t just below one half, so that the two values of the objective
nearly agree (Tucker et al. 2017, arXiv:1703.07370, Sec. 5.1). The variance of one estimate of
dL/da is known in closed form for every estimator here; `simulate` measures it with the formulas
that `engine.estimators` uses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from engine.checks import check_size
from engine.estimators.antithetic import ARM, DisARM
from engine.estimators.multi_sample import others_mean

__all__ = ["ESTIMATORS", "PROBLEMS", "ToyEstimator", "ToyProblem", "simulate", "table"]


@dataclass(frozen=True)
class ToyProblem:
    """E[(b - target)^2] for a bit that is one with `probability`.

    Raises:
        ValueError: the probability is not between 0 and 1, or the target is no number.
    """

    target: float
    probability: float

    def __post_init__(self) -> None:
        if not 0 < self.probability < 1:
            raise ValueError(f"`probability` must lie between 0 and 1; got {self.probability}.")
        if not math.isfinite(self.target):
            raise ValueError(f"`target` must be a finite number; got {self.target}.")

    @property
    def logit(self) -> float:
        """The parameter a."""
        return math.log(self.probability / (1 - self.probability))

    @property
    def gap(self) -> float:
        """The objective of a one less that of a zero."""
        return 1 - 2 * self.target

    @property
    def gradient(self) -> float:
        """dL/da."""
        return self.probability * (1 - self.probability) * self.gap

    def objective(self, bits: Tensor) -> Tensor:
        """(b - target)^2, elementwise."""
        return (bits - self.target).square()


@dataclass(frozen=True)
class ToyEstimator:
    """How dL/da is estimated, and how far one estimate strays.

    Attributes:
        title: as the papers write it.
        evaluations: of the objective, an estimate.
        variance: of one estimate, in closed form.
        estimate: the problem and uniform noise ``(evaluations, draws)``, of which antithetic pairs
            use the first row alone, to ``(draws,)`` estimates.
    """

    title: str
    evaluations: int
    variance: Callable[[ToyProblem], float]
    estimate: Callable[[ToyProblem, Tensor], Tensor]


def _reinforce_variance(problem: ToyProblem) -> float:
    p, one, zero = problem.probability, (1 - problem.target) ** 2, problem.target**2
    second = p * (one * (1 - p)) ** 2 + (1 - p) * (zero * p) ** 2
    return second - problem.gradient**2


def _leave_one_out_variance(problem: ToyProblem) -> float:
    differ = 2 * problem.probability * (1 - problem.probability)  # else the estimate is 0
    return 0.25 * problem.gap**2 * differ * (1 - differ)


def _arm_variance(problem: ToyProblem) -> float:
    rarer = min(problem.probability, 1 - problem.probability)
    second = 2 * problem.gap**2 * (0.5**3 - (0.5 - rarer) ** 3) / 3
    return second - problem.gradient**2


def _disarm_variance(problem: ToyProblem) -> float:
    rarer = min(problem.probability, 1 - problem.probability)
    # a number that does not vary, with probability 2 * rarer
    return (0.5 * problem.gap * (1 - rarer)) ** 2 * 2 * rarer * (1 - 2 * rarer)


def _reinforce(problem: ToyProblem, noise: Tensor) -> Tensor:
    bits = (noise[0] < problem.probability).to(noise.dtype)
    return problem.objective(bits) * (bits - problem.probability)


def _leave_one_out(problem: ToyProblem, noise: Tensor) -> Tensor:
    bits = (noise < problem.probability).to(noise.dtype)
    values = problem.objective(bits)
    return ((values - others_mean(values)) * (bits - problem.probability)).mean(0)


def _antithetic(rule: type[ARM] | type[DisARM]) -> Callable[[ToyProblem, Tensor], Tensor]:
    def estimate(problem: ToyProblem, noise: Tensor) -> Tensor:
        uniforms = noise[0]
        bits = (uniforms < problem.probability).to(noise.dtype)
        mirrored = (1 - uniforms < problem.probability).to(noise.dtype)
        difference = problem.objective(bits) - problem.objective(mirrored)
        logits = torch.full_like(uniforms, problem.logit)
        return rule.logit_gradient(logits, uniforms, bits, mirrored, difference)

    return estimate


ESTIMATORS: Mapping[str, ToyEstimator] = MappingProxyType(
    {
        "score-function": ToyEstimator("REINFORCE", 1, _reinforce_variance, _reinforce),
        "leave-one-out": ToyEstimator(
            "leave-one-out, K = 2", 2, _leave_one_out_variance, _leave_one_out
        ),
        "arm": ToyEstimator("ARM", 2, _arm_variance, _antithetic(ARM)),
        "disarm": ToyEstimator("DisARM", 2, _disarm_variance, _antithetic(DisARM)),
    }
)

PROBLEMS: Sequence[ToyProblem] = tuple(
    ToyProblem(target, probability) for target in (0.45, 0.499) for probability in (0.5, 0.25, 0.1)
)
"""Those of the table that is to be reproduced."""


def simulate(
    problem: ToyProblem, estimator: str, draws: int, *, generator: torch.Generator
) -> Tensor:
    """`draws` independent estimates of dL/da, ``(draws,)`` in double precision.

    Raises:
        ValueError: `estimator` is not one of `ESTIMATORS`, or `draws` is below 1.
    """
    if estimator not in ESTIMATORS:
        raise ValueError(f"`estimator` must be one of {list(ESTIMATORS)}; got {estimator!r}.")
    check_size("draws", draws)
    kind = ESTIMATORS[estimator]
    noise = torch.rand(
        (kind.evaluations, draws),
        generator=generator,
        device=generator.device,
        dtype=torch.float64,
    )
    return kind.estimate(problem, noise)


def table(
    problems: Sequence[ToyProblem] = PROBLEMS, *, draws: int, generator: torch.Generator
) -> list[dict[str, Any]]:
    """Closed forms beside measurements.

    Returns:
        A row for each problem and estimator: target, probability, gradient, estimator, title,
        evaluations, variance (closed form), mean and mean_se, measured and measured_se (the
        variance over `draws` estimates, and its standard error).

    Raises:
        ValueError: `draws` is below 2.
    """
    if draws < 2:
        raise ValueError(f"`draws` must be at least 2; got {draws}.")
    rows = []
    for problem in problems:
        for name, kind in ESTIMATORS.items():
            found = simulate(problem, name, draws, generator=generator)
            measured = float(found.var())
            fourth = float((found - found.mean()).pow(4).mean())
            rows.append(
                {
                    "target": problem.target,
                    "probability": problem.probability,
                    "gradient": problem.gradient,
                    "estimator": name,
                    "title": kind.title,
                    "evaluations": kind.evaluations,
                    "variance": kind.variance(problem),
                    "mean": float(found.mean()),
                    "mean_se": math.sqrt(measured / draws),
                    "measured": measured,
                    "measured_se": math.sqrt(max(fourth - measured**2, 0.0) / draws),
                }
            )
    return rows
