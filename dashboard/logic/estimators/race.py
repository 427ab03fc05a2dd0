"""Estimators measured side by side, a slice of time at a call."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from engine.evaluation.variance import GradientRace
    from engine.models import LatentVariableModel

__all__ = ["FIT_STEPS", "Race", "minibatches"]

FIT_STEPS = 200
"""Minibatches that fit baselines to a checkpoint: seconds, and nearly all of the gain."""


class Race:
    """Estimators measured side by side at a checkpoint, a slice of time at each call.

    First the baselines are fitted, then each estimator draws in turn.

    Args:
        key: identifies what it was started from.
        model: shared by all visitors; only copies of it are used.
        keys: of `engine.estimators.variants.VARIANTS`.
        pool: images that the baselines are fitted on, `(n, data)`.
        x: the minibatch, `(batch, data)`.
        draws: of each estimator.
        seed: of the noise.
        fit_steps: minibatches that fit each baseline; `FIT_STEPS` if None.
    """

    def __init__(
        self,
        key: str,
        model: LatentVariableModel,
        keys: Sequence[str],
        pool: Tensor,
        x: Tensor,
        *,
        draws: int,
        seed: int,
        fit_steps: int | None = None,
    ) -> None:
        from engine.estimators.variants import build_variant

        self.key, self.keys, self.draws = key, list(keys), draws
        self.fit_steps = FIT_STEPS if fit_steps is None else fit_steps
        self.fitted: dict[str, int] = dict.fromkeys(keys, 0)
        self.note = "starting"
        self.done = 0
        self.finished = False
        self.rows: list[dict[str, Any]] = []
        self._race: GradientRace | None = None
        self._built = {key: build_variant(key, model) for key in keys}
        self._fits = {key for key, one in self._built.items() if one.state_dict()}
        self._work = self._everything(model, pool, x, seed)

    def _everything(
        self, model: LatentVariableModel, pool: Tensor, x: Tensor, seed: int
    ) -> Iterator[None]:
        """All the work, with a pause after each piece of it."""
        from engine.evaluation.bias import enumerated
        from engine.evaluation.variance import GradientRace, fitting
        from engine.random import derive_seed, make_generator

        for key, estimator in self._built.items():
            estimator.reset_parameters(make_generator(derive_seed(seed, 0)))
            stream = minibatches(pool, len(x), derive_seed(seed, 1))
            noise = make_generator(derive_seed(seed, 2))
            for step in fitting(model, estimator, stream, steps=self.fit_steps, generator=noise):
                self.fitted[key] = step
                self.note = f"fitting the baselines of {key}: {step} of {self.fit_steps}"
                yield
            estimator.eval()
        truths = {}
        for key, estimator in self._built.items():
            if (truth := enumerated(model, estimator, x)) is not None:
                truths[key] = truth
            self.note = "the true gradient"
            yield
        self._race = GradientRace(model, self._built, x, draws=self.draws, seed=seed, truths=truths)
        while self._race.advance() is not None:
            self.done = min(self._race.done.values())
            self.note = f"{self.done} of {self.draws} draws of each estimator"
            yield

    def advance(self, seconds: float) -> None:
        """Work for about so many seconds, one piece at least."""
        deadline = time.perf_counter() + seconds
        while not self.finished:
            try:
                next(self._work)
            except StopIteration:
                self.finished = True
            if time.perf_counter() >= deadline:
                break
        if self._race is not None:
            self.rows = self._race.rows()

    @property
    def share(self) -> float:
        """Of the work done, from 0 to 1; a draw counts as a step of fitting does."""
        total = len(self._fits) * self.fit_steps + len(self.keys) * self.draws
        drawn = sum(self._race.done.values()) if self._race is not None else 0
        return 1.0 if self.finished else min((sum(self.fitted.values()) + drawn) / total, 1.0)


def minibatches(pool: Tensor, size: int, seed: int) -> Iterator[Tensor]:
    """Random minibatches of `pool` without end, `(size, data)` each."""
    import torch

    from engine.random import make_generator

    generator = make_generator(seed)
    while True:
        yield pool[torch.randint(len(pool), (size,), generator=generator)]
