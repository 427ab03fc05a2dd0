"""The training loop: a generator of records; the caller owns printing, drawing and stopping."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine.checkpoints import load_checkpoint
from engine.datasets.base import Dataset
from engine.errors import CheckpointError, EngineError
from engine.estimators import build_estimator
from engine.evaluation.likelihood import subset
from engine.evaluation.partition import settle
from engine.evaluation.validation import validate
from engine.models import GenerativeModel, LatentVariableModel, build_model
from engine.random import derive_seed, make_generator
from engine.training.augmentation import shifted
from engine.training.recipe import Recipe
from engine.training.settings import Optimiser
from engine.training.state import COLUMNS, Progress, load_state, save_state
from engine.training.step import Learner, Stepper

REPORT_STEPS = 50
"""Steps between two records: often enough for a bar, rare enough to cost nothing."""

_ORDER, _VALIDATION, _WEIGHTS = 0, 1, 2  # independent random streams of one seed


@dataclass(frozen=True)
class TrainRecord:
    """Where a run is.

    Attributes:
        step, steps: updates done and to do.
        samples: items seen.
        seconds: trained so far.
        samples_per_second: since the last record.
        elbo: mean training estimate since the last record, nats per item.
        point: the newest point of the curves by column, if this record has one.
    """

    step: int
    steps: int
    samples: int
    seconds: float
    samples_per_second: float
    elbo: float
    point: dict[str, float] | None = None

    @property
    def seconds_left(self) -> float:
        """Time left at the average speed so far."""
        return self.seconds / max(self.step, 1) * (self.steps - self.step)


class Run:
    """One training run; iterate over `records`, then read `best_weights`.

    Args:
        recipe: what to do.
        dataset: the recipe's data set.
        device: "cpu" or "cuda".
        state_path: where the state is saved at every point of the curves.
        resume: go on from `state_path`.

    Raises:
        CheckpointError: the state to resume from is missing, of another recipe or of other data.
        ValueError: the model or estimator of the recipe has bad arguments.
    """

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset,
        *,
        device: str = "cpu",
        state_path: Path | None = None,
        resume: bool = False,
    ) -> None:
        training = recipe.training
        self.recipe, self.state_path = recipe, state_path
        self.data = dataset.to(device)
        self.model = self._build_model(dataset, device)
        self.estimator = build_estimator(
            recipe.estimator.name, model=self.model, **recipe.estimator.options
        )
        weights = make_generator(derive_seed(training.seed, _WEIGHTS))
        self.model.cpu().reset_parameters(weights)
        self.estimator.cpu().reset_parameters(weights)
        self.model.set_data_mean(dataset.train_mean.cpu())
        if training.shift_rate > 0 and dataset.likelihood == "multinomial":
            raise ValueError(
                "training.shift_rate must be 0 for documents, which have no pixels beside each "
                f"other; got {training.shift_rate}."
            )
        if training.start is not None:
            start_from(self.model, training.start)
        learner = Learner(self.model, self.estimator).to(device).train()
        self.items = len(self.data.pixels["train"])
        self.steps_per_epoch = math.ceil(self.items / training.batch_size)
        self.steps = max(1, round(training.epochs * self.steps_per_epoch))
        self.variance_steps = (
            {round(epoch * self.steps_per_epoch) for epoch in recipe.variance.epochs}
            if isinstance(self.model, LatentVariableModel)
            else set()
        )
        self.stepper = Stepper(
            learner,
            recipe.optimiser,
            items=self.items,
            average=training.average,
            compiled=training.compile,
            precision=training.precision,
        )
        self.generator = make_generator(training.seed, device)
        self.progress = Progress(0, 0, 0.0, -math.inf, 0, [], [])
        self.best: dict[str, Tensor] = {}
        if resume:
            if state_path is None:
                raise ValueError("`resume` needs `state_path`; got None.")
            self.progress, self.best = load_state(
                state_path, recipe.table, dataset.protocol, self.stepper, self.generator
            )

    def _build_model(self, dataset: Dataset, device: str) -> GenerativeModel:
        named = self.recipe.model
        model: GenerativeModel = build_model(named.name, data_dim=dataset.data_dim, **named.options)
        if model.likelihood_kind != dataset.likelihood:
            raise ValueError(
                f"model.likelihood must be {dataset.likelihood!r} for the data set "
                f"{dataset.name!r}; got {model.likelihood_kind!r}."
            )
        return model.to(device)

    @property
    def curves(self) -> dict[str, list[float]]:
        """The points so far by column."""
        return {name: [row[i] for row in self.progress.rows] for i, name in enumerate(COLUMNS)}

    @property
    def best_weights(self) -> dict[str, Tensor]:
        """The state of the model at the point of the highest `valid_bound`.

        That is L_K of the validation split with K = `training.select_samples`; of a model with a
        tractable density its log-likelihood, of an energy model that with log Z by annealing.
        """
        return self.best or self._weights()

    def records(self) -> Iterator[TrainRecord]:
        """Train to the end, a record every few steps.

        Raises:
            EngineError: the loss stopped being finite.
        """
        progress, training = self.progress, self.recipe.training
        every = max(1, round(training.evaluate_every * self.steps_per_epoch))
        if not progress.rows:  # a state may have been saved before the first step
            self._point()
        order, epoch = torch.empty(0, dtype=torch.long), -1
        total, since, started = torch.zeros((), device=self.stepper.device), 0, time.perf_counter()
        while progress.step < self.steps:
            now, at = divmod(progress.step, self.steps_per_epoch)
            if now != epoch:
                epoch, order = now, self._order(now)
            indices = order[at * training.batch_size : (at + 1) * training.batch_size]
            rate = learning_rate(self.recipe.optimiser, progress.step / self.steps)
            x = self._batch(indices, rate)
            elbo = self.stepper.step(x, rate, progress.step + 1, self.generator)
            total += elbo
            since += 1
            progress.step += 1
            progress.samples += len(indices)
            due = (
                progress.step % every == 0
                or progress.step == self.steps
                or progress.step in self.variance_steps
            )
            if not due and progress.step % REPORT_STEPS:
                continue
            mean = float(total) / since
            if not math.isfinite(mean):
                raise EngineError(
                    f"the ELBO is {mean} at step {progress.step}: training diverged; lower "
                    "optimiser.learning_rate."
                )
            passed = time.perf_counter() - started
            progress.seconds += passed
            speed = since * training.batch_size / max(passed, 1e-9)
            started = time.perf_counter()
            point = self._point() if due else None
            yield TrainRecord(
                progress.step, self.steps, progress.samples, progress.seconds, speed, mean, point
            )
            total.zero_()
            since, started = 0, time.perf_counter()

    def _batch(self, indices: Tensor, rate: float) -> Tensor:
        """A minibatch of the training split, as the recipe wants it seen at this learning rate."""
        x = self.data.batch("train", indices, generator=self.generator)
        shift = self.recipe.training.shift_rate * rate / self.recipe.optimiser.learning_rate
        if shift == 0:
            return x
        return shifted(x, self.data.image_shape, shift, generator=self.generator)

    def _order(self, epoch: int) -> Tensor:
        """The order of an epoch, from the seed and the epoch alone, so that resuming finds it."""
        generator = make_generator(derive_seed(self.recipe.training.seed, _ORDER, epoch))
        return torch.randperm(self.items, generator=generator).to(self.stepper.device)

    def _point(self) -> dict[str, float]:
        """Validate, keep the best weights, save the state; seconds include the validation."""
        started = time.perf_counter()
        progress, training = self.progress, self.recipe.training
        live = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self._weights())
        values: dict[str, float] = {}
        noise = make_generator(derive_seed(training.seed, _VALIDATION), self.stepper.device)
        settle(self.model, generator=noise)
        for split in ("train", "valid"):
            # The same items and the same noise at every point: curves without sampling jitter.
            rows = torch.arange(len(self.data.pixels[split]), device=self.stepper.device)
            rows = subset(rows, training.evaluate_items)
            noise = make_generator(derive_seed(training.seed, _VALIDATION), self.stepper.device)
            x = self.data.batch(split, rows, generator=noise)
            samples = training.select_samples if split == "valid" else training.train_samples
            result = validate(self.model, x, samples=samples, generator=noise)
            values |= {f"{split}_{part}": value for part, value in result.items()}
        if values["valid_bound"] > progress.best_bound:
            progress.best_bound, progress.best_step = values["valid_bound"], progress.step
            self.best = {k: v.clone() for k, v in self.model.state_dict().items()}
        self._record_variance()
        self.model.load_state_dict(live)
        progress.seconds += time.perf_counter() - started
        values |= {
            "step": progress.step,
            "samples": progress.samples,
            "seconds": progress.seconds,
            "learning_rate": learning_rate(self.recipe.optimiser, progress.step / self.steps),
        }
        progress.rows.append([values[name] for name in COLUMNS])
        if self.state_path is not None:
            save_state(
                self.state_path,
                self.recipe.table,
                self.data.protocol,
                self.stepper,
                self.best,
                progress,
                self.generator,
            )
        return values

    def _weights(self) -> dict[str, Tensor]:
        """The averaged weights with the model's buffers; the last ones without averaging."""
        average = self.stepper.average
        return {k: average.get(k, v).clone() for k, v in self.model.state_dict().items()}

    def _record_variance(self) -> None:
        """Measure the gradient variance where the recipe's schedule says so."""
        schedule, progress = self.recipe.variance, self.progress
        if isinstance(self.model, LatentVariableModel) and progress.step in self.variance_steps:
            from engine.evaluation.variance import measure_recipe

            rows = measure_recipe(self.model, self.estimator, self.data, schedule)
            place = {"step": progress.step, "samples": progress.samples}
            progress.variance_rows += [
                # an empty cell where something is not known
                place | {name: math.nan if v is None else v for name, v in row.items()}
                for row in rows
            ]


def start_from(model: GenerativeModel, checkpoint: str) -> None:
    """Copy the weights of `checkpoint` into `model`; parameters that it lacks stay as they are.

    Raises:
        CheckpointError: the checkpoint is missing, or a weight has no place or another shape.
    """
    weights = dict(model.weights_of(load_checkpoint(checkpoint).model))
    own = model.state_dict()
    if odd := [k for k, v in weights.items() if k not in own or own[k].shape != v.shape]:
        raise CheckpointError(
            f"training.start: {checkpoint!r} has weights that the model has no place for "
            f"({', '.join(odd)}); start from a model of the same sizes."
        )
    model.load_state_dict(own | weights)


def learning_rate(settings: Optimiser, done: float) -> float:
    """The rate after the share `done` of the run: held, then linear to the final one."""
    final = settings.final_learning_rate
    if final is None or done <= settings.hold or settings.hold == 1:
        return settings.learning_rate
    share = (done - settings.hold) / (1 - settings.hold)
    return settings.learning_rate + share * (final - settings.learning_rate)
