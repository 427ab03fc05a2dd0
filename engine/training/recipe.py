"""Recipes: what to train, on what, how. One TOML file gives one checkpoint."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from engine.datasets import DATASETS
from engine.datasets.own import is_path
from engine.errors import RecipeError
from engine.estimators import ESTIMATORS
from engine.seeds import seed_name, split_name

T = TypeVar("T")
OPTIMISERS = ("adam", "adagrad", "rmsprop", "sgd")
SHIPPED = Path(__file__).resolve().parent.parent / "recipes"


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
    start: str | None = None
    compile: bool = False
    precision: str = "float32"
    storage: str = "float32"


@dataclass(frozen=True)
class Evaluation:
    """How the numbers of the card are made.

    Attributes:
        samples: K of L_K; of a mixture of densities, how many of them are averaged.
        split: where.
        items: how many items, chosen at random by a fixed seed, L_K or a density is measured
            on; None: all.
        elbo_samples: draws an item for the ELBO of all items, where `items` is given.
        chains, temperatures: of the annealing that estimates log Z, where the density needs one.
        seed: of the draws.
    """

    samples: int = 5000
    split: str = "test"
    items: int | None = None
    elbo_samples: int = 100
    chains: int = 100
    temperatures: int = 14_500
    seed: int = 0


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


@dataclass(frozen=True)
class Named:
    """A registry name with its arguments."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run.

    Attributes:
        name: of the checkpoint.
        data: name of the data set; of a user's own set the path of its folder or `.npz` file.
        items: how many items of its training split to use, chosen by a fixed seed; None: all.
        table: the TOML it came from.
    """

    name: str
    data: str
    items: int | None
    model: Named
    estimator: Named
    optimiser: Optimiser
    training: Training
    evaluation: Evaluation
    variance: VarianceSchedule
    table: dict[str, Any]

    @property
    def own_data(self) -> str | None:
        """`data` where that is a path of the user's: said to be one, or a name that looks so."""
        own = "path" in self.table["data"] or (self.data not in DATASETS and is_path(self.data))
        return self.data if own else None


def load_recipe(
    recipe: str | os.PathLike[str], overrides: Sequence[str] = (), seed: int | None = None
) -> Recipe:
    """The recipe in a TOML file, or the shipped one of that name, with `overrides` applied.

    With another seed than the file's own (0 where it says none) its name is NAME-seed-N, so that no
    seed writes over another. A shipped recipe can be asked for by that name as well. Whatever else
    the file says holds for every seed: `training.start` too, so that those which start from a
    checkpoint start from the same one.

    Args:
        overrides: "section.key=value", the value as TOML (a bare word counts as a string).
        seed: of the training; goes before the file and the overrides.

    Raises:
        RecipeError: the file is missing or malformed, or a key or value is not allowed.
    """
    path = Path(recipe)
    if not path.is_file():
        path, named = _find_shipped(os.fspath(recipe))
        if named is not None and seed not in (None, named):
            raise RecipeError(f"{os.fspath(recipe)!r} names the seed {named}; got the seed {seed}.")
        seed = named if seed is None else seed
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not valid TOML: {error}.") from error
    own = _seed(table)
    for override in overrides:
        _apply(table, override)
    if seed is not None and seed != _seed(table):
        _apply(table, f"training.seed={seed}")
    parsed = parse_recipe(table, path.stem)
    if parsed.training.seed == own:
        return parsed
    return dataclasses.replace(parsed, name=seed_name(path.stem, parsed.training.seed))


def _find_shipped(name: str) -> tuple[Path, int | None]:
    """The file of a shipped recipe, and the seed that the name asks for."""
    base, seed = split_name(name) or (name, None)
    for stem, asked in ((name, None), (base, seed)):
        path = SHIPPED / f"{stem}.toml"
        if path.is_file():
            return path, asked
    known = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.toml")))
    raise RecipeError(f"no recipe {name!r}: give a TOML file or one of {known}.")


def _seed(table: Mapping[str, Any]) -> object:
    """What a table says of the seed, right or wrong."""
    section = table.get("training")
    return section.get("seed", Training.seed) if isinstance(section, Mapping) else Training.seed


def _apply(table: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or len(parts) < 2 or not all(parts):
        raise RecipeError(f"--set needs section.key=value; got {override!r}.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise RecipeError(f"{override!r} cannot be set: {part!r} is a value, not a section.")
    table[parts[-1]] = value


def parse_recipe(table: Mapping[str, Any], name: str) -> Recipe:
    """A validated recipe from the parsed TOML `table`.

    Raises:
        RecipeError: a section or key is missing, unknown or out of range.
    """
    known = {"data", "model", "estimator", "optimiser", "training", "evaluation", "variance"}
    if unknown := table.keys() - known:
        raise RecipeError(f"unknown sections {sorted(unknown)}; a recipe has {sorted(known)}.")
    for section, content in table.items():
        if not isinstance(content, Mapping):
            raise RecipeError(f"[{section}] must be a section of keys; got {content!r}.")
    data = _data(table)
    for section, taken in {"data": None, "model": "data_dim", "estimator": "model"}.items():
        if section != "data" and not isinstance(table.get(section, {}).get("name"), str):
            raise RecipeError(f"a recipe needs a section [{section}] with a name.")
        if taken in table[section]:
            raise RecipeError(f"`{section}.{taken}` must not be set: the rest of it decides that.")
    if unknown := table["data"].keys() - {"name", "path", "items"}:
        raise RecipeError(
            f"[data] has unknown keys {sorted(unknown)}; it knows ['items', 'name', 'path']."
        )
    train_items = table["data"].get("items")
    if train_items is not None and not (_fits("int", train_items) and train_items >= 2):
        raise RecipeError(
            f"`data.items` must be a whole number of at least 2; got {train_items!r}."
        )
    try:
        json.dumps(table, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RecipeError(
            f"a recipe holds words, finite numbers, true, false, lists and sections only ({error})."
        ) from error
    recipe = Recipe(
        name=name,
        data=data,
        items=train_items,
        model=_named(table["model"]),
        estimator=_named(table["estimator"]),
        optimiser=_section(Optimiser, table, "optimiser"),
        training=_section(Training, table, "training"),
        evaluation=_section(Evaluation, table, "evaluation"),
        variance=_section(VarianceSchedule, table, "variance"),
        table=dict(table),
    )
    _check(recipe)
    return recipe


def _data(table: Mapping[str, Any]) -> str:
    """The path of a user's own data, which goes before the name, or the name."""
    section = table.get("data", {})
    value = section.get("path", section.get("name"))
    if not isinstance(value, str) or not value:
        raise RecipeError("a recipe needs a section [data] with a name or a path.")
    return value


def public_table(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table of a recipe as a card shows it: of paths the last part alone."""
    paths = {"data": ("name", "path"), "training": ("start",)}
    shown = {
        section: {
            key: Path(value).name if key in keys and isinstance(value, str) else value
            for key, value in table[section].items()
        }
        for section, keys in paths.items()
        if section in table
    }
    return {**table, **shown}


def _named(section: Mapping[str, Any]) -> Named:
    return Named(str(section["name"]), {k: v for k, v in section.items() if k != "name"})


def _section(kind: type[T], table: Mapping[str, Any], name: str) -> T:
    values = dict(table.get(name, {}))
    fields = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := values.keys() - fields:
        raise RecipeError(
            f"[{name}] has unknown keys {sorted(unknown)}; it knows {sorted(fields)}."
        )
    for field_ in dataclasses.fields(kind):  # type: ignore[arg-type]
        value = values.get(field_.name, field_.default)
        if field_.name in values and not _fits(str(field_.type), value):
            raise RecipeError(
                f"`{name}.{field_.name}` must be of the kind {field_.type}; got {value!r}."
            )
    return kind(**values)


def _fits(annotation: str, value: object) -> bool:
    """Whether a TOML value is of the kind that a field's annotation says."""
    if annotation.endswith(" | None"):
        return value is None or _fits(annotation.removesuffix(" | None"), value)
    if annotation.startswith("tuple"):
        return isinstance(value, list | tuple) and all(_fits("float", item) for item in value)
    if annotation.startswith("dict"):
        return isinstance(value, Mapping) and all(isinstance(v, Mapping) for v in value.values())
    if annotation == "float":
        return _fits("int", value) or (isinstance(value, float) and math.isfinite(value))
    kind = {"str": str, "int": int, "bool": bool}[annotation]
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _check(recipe: Recipe) -> None:
    """Refuse values that would fail late or train nonsense."""
    optimiser, training, variance = recipe.optimiser, recipe.training, recipe.variance
    items = recipe.evaluation.items
    final = optimiser.final_learning_rate
    kappa, kappa_of_q = optimiser.weight_prior_variance, optimiser.recognition_prior_variance
    rules = [
        ("optimiser.name", optimiser.name in OPTIMISERS, "a known optimiser"),
        ("optimiser.learning_rate", optimiser.learning_rate > 0, "above 0"),
        ("optimiser.final_learning_rate", final is None or final >= 0, "0 or above"),
        ("optimiser.hold", 0 <= optimiser.hold <= 1, "in [0, 1]"),
        ("optimiser.recognition_rate", optimiser.recognition_rate > 0, "above 0"),
        ("optimiser.weight_prior_variance", kappa is None or kappa > 0, "above 0"),
        ("optimiser.recognition_prior_variance", kappa_of_q is None or kappa_of_q > 0, "above 0"),
        ("training.epochs", training.epochs > 0, "above 0"),
        ("training.batch_size", training.batch_size >= 1, "at least 1"),
        ("training.seed", 0 <= training.seed < 2**63, "from 0 to 2**63 - 1"),
        ("training.average", 0 <= training.average < 1, "in [0, 1)"),
        ("training.evaluate_every", training.evaluate_every > 0, "above 0"),
        ("training.evaluate_items", training.evaluate_items >= 2, "at least 2"),
        ("training.select_samples", training.select_samples >= 1, "at least 1"),
        ("training.train_samples", training.train_samples >= 1, "at least 1"),
        (
            "training.precision",
            training.precision in ("float32", "bfloat16"),
            "float32 or bfloat16",
        ),
        ("training.storage", training.storage in ("float32", "float16"), "float32 or float16"),
        ("evaluation.samples", recipe.evaluation.samples >= 1, "at least 1"),
        ("evaluation.elbo_samples", recipe.evaluation.elbo_samples >= 1, "at least 1"),
        ("evaluation.split", recipe.evaluation.split in ("train", "valid", "test"), "a split"),
        ("evaluation.chains", recipe.evaluation.chains >= 2, "at least 2"),
        ("evaluation.temperatures", recipe.evaluation.temperatures >= 1, "at least 1"),
        ("evaluation.items", items is None or items >= 2, "at least 2"),
        ("evaluation.seed", 0 <= recipe.evaluation.seed < 2**63, "from 0 to 2**63 - 1"),
        ("variance.epochs", min(variance.epochs, default=0) >= 0, "0 or above each"),
        ("variance.minibatches", variance.minibatches >= 1, "at least 1"),
        ("variance.batch_size", variance.batch_size >= 1, "at least 1"),
        ("variance.draws", variance.draws >= 2, "at least 2"),
        (
            "variance.oracle_draws",
            variance.oracle_draws in (0, max(2, variance.oracle_draws)),
            "0 or from 2 on",
        ),
        (
            "variance.estimators",
            # of a tuple: a name that is a list cannot be looked up in a table
            all(each.get("name") in tuple(ESTIMATORS) for each in variance.estimators.values()),
            f"tables with a name, one of {sorted(ESTIMATORS)}",
        ),
    ]
    for key, holds, rule in rules:
        if not holds:
            section, name = key.split(".")
            value = getattr(getattr(recipe, section), name)
            raise RecipeError(f"`{key}` must be {rule}; got {value!r}.")
