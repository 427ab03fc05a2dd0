"""Which imputations the table of their quality is made of, and how long their chains are."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from engine.checks import check_size
from engine.datasets.masks import NAMED
from engine.errors import RecipeError

__all__ = ["SHIPPED_PLAN", "ImputationPlan", "load_plan"]

SHIPPED_PLAN = Path(__file__).with_name("imputation.toml")


@dataclass(frozen=True)
class ImputationPlan:
    """Every checkpoint with every mask, by every method that suits its model.

    Attributes:
        checkpoints: names or paths.
        masks: of `engine.datasets.masks.NAMED`.
        split: "train", "valid" or "test".
        items: of it, at least 2.
        chains, start, warm_up, transitions: of each item, see `accuracy`.
        samples: K of the two bounds whose difference is log p(x_m | x_o).
        seed: of items, masks and draws.
    """

    checkpoints: tuple[str, ...]
    masks: tuple[str, ...] = NAMED
    split: str = "test"
    items: int = 100
    chains: int = 4
    start: int = 20
    warm_up: int = 80
    transitions: int = 120
    samples: int = 1000
    seed: int = 0


def load_plan(path: Path = SHIPPED_PLAN) -> ImputationPlan:
    """The plan that a TOML file describes, by the names of the attributes above.

    Raises:
        RecipeError: the file is missing or malformed, or asks for what there is not.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path} cannot be read as TOML: {error}.") from error
    known = {field.name for field in fields(ImputationPlan)}
    if unknown := sorted(content.keys() - known):
        raise RecipeError(f"{path}: unknown {unknown}; choose from {sorted(known)}.")
    try:
        return _checked(content)
    except ValueError as error:
        raise RecipeError(f"{path}: {error}") from error


def _checked(content: dict[str, object]) -> ImputationPlan:
    """Raises ValueError for a value that breaks a rule."""
    values = dict(content)
    for name in ("checkpoints", "masks"):
        found = values.get(name, list(NAMED) if name == "masks" else None)
        if not isinstance(found, list) or not found or not all(isinstance(v, str) for v in found):
            raise ValueError(f"`{name}` must be a list of one name or more; got {found!r}.")
        values[name] = tuple(found)
    plan = ImputationPlan(**values)  # type: ignore[arg-type]  # checked below
    if unknown := [mask for mask in plan.masks if mask not in NAMED]:
        raise ValueError(f"`masks` must be of {', '.join(NAMED)}; got {unknown}.")
    if plan.split not in ("train", "valid", "test"):
        raise ValueError(f'`split` must be "train", "valid" or "test"; got {plan.split!r}.')
    for name in ("items", "chains", "warm_up", "transitions", "samples"):
        check_size(name, getattr(plan, name))
    if plan.items < 2:
        raise ValueError(f"`items` must be at least 2, for standard errors; got {plan.items}.")
    for name in ("start", "seed"):
        check_size(name, getattr(plan, name), least=0)
    return plan
