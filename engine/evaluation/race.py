"""Estimators measured side by side on one minibatch."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from engine.estimators import GradientEstimator
from engine.evaluation.bias import Bias, Truth, bias_of, mean_bias
from engine.evaluation.gradients import block_chunks
from engine.evaluation.moments import Spread, VectorMoments
from engine.evaluation.products import part_size
from engine.models.base import LatentVariableModel
from engine.random import derive_seed, make_generator

__all__ = ["GradientRace", "Row", "row_of"]

Row = dict[str, Any]

_NOISE = 1  # random stream of a seed; the others are those of `fitting`


class GradientRace:
    """Estimators measured side by side on one minibatch, a chunk of draws at a time.

    All of them see the same noise (each has a generator of the same seed), so that estimators
    which differ only by a factor have the same signal-to-noise ratio to the last digits.

    Args:
        model: frozen; not changed.
        estimators: label to estimator, with its state fitted.
        x: the minibatch, ``(batch, data)``.
        draws: of each estimator.
        seed: of the noise.
        chunk: see `gradient_chunks`.
        truths: label to the gradient that the estimator should have on average; those without an
            entry are not tested for bias.

    Attributes:
        seconds: spent so far on each label's draws.

    Raises:
        ValueError: `draws` is below 2 or there are no estimators.
    """

    def __init__(
        self,
        model: LatentVariableModel,
        estimators: Mapping[str, GradientEstimator],
        x: Tensor,
        *,
        draws: int,
        seed: int = 0,
        chunk: int | None = None,
        truths: Mapping[str, Truth] | None = None,
    ) -> None:
        if draws < 2:
            raise ValueError(f"`draws` must be at least 2; got {draws}.")
        if not estimators:
            raise ValueError("`estimators` must name at least one estimator; got none.")
        self.draws, self.labels, self._model = draws, list(estimators), model
        self._moments: dict[str, dict[str, VectorMoments]] = {label: {} for label in estimators}
        self.seconds = dict.fromkeys(estimators, 0.0)
        self._evaluations = {label: one.evaluations for label, one in estimators.items()}
        self._truths = dict(truths or {})
        self._sources = {
            label: block_chunks(
                model,
                estimator,
                x,
                draws=draws,
                generator=make_generator(derive_seed(seed, _NOISE), x.device),
                chunk=chunk,
                shorten=label not in self._truths or self._truths[label].shortened,
            )
            for label, estimator in estimators.items()
        }

    @property
    def done(self) -> dict[str, int]:
        """Draws so far by label."""
        return {
            label: next((m.draws for m in parts.values()), 0)
            for label, parts in self._moments.items()
        }

    @property
    def finished(self) -> bool:
        """Whether every estimator has made its draws."""
        return all(count >= self.draws for count in self.done.values())

    def advance(self) -> str | None:
        """A chunk of draws of the estimator that is furthest behind; its label, None at the end."""
        if self.finished:
            return None
        done = self.done
        label = min(done, key=done.__getitem__)
        started = time.perf_counter()
        truth = self._truths.get(label)
        for part, blocks in next(self._sources[label]).items():
            found = self._moments[label]
            if part not in found:
                origin = None if truth is None else truth.gradients[part]
                like = next(self._model.parameters())
                found[part] = VectorMoments(part_size(blocks), like, origin)
            found[part].update(blocks)
        self.seconds[label] += time.perf_counter() - started
        return label

    def spreads(self) -> dict[tuple[str, str], Spread]:
        """The estimates so far by label and part, where there are at least two draws."""
        return {
            (label, part): moments.spread()
            for label, parts in self._moments.items()
            for part, moments in parts.items()
            if moments.draws > 1
        }

    def rows(self) -> list[Row]:
        """The estimates so far, as `measure` returns them."""
        biases = self.biases()
        return [
            row_of(
                label,
                part,
                [spread],
                evaluations=self._evaluations[label],
                biases=[biases[label, part]] if (label, part) in biases else [],
            )
            for (label, part), spread in self.spreads().items()
        ]

    def biases(self) -> dict[tuple[str, str], Bias]:
        """The squared biases so far by label and part, where there is a truth."""
        return {
            (label, part): bias_of(moments.spread(apart=True), truth, part)
            for label, truth in self._truths.items()
            for part, moments in self._moments[label].items()
            if moments.draws > 1
        }


def row_of(
    label: str,
    part: str,
    spreads: Sequence[Spread],
    *,
    evaluations: int,
    biases: Sequence[Bias] = (),
) -> Row:
    """Means over the minibatches; their errors are those of the draws, the minibatches fixed.

    See `engine.evaluation.variance.measure`.
    """
    count = len(spreads)

    def mean(name: str) -> float:
        return math.fsum(getattr(spread, name) for spread in spreads) / count

    def error(name: str) -> float:
        return math.sqrt(math.fsum(getattr(spread, name) ** 2 for spread in spreads)) / count

    trace, square = mean("trace"), mean("mean_square")
    bias = mean_bias(biases) if biases else None
    return {
        "estimator": label,
        "layer": part,
        "trace": trace,
        "trace_se": error("trace_se"),
        "mean_square": square,
        "mean_square_se": error("mean_square_se"),
        "snr": math.sqrt(max(square, 0.0) / trace) if trace > 0 else None,
        "draws": spreads[0].draws,
        "minibatches": count,
        "evaluations": evaluations,
        "variance_evaluations": trace * evaluations,
        "bias_square": bias.square if bias else None,
        "bias_square_se": bias.square_se if bias else None,
        "bias_z": bias.z if bias else None,
    }
