"""Estimators measured side by side, a slice of time at a call."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from engine.evaluation.bias import Oracle, Truth
    from engine.evaluation.variance import GradientRace
    from engine.models import LatentVariableModel

__all__ = ["FIT_STEPS", "Race", "minibatches", "oracle_draws"]

FIT_STEPS = 200
"""Minibatches that fit baselines to a checkpoint: seconds, and nearly all of the gain."""
ORACLE_SHARE, MOST_ORACLE = 4, 4000


class Race:
    """Estimators measured side by side at a checkpoint, a slice of time at each call.

    First the baselines are fitted, then the oracle is drawn, then each estimator draws in turn.

    Args:
        key: identifies what it was started from.
        model: shared by all visitors; only copies of it are used.
        keys: of `engine.estimators.variants.VARIANTS`.
        pool: images that the baselines are fitted on, `(n, data)`.
        x: the minibatch, `(batch, data)`.
        draws: of each estimator.
        seed: of the noise.
        fit_steps: minibatches that fit each baseline; `FIT_STEPS` if None.
        oracle: gradients whose mean stands in for the truth where that cannot be enumerated; 0:
            the bias stays unknown there.

    Attributes:
        truths: key to what the estimator should give on average, where that is known.
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
        oracle: int = 0,
    ) -> None:
        from engine.estimators.variants import build_variant

        self.key, self.keys, self.draws = key, list(keys), draws
        self.fit_steps = FIT_STEPS if fit_steps is None else fit_steps
        self.fitted: dict[str, int] = dict.fromkeys(keys, 0)
        self.note = "starting"
        self.done = 0
        self.finished = False
        self.rows: list[dict[str, Any]] = []
        self.truths: dict[str, Truth] = {}
        self._race: GradientRace | None = None
        self._built = {key: build_variant(key, model) for key in keys}
        self._oracle = self._oracle_of(model, x, oracle, seed)
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
        for key, estimator in self._built.items():
            if (truth := enumerated(model, estimator, x)) is not None:
                self.truths[key] = truth
            self.note = "the true gradient"
            yield
        if self._oracle is not None:
            while self._oracle.advance():
                self.note = f"drawing the oracle: {self._oracle.done} of {self._oracle.draws}"
                yield
            truth = self._oracle.truth()
            self.truths |= {key: truth for key in self._built if self._asks_oracle(key)}
        self._race = GradientRace(
            model, self._built, x, draws=self.draws, seed=seed, truths=self.truths
        )
        while self._race.advance() is not None:
            self.done = min(self._race.done.values())
            self.note = f"{self.done} of {self.draws} draws of each estimator"
            yield

    def _asks_oracle(self, key: str) -> bool:
        return self._built[key].objective == "elbo" and key not in self.truths

    def _oracle_of(
        self, model: LatentVariableModel, x: Tensor, draws: int, seed: int
    ) -> Oracle | None:
        """What is drawn in place of a truth that cannot be enumerated; None where nobody asks."""
        from engine.estimators.variants import build_variant
        from engine.evaluation.bias import ORACLE_STREAM, ORACLES, Oracle, enumerable
        from engine.random import derive_seed

        if not draws or enumerable(model) or not any(map(self._asks_oracle, self._built)):
            return None
        name = ORACLES[model.latent_kind]
        return Oracle(
            model,
            build_variant(name, model),
            x,
            draws=draws,
            seed=derive_seed(seed, ORACLE_STREAM),
            name=name,
        )

    @property
    def oracle(self) -> Truth | None:
        """What the oracle says, once all of it is drawn."""
        return next((one for one in self.truths.values() if one.spreads), None)

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
        if self._oracle is not None:
            total, drawn = total + self._oracle.draws, drawn + self._oracle.done
        return 1.0 if self.finished else min((sum(self.fitted.values()) + drawn) / total, 1.0)


def oracle_draws(draws: int) -> int:
    """How many draws make an oracle for a measurement of `draws` by each estimator.

    So many that its error adds little to theirs, and no more than a visitor waits for.
    """
    return min(ORACLE_SHARE * draws, MOST_ORACLE)


def minibatches(pool: Tensor, size: int, seed: int) -> Iterator[Tensor]:
    """Random minibatches of `pool` without end, `(size, data)` each."""
    import torch

    from engine.random import make_generator

    generator = make_generator(seed)
    while True:
        yield pool[torch.randint(len(pool), (size,), generator=generator)]
