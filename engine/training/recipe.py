"""Recipes: what to train, on what, how. One TOML file gives one checkpoint."""

from __future__ import annotations

import dataclasses
import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.datasets import DATASETS
from engine.datasets.own import is_path
from engine.errors import RecipeError
from engine.seeds import seed_name, split_name
from engine.training.settings import (
    Evaluation,
    Named,
    Optimiser,
    Training,
    VarianceSchedule,
    fits,
    read_section,
)

SHIPPED = Path(__file__).resolve().parent.parent / "recipes"


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
            `data.path` takes the place of `data.name`, and the other way round.
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
    if parts in (["data", "path"], ["data", "name"]):  # other data than the file's own
        table.pop("name" if parts[-1] == "path" else "path", None)


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
    if train_items is not None and not (fits("int", train_items) and train_items >= 2):
        raise RecipeError(
            f"`data.items` must be a whole number of at least 2; got {train_items!r}."
        )
    try:
        json.dumps(table, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RecipeError(
            f"a recipe holds words, finite numbers, true, false, lists and sections only ({error})."
        ) from error
    return Recipe(
        name=name,
        data=data,
        items=train_items,
        model=_named(table["model"]),
        estimator=_named(table["estimator"]),
        optimiser=read_section(Optimiser, table, "optimiser"),
        training=read_section(Training, table, "training"),
        evaluation=read_section(Evaluation, table, "evaluation"),
        variance=read_section(VarianceSchedule, table, "variance"),
        table=dict(table),
    )


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
            key: Path(value).resolve().name if key in keys and isinstance(value, str) else value
            for key, value in table[section].items()
        }
        for section, keys in paths.items()
        if section in table
    }
    return {**table, **shown}


def _named(section: Mapping[str, Any]) -> Named:
    return Named(str(section["name"]), {k: v for k, v in section.items() if k != "name"})
