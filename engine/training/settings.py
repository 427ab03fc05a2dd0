"""The sections of a recipe: what each may say, and the rules for its values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from engine.errors import RecipeError
from engine.estimators import ESTIMATORS
from engine.evaluation.importance import KS

__all__ = [
    "Evaluation",
    "Named",
    "Optimiser",
    "Training",
    "VarianceSchedule",
    "fits",
    "read_section",
]

OPTIMISERS = ("adam", "adagrad", "rmsprop", "sgd")

Rule = tuple[str, bool, str]
"""An attribute, whether its value is allowed, and what is."""


@dataclass(frozen=True)
class Optimiser:
    """How the parameters move.

    Attributes:
        name: "adam", "adagrad", "rmsprop" or "sgd".
        learning_rate: for the first part of the run.
        final_learning_rate: reached linearly at the end; the same as `learning_rate` if None.
        hold: share of the run before the rate starts to fall.
        recognition_rate: factor on the rate of the recognition model (NVIL: 0.2).
        weight_prior_variance: kappa of N(0, kappa I) on the weights of p, or None for a flat prior.
        recognition_prior_variance: the same for the weights of q. No part of the model, but those
            of pixels that are hardly ever on drift far under Adam without it, and then q makes
            nothing of images with such pixels: drawings, or the first fill of an imputation.
    """

    name: str = "adam"
    learning_rate: float = 1e-3
    final_learning_rate: float | None = None
    hold: float = 0.5
    recognition_rate: float = 1.0
    weight_prior_variance: float | None = None
    recognition_prior_variance: float | None = None

    def rules(self) -> list[Rule]:
        """What is allowed, beyond the kinds of the values."""
        final = self.final_learning_rate
        kappa, kappa_of_q = self.weight_prior_variance, self.recognition_prior_variance
        return [
            ("name", self.name in OPTIMISERS, "a known optimiser"),
            ("learning_rate", self.learning_rate > 0, "above 0"),
            ("final_learning_rate", final is None or final >= 0, "0 or above"),
            ("hold", 0 <= self.hold <= 1, "in [0, 1]"),
            ("recognition_rate", self.recognition_rate > 0, "above 0"),
            ("weight_prior_variance", kappa is None or kappa > 0, "above 0"),
            ("recognition_prior_variance", kappa_of_q is None or kappa_of_q > 0, "above 0"),
        ]


@dataclass(frozen=True)
class Training:
    """How long, in which steps.

    Attributes:
        epochs: passes over the training split.
        batch_size: items a step.
        seed: of weights, order and noise.
        average: decay of the moving average of the weights; 0 uses the last weights.
        evaluate_every: epochs between two points of the curves (and saved states).
        evaluate_items: items of the train and of the validation split a point uses.
        compile: compile the whole step (falls back with a warning where it cannot).
        select_samples: K of the validation bound L_K that chooses the weights to keep; 1: the ELBO.
        train_samples: K of the bound of the training split beside it.
        shift_rate: how likely a training image is moved by a pixel, each time that it is seen, at
            the full learning rate; it falls with that, so that the end belongs to images as they
            are. See `engine.training.augmentation`; what numbers are measured on is never moved.
        start: name or path of a checkpoint whose weights to start from, or None. It may lack
            parameters that the model has (they are drawn as usual), not the other way round. It is
            the same for all seeds unless it is overridden.
        precision: "float32", or "bfloat16" for autocast matrix products.
        storage: "float32", or "float16": the checkpoint's weights are rounded to 16 bits, and what
            the card says is measured with the rounded ones.
    """

    epochs: float = 10
    batch_size: int = 100
    seed: int = 0
    average: float = 0.999
    evaluate_every: float = 1
    evaluate_items: int = 5000
    select_samples: int = 1
    train_samples: int = 1
    shift_rate: float = 0.0
    start: str | None = None
    compile: bool = False
    precision: str = "float32"
    storage: str = "float32"

    def rules(self) -> list[Rule]:
        """What is allowed, beyond the kinds of the values."""
        return [
            ("epochs", self.epochs > 0, "above 0"),
            ("batch_size", self.batch_size >= 1, "at least 1"),
            ("seed", 0 <= self.seed < 2**63, "from 0 to 2**63 - 1"),
            ("average", 0 <= self.average < 1, "in [0, 1)"),
            ("evaluate_every", self.evaluate_every > 0, "above 0"),
            ("evaluate_items", self.evaluate_items >= 2, "at least 2"),
            ("select_samples", self.select_samples >= 1, "at least 1"),
            ("train_samples", self.train_samples >= 1, "at least 1"),
            ("shift_rate", 0 <= self.shift_rate <= 1, "in [0, 1]"),
            ("precision", self.precision in ("float32", "bfloat16"), "float32 or bfloat16"),
            ("storage", self.storage in ("float32", "float16"), "float32 or float16"),
        ]


@dataclass(frozen=True)
class Evaluation:
    """How the numbers of the card are made.

    Attributes:
        samples: K of L_K; of a mixture of densities, how many of them are averaged.
        split: where.
        items: how many items, chosen at random by a fixed seed, L_K or a density is measured
            on; None: all.
        elbo_samples: draws an item for the ELBO of all items, where `items` is given.
        control: what tells of those on which L_K is not measured: "elbo", or "bound", their L_k
            with k = `elbo_samples`, for a q with rare draws that make the ELBO noisy.
        chains, temperatures: of the annealing that estimates log Z, where the density needs one.
        seed: of the draws.
    """

    samples: int = 5000
    split: str = "test"
    items: int | None = None
    elbo_samples: int = 100
    control: str = "elbo"
    chains: int = 100
    temperatures: int = 14_500
    seed: int = 0

    def rules(self) -> list[Rule]:
        """What is allowed, beyond the kinds of the values."""
        ks = tuple(k for k in KS if k <= self.samples)
        return [
            ("samples", self.samples >= 1, "at least 1"),
            ("elbo_samples", self.elbo_samples >= 1, "at least 1"),
            (
                "control",
                self.control == "elbo" or (self.control == "bound" and self.elbo_samples in ks),
                f'"elbo", or "bound" where elbo_samples is one of {ks}',
            ),
            ("split", self.split in ("train", "valid", "test"), "a split"),
            ("chains", self.chains >= 2, "at least 2"),
            ("temperatures", self.temperatures >= 1, "at least 1"),
            ("items", self.items is None or self.items >= 2, "at least 2"),
            ("seed", 0 <= self.seed < 2**63, "from 0 to 2**63 - 1"),
        ]


@dataclass(frozen=True)
class VarianceSchedule:
    """When the gradient variance of which estimators is recorded while training.

    Attributes:
        estimators: label to a table with `name` and the estimator's options.
        epochs: when, 0 being before the first step; the curves have a point there too.
        minibatches, batch_size, draws: see `engine.evaluation.variance`.
        oracle_draws: that the bias is measured against, see `engine.evaluation.bias`; 0 for none.
    """

    estimators: dict[str, dict[str, Any]] = field(default_factory=dict)
    epochs: tuple[float, ...] = ()
    minibatches: int = 20
    batch_size: int = 100
    draws: int = 100
    oracle_draws: int = 0

    def rules(self) -> list[Rule]:
        """What is allowed, beyond the kinds of the values."""
        # of a tuple: a name that is a list cannot be looked up in a table
        known = all(each.get("name") in tuple(ESTIMATORS) for each in self.estimators.values())
        return [
            ("epochs", min(self.epochs, default=0) >= 0, "0 or above each"),
            ("minibatches", self.minibatches >= 1, "at least 1"),
            ("batch_size", self.batch_size >= 1, "at least 1"),
            ("draws", self.draws >= 2, "at least 2"),
            ("oracle_draws", self.oracle_draws == 0 or self.oracle_draws >= 2, "0 or from 2 on"),
            ("estimators", known, f"tables with a name, one of {sorted(ESTIMATORS)}"),
        ]


@dataclass(frozen=True)
class Named:
    """A registry name with its arguments."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)


Section = TypeVar("Section", Optimiser, Training, Evaluation, VarianceSchedule)


def read_section(kind: type[Section], table: Mapping[str, Any], name: str) -> Section:
    """The section `name` of a recipe's `table`; what it does not say is as by default.

    Raises:
        RecipeError: a key is unknown, or a value of another kind or out of range: it would fail
            late or train nonsense.
    """
    values = dict(table.get(name, {}))
    known = {one.name: str(one.type) for one in dataclasses.fields(kind)}
    if unknown := values.keys() - known:
        raise RecipeError(f"[{name}] has unknown keys {sorted(unknown)}; it knows {sorted(known)}.")
    for key, value in values.items():
        if not fits(known[key], value):
            raise RecipeError(f"`{name}.{key}` must be of the kind {known[key]}; got {value!r}.")
    section = kind(**values)
    for key, holds, rule in section.rules():
        if not holds:
            raise RecipeError(f"`{name}.{key}` must be {rule}; got {getattr(section, key)!r}.")
    return section


def fits(annotation: str, value: object) -> bool:
    """Whether a TOML value is of the kind that a field's annotation says."""
    if annotation.endswith(" | None"):
        return value is None or fits(annotation.removesuffix(" | None"), value)
    if annotation.startswith("tuple"):
        return isinstance(value, list | tuple) and all(fits("float", item) for item in value)
    if annotation.startswith("dict"):
        return isinstance(value, Mapping) and all(isinstance(v, Mapping) for v in value.values())
    if annotation == "float":
        return fits("int", value) or (isinstance(value, float) and math.isfinite(value))
    kind = {"str": str, "int": int, "bool": bool}[annotation]
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
