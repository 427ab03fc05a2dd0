"""The minibatches of a measurement, and the estimators' own state fitted to a frozen model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.checks import check_size
from engine.estimators import GradientEstimator
from engine.evaluation.gradients import frozen
from engine.models.base import LatentVariableModel
from engine.random import derive_seed, make_generator

if TYPE_CHECKING:
    from engine.datasets.base import Dataset

__all__ = [
    "FIT_STEPS",
    "fit_state",
    "fitting",
    "fixed_minibatches",
    "prepare",
    "training_stream",
]

FIT_STEPS = 300
"""Minibatches that fit an estimator's own state to a frozen model before it is measured."""

_FIT_RATE = 1e-2
_INDICES, _FIT, _WEIGHTS, _STREAM = 0, 2, 3, 4  # random streams of a seed; 1 is the race's


def fitting(
    model: LatentVariableModel,
    estimator: GradientEstimator,
    minibatches: Iterator[Tensor],
    *,
    steps: int = FIT_STEPS,
    generator: torch.Generator,
) -> Iterator[int]:
    """Fit the estimator's baselines and running statistics in place; the model is not changed.

    Adam on the estimator's own loss and parameters alone, its rate falling linearly from 0.01.

    Yields:
        The number of minibatches used, after each; nothing if the estimator has no state.
    """
    parameters = list(estimator.parameters())
    if not parameters and not list(estimator.buffers()):
        return
    model = frozen(model)
    optimiser = torch.optim.Adam(parameters, lr=_FIT_RATE) if parameters else None
    for step in range(steps):
        estimator.train()
        with torch.enable_grad():
            loss = estimator(model, next(minibatches), generator=generator).loss
            if optimiser is not None:
                optimiser.param_groups[0]["lr"] = _FIT_RATE * (1 - step / steps)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
        estimator.eval()
        yield step + 1


def fit_state(
    model: LatentVariableModel,
    estimator: GradientEstimator,
    minibatches: Iterator[Tensor],
    *,
    steps: int = FIT_STEPS,
    generator: torch.Generator,
) -> int:
    """All of `fitting` at once; the number of minibatches used."""
    done = max(fitting(model, estimator, minibatches, steps=steps, generator=generator), default=0)
    estimator.eval()
    return done


def fixed_minibatches(
    dataset: Dataset, count: int, batch_size: int, seed: int = 0, split: str = "train"
) -> list[Tensor]:
    """The same `count` minibatches for the same arguments, each ``(batch_size, data)``.

    Raises:
        ValueError: a number is below 1 or the split has fewer items than a minibatch.
    """
    check_size("minibatches", count)
    generator = make_generator(derive_seed(seed, _INDICES))
    return [_minibatch(dataset, split, batch_size, generator) for _ in range(count)]


def training_stream(
    dataset: Dataset, batch_size: int, seed: int = 0, split: str = "train"
) -> Iterator[Tensor]:
    """Random minibatches without end, each ``(batch_size, data)``: what `fit_state` learns from."""
    generator = make_generator(derive_seed(seed, _STREAM))
    while True:
        yield _minibatch(dataset, split, batch_size, generator)


def _minibatch(dataset: Dataset, split: str, batch_size: int, generator: torch.Generator) -> Tensor:
    pixels = dataset.pixels[split]
    if not 1 <= batch_size <= len(pixels):
        raise ValueError(
            f"`batch_size` must be from 1 to the {len(pixels)} items of the {split} split; "
            f"got {batch_size}."
        )
    indices = torch.randperm(len(pixels), generator=generator)[:batch_size].to(pixels.device)
    noise = make_generator(int(torch.randint(2**62, (), generator=generator)), pixels.device)
    return dataset.batch(split, indices, generator=noise)


def prepare(
    model: LatentVariableModel,
    estimator: GradientEstimator,
    dataset: Dataset,
    *,
    batch_size: int,
    steps: int = FIT_STEPS,
    seed: int = 0,
    split: str = "train",
    start: GradientEstimator | None = None,
) -> int:
    """Fit an estimator's state to the frozen `model` on minibatches of `dataset`.

    Args:
        start: an estimator whose state (where names and shapes agree) is the starting point;
            otherwise new weights from `seed`.

    Returns:
        The number of minibatches used.
    """
    estimator.cpu().reset_parameters(make_generator(derive_seed(seed, _WEIGHTS)))
    if start is not None:
        own, given = estimator.state_dict(), start.state_dict()
        same = {k: v for k, v in given.items() if k in own and own[k].shape == v.shape}
        estimator.load_state_dict({**own, **same})
    device = next(model.parameters()).device
    estimator.to(device)
    stream = training_stream(dataset, batch_size, seed, split)
    generator = make_generator(derive_seed(seed, _FIT), device)
    return fit_state(model, estimator, stream, steps=steps, generator=generator)
