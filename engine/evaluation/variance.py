"""Gradient variance of estimators at a frozen model, given the minibatch.

The random vector is g = -grad loss, an estimate of the gradient of the *mean* objective over one
minibatch with respect to the parameters of one layer; only the estimator's own draws vary. Its
trace sum_i Var(g_i) is in nats^2 per squared unit of the parameters, its squared mean in the same
unit, and the signal-to-noise ratio is ||E g|| / sqrt(trace) of a single draw. The model is in
evaluation mode: no noise on the recognition's input.

Estimators with a state of their own (running statistics, baseline networks) are measured with
that state fixed; `fit_state` fits it to the frozen model first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from engine.estimators import GradientEstimator, build_estimator
from engine.evaluation.bias import Bias, Truth, Truths
from engine.evaluation.fitting import (
    FIT_STEPS,
    fit_state,
    fitting,
    fixed_minibatches,
    prepare,
    training_stream,
)
from engine.evaluation.gradients import gradient_chunks, layer_parameters
from engine.evaluation.moments import Spread
from engine.evaluation.race import GradientRace, Row, row_of
from engine.models.base import LatentVariableModel
from engine.random import derive_seed

if TYPE_CHECKING:
    from engine.datasets.base import Dataset
    from engine.training.settings import VarianceSchedule

__all__ = [
    "FIT_STEPS",
    "GradientRace",
    "fit_state",
    "fitting",
    "fixed_minibatches",
    "gradient_chunks",
    "layer_parameters",
    "measure",
    "measure_recipe",
    "prepare",
    "training_stream",
]


def measure(
    model: LatentVariableModel,
    estimators: Mapping[str, GradientEstimator],
    minibatches: Sequence[Tensor],
    *,
    draws: int,
    seed: int = 0,
    chunk: int | None = None,
    progress: Callable[[int], object] | None = None,
    seconds: dict[str, float] | None = None,
    truth: Callable[[str, GradientEstimator, Tensor], Truth | None] | None = None,
) -> list[Row]:
    """Gradient variance of `estimators` on each of `minibatches`, averaged over them.

    Args:
        draws: gradients of each estimator on each minibatch.
        seed: of the noise.
        progress: called with the number of gradients drawn after each chunk.
        seconds: filled with label to the seconds that its draws took.
        truth: label, estimator and minibatch to what its gradient should be on average, None
            where that is not known (see `engine.evaluation.bias`).

    Returns:
        A row for each estimator and part of the model: estimator, layer, trace, trace_se,
        mean_square, mean_square_se (nats^2 per squared unit of the parameters; the errors are
        those of the draws), snr (of one draw; None where nothing varies), draws, minibatches,
        evaluations (of log p(x, z), an item and draw), variance_evaluations (the trace times
        these: what is left at equal cost), bias_square, bias_square_se and bias_z (see `Bias`;
        None where there is no truth).

    Raises:
        ValueError: `draws` is below 2, or there are no estimators or no minibatches.
    """
    if not minibatches:
        raise ValueError("`minibatches` must hold at least one minibatch; got none.")
    found: dict[tuple[str, str], list[Spread]] = {}
    biases: dict[tuple[str, str], list[Bias]] = {}
    for index, x in enumerate(minibatches):
        known = {
            label: one
            for label, estimator in estimators.items()
            if truth is not None and (one := truth(label, estimator, x)) is not None
        }
        race = GradientRace(
            model,
            estimators,
            x,
            draws=draws,
            seed=derive_seed(seed, index),
            chunk=chunk,
            truths=known,
        )
        before = 0
        while race.advance() is not None:
            total = sum(race.done.values())
            if progress is not None:
                progress(total - before)
            before = total
        if seconds is not None:
            for label, spent in race.seconds.items():
                seconds[label] = seconds.get(label, 0.0) + spent
        for key, spread in race.spreads().items():
            found.setdefault(key, []).append(spread)
        for key, bias in race.biases().items():
            biases.setdefault(key, []).append(bias)
    return [
        row_of(
            label,
            part,
            spreads,
            evaluations=estimators[label].evaluations,
            biases=biases.get((label, part), ()),
        )
        for (label, part), spreads in found.items()
    ]


def measure_recipe(
    model: LatentVariableModel,
    estimator: GradientEstimator,
    dataset: Dataset,
    schedule: VarianceSchedule,
) -> list[Row]:
    """What a training records: the estimators of `schedule` at the weights of `model`.

    Every estimator, the one that trains included, starts from the running statistics and
    baselines of the run where it has the same and is fitted for `FIT_STEPS` minibatches to these
    weights, so that none is measured with a staler state than another. Minibatches and noise are
    the same at every call. Neither `model` nor `estimator` is changed.

    Args:
        model: the averaged weights.
        estimator: of the run.
        dataset: on the model's device.

    Returns:
        Rows of `measure` with batch_size, fit_steps (0 for estimators without a state), seconds
        (that a draw took) and truth (what the bias is measured against; None where it is not).
    """
    estimators, fitted = {}, {}
    for label, options in schedule.estimators.items():
        one = build_estimator(model=model, **options)
        fitted[label] = prepare(
            model, one, dataset, batch_size=schedule.batch_size, start=estimator
        )
        estimators[label] = one
    minibatches = fixed_minibatches(dataset, schedule.minibatches, schedule.batch_size)
    truths = Truths(model, schedule.oracle_draws)
    seconds: dict[str, float] = {}
    rows = measure(
        model,
        estimators,
        minibatches,
        draws=schedule.draws,
        seconds=seconds,
        truth=lambda _, one, x: truths.of(one, x),
    )
    draws = schedule.draws * schedule.minibatches
    return [
        {
            **row,
            "batch_size": schedule.batch_size,
            "fit_steps": fitted[row["estimator"]],
            "seconds": seconds[row["estimator"]] / draws,
            "truth": None if row["bias_z"] is None else truths.source,
        }
        for row in rows
    ]
