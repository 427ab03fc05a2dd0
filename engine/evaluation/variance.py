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

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from engine.estimators import GradientEstimator, build_estimator
from engine.evaluation.moments import Spread, VectorMoments
from engine.models.base import LatentVariableModel
from engine.random import Recorder, Replay, derive_seed, draw_plan, make_generator

if TYPE_CHECKING:
    from engine.datasets.base import Dataset
    from engine.training.recipe import VarianceSchedule

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

Row = dict[str, Any]

GENERATIVE = "generative"
FIT_STEPS = 300
"""Minibatches that fit an estimator's own state to a frozen model before it is measured."""

CHUNK_FLOATS = 2**24
"""Gradients held at a time: 64 MB in single precision, three times that while they are made."""
CHUNK_DRAWS = 64

_FIT_RATE = 1e-2
_INDICES, _NOISE, _FIT, _WEIGHTS, _STREAM = range(5)  # independent random streams of one seed


def layer_parameters(model: LatentVariableModel) -> dict[str, list[str]]:
    """Names of the model's parameters by part: recognition layers first, then the generative part.

    Where several recognition layers share a network (DLGM), it is a part of its own,
    "recognition shared".
    """
    layers = len(model.layer_sizes)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    parts: dict[str, list[str]] = {f"recognition {i + 1}": [] for i in range(layers)}
    shared: list[str] = []
    for module in model.recognition_modules():
        if isinstance(module, nn.ModuleList) and len(module) == layers:
            for index, part in enumerate(module):
                parts[f"recognition {index + 1}"] += [names[id(p)] for p in part.parameters()]
        else:
            into = parts["recognition 1"] if layers == 1 else shared
            into += [names[id(p)] for p in module.parameters()]
    if shared:
        parts["recognition shared"] = shared
    parts[GENERATIVE] = [names[id(p)] for p in model.generative_parameters()]
    return parts


class _Objective(nn.Module):
    """Model and estimator as one module, for `functional_call`."""

    def __init__(self, model: LatentVariableModel, estimator: GradientEstimator) -> None:
        super().__init__()
        self.model, self.estimator = model, estimator

    def forward(self, x: Tensor, generator: Recorder | Replay) -> Tensor:
        loss: Tensor = self.estimator(self.model, x, generator=generator).loss
        return loss


def _frozen(model: LatentVariableModel) -> LatentVariableModel:
    """A copy in evaluation mode without gradients; the caller's model stays as it is."""
    return copy.deepcopy(model).eval().requires_grad_(False)


def gradient_chunks(
    model: LatentVariableModel,
    estimator: GradientEstimator,
    x: Tensor,
    *,
    draws: int,
    generator: torch.Generator,
    chunk: int | None = None,
) -> Iterator[dict[str, Tensor]]:
    """Gradients of the mean objective on the minibatch `x` ``(batch, data)``, part by part.

    All draws of a chunk are made at once: the noise is drawn beforehand, in the order in which
    `draws` calls of the estimator would draw it, and `torch.func.vmap` maps the gradient over it.
    So the numbers are those of a plain loop, and do not depend on the chunks.

    Args:
        draws: how many gradients.
        generator: source of every draw.
        chunk: draws at a time; as many as fit in `CHUNK_FLOATS` if None.

    Yields:
        Part (see `layer_parameters`) to ``(chunk, size)``.

    Raises:
        ValueError: `draws` or `chunk` is below 1, or the width of `x` is wrong.
    """
    if draws < 1:
        raise ValueError(f"`draws` must be at least 1; got {draws}.")
    if x.ndim != 2 or x.shape[1] != model.data_dim or not len(x):
        raise ValueError(f"`x` must be (batch, {model.data_dim}); got {tuple(x.shape)}.")
    if chunk is None:
        size = max(sum(p.numel() for p in model.parameters()), 4 * x.numel())
        chunk = max(1, min(CHUNK_DRAWS, CHUNK_FLOATS // size))
    if chunk < 1:
        raise ValueError(f"`chunk` must be at least 1; got {chunk}.")
    model, estimator = _frozen(model), copy.deepcopy(estimator).eval().requires_grad_(False)
    objective = _Objective(model, estimator)
    recorder = Recorder(make_generator(0, x.device))
    with torch.no_grad():
        objective(x, recorder)

    def loss(parameters: dict[str, Tensor], noise: list[Tensor]) -> Tensor:
        return torch.func.functional_call(objective, parameters, (x, Replay(noise)))

    gradients = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))
    parameters = {f"model.{name}": value.detach() for name, value in model.named_parameters()}
    parts = layer_parameters(model)
    kind = next(iter(parameters.values())).dtype
    for start in range(0, draws, chunk):
        count = min(chunk, draws - start)
        noise = _noise(recorder.plan, count, generator, kind)
        found = gradients(parameters, noise)
        yield {
            part: -torch.cat([found[f"model.{name}"].reshape(count, -1) for name in names], dim=1)
            for part, names in parts.items()
        }


def _noise(
    plan: Sequence[tuple[str, tuple[int, ...]]],
    count: int,
    generator: torch.Generator,
    dtype: torch.dtype,
) -> list[Tensor]:
    """The noise of `count` calls, each entry of `plan` stacked along a new first axis."""
    calls = [draw_plan(plan, generator, dtype=dtype) for _ in range(count)]
    return [torch.stack(same) for same in zip(*calls, strict=True)]


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
    model = _frozen(model)
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
    if count < 1:
        raise ValueError(f"`minibatches` must be at least 1; got {count}.")
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
    ) -> None:
        if draws < 2:
            raise ValueError(f"`draws` must be at least 2; got {draws}.")
        if not estimators:
            raise ValueError("`estimators` must name at least one estimator; got none.")
        self.draws, self.labels = draws, list(estimators)
        self._moments: dict[str, dict[str, VectorMoments]] = {label: {} for label in estimators}
        self._sources = {
            label: gradient_chunks(
                model,
                estimator,
                x,
                draws=draws,
                generator=make_generator(derive_seed(seed, _NOISE), x.device),
                chunk=chunk,
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
        for part, gradients in next(self._sources[label]).items():
            moments = self._moments[label].setdefault(
                part, VectorMoments(gradients.shape[1], gradients)
            )
            moments.update(gradients)
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
        return [_row(label, part, [spread]) for (label, part), spread in self.spreads().items()]


def _row(label: str, part: str, spreads: Sequence[Spread]) -> Row:
    """Means over the minibatches; their errors are those of the draws, the minibatches fixed."""
    count = len(spreads)

    def mean(name: str) -> float:
        return math.fsum(getattr(spread, name) for spread in spreads) / count

    def error(name: str) -> float:
        return math.sqrt(math.fsum(getattr(spread, name) ** 2 for spread in spreads)) / count

    trace, square = mean("trace"), mean("mean_square")
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
    }


def measure(
    model: LatentVariableModel,
    estimators: Mapping[str, GradientEstimator],
    minibatches: Sequence[Tensor],
    *,
    draws: int,
    seed: int = 0,
    chunk: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> list[Row]:
    """Gradient variance of `estimators` on each of `minibatches`, averaged over them.

    Args:
        draws: gradients of each estimator on each minibatch.
        seed: of the noise.
        progress: called with the number of gradients drawn after each chunk.

    Returns:
        A row for each estimator and part of the model: estimator, layer, trace, trace_se,
        mean_square, mean_square_se (nats^2 per squared unit of the parameters; the errors are
        those of the draws), snr (of one draw; None where nothing varies), draws, minibatches.

    Raises:
        ValueError: `draws` is below 2, or there are no estimators or no minibatches.
    """
    if not minibatches:
        raise ValueError("`minibatches` must hold at least one minibatch; got none.")
    found: dict[tuple[str, str], list[Spread]] = {}
    for index, x in enumerate(minibatches):
        race = GradientRace(
            model, estimators, x, draws=draws, seed=derive_seed(seed, index), chunk=chunk
        )
        before = 0
        while race.advance() is not None:
            total = sum(race.done.values())
            if progress is not None:
                progress(total - before)
            before = total
        for key, spread in race.spreads().items():
            found.setdefault(key, []).append(spread)
    return [_row(label, part, spreads) for (label, part), spreads in found.items()]


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
        Rows of `measure`, with batch_size and fit_steps (0 for estimators without a state).
    """
    estimators, fitted = {}, {}
    for label, options in schedule.estimators.items():
        one = build_estimator(model=model, **options)
        fitted[label] = prepare(
            model, one, dataset, batch_size=schedule.batch_size, start=estimator
        )
        estimators[label] = one
    minibatches = fixed_minibatches(dataset, schedule.minibatches, schedule.batch_size)
    rows = measure(model, estimators, minibatches, draws=schedule.draws)
    return [
        {**row, "batch_size": schedule.batch_size, "fit_steps": fitted[row["estimator"]]}
        for row in rows
    ]
