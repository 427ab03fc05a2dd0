"""The toy problem's estimators measured side by side, some draws at a time."""

from __future__ import annotations

import math
from typing import Any

import torch

from engine.evaluation.toy import ESTIMATORS, ToyProblem, simulate
from engine.random import derive_seed, make_generator

__all__ = ["ToyRace"]

FIRST_CHUNK = 100
GROWTH = 0.25  # of the draws so far, at each step: errors shrink evenly to the eye


class ToyRace:
    """Variances of all of `toy.ESTIMATORS` from more and more draws, beside their closed forms.

    Args:
        problem: one bit and its target.
        draws: of each estimator, in the end.
        seed: of the noise, of which each estimator has a stream of its own.

    Raises:
        ValueError: `draws` is below 2.
    """

    def __init__(self, problem: ToyProblem, *, draws: int, seed: int = 0) -> None:
        if draws < 2:
            raise ValueError(f"`draws` must be at least 2; got {draws}.")
        self.problem, self.draws, self.done = problem, draws, 0
        self._generators = {
            name: make_generator(derive_seed(seed, index)) for index, name in enumerate(ESTIMATORS)
        }
        # Sums of powers 1 to 4 of the distance from the known mean.
        self._sums = {name: torch.zeros(4, dtype=torch.float64) for name in ESTIMATORS}

    @property
    def finished(self) -> bool:
        """Whether all draws are made."""
        return self.done >= self.draws

    def advance(self) -> bool:
        """A chunk of draws of every estimator, a quarter of those so far; whether there was one."""
        count = min(max(FIRST_CHUNK, round(GROWTH * self.done)), self.draws - self.done)
        if count <= 0:
            return False
        powers = torch.arange(1, 5)[:, None]
        for name, generator in self._generators.items():
            apart = simulate(self.problem, name, count, generator=generator) - self.problem.gradient
            self._sums[name] += apart.pow(powers).sum(1)
        self.done += count
        return True

    def rows(self) -> list[dict[str, Any]]:
        """A row an estimator: estimator, title, evaluations, variance (closed form), and once there
        are draws measured, measured_se, mean, mean_se and draws, None before.
        """
        return [self._row(name) for name in ESTIMATORS]

    def _row(self, name: str) -> dict[str, Any]:
        kind, n = ESTIMATORS[name], self.done
        row: dict[str, Any] = {
            "estimator": name,
            "title": kind.title,
            "evaluations": kind.evaluations,
            "variance": kind.variance(self.problem),
            "measured": None,
            "measured_se": None,
            "mean": None,
            "mean_se": None,
            "draws": n,
        }
        if n > 1:
            first, second, _, fourth = (self._sums[name] / n).tolist()
            # About the known mean: unbiased without a correction.
            row["measured"] = second
            row["measured_se"] = math.sqrt(max(fourth - second**2, 0.0) / n)
            row["mean"] = self.problem.gradient + first
            row["mean_se"] = math.sqrt(second / n)
        return row
