"""The rows of the papers' tables are complete and consistent."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.datasets import DATASETS
from engine.leaderboard.published import (
    CERTAINTY,
    KINDS,
    better_of,
    estimator_kind,
    protocols,
    read_systems,
    systems,
)
from engine.training.recipe import load_recipe

TOML = """
[protocols.p]
title = "t"
dataset = "mnist-static"
split = "test"
unit = "nats"
training_items = 100
note = ""

[sources]
s = "somewhere"

[[system]]
key = "a"
title = "A"
family = "F"
protocol = "p"
published = [{ value = -1.0, estimator = "ELBO", certainty = "read", source = "s" }]
checkpoints = []
"""


def row(key: str):
    return next(one for one in systems() if one.key == key)


def test_every_system_of_the_tables_is_there() -> None:
    keys = {one.key for one in systems()}
    aevb = {f"{kind}-{n}" for kind in ("vae", "wake-sleep") for n in (3, 5, 10, 20, 200)}
    belief = {f"sbn-{k}" for k in ("200", "500", "200-200", "200-200-200", "200-200-500")}
    linked = {f"sbn-{k}-ar" for k in ("200", "500", "200-200", "200-200-200")}
    others = {
        "fdarn-200", "fdarn-500", "darn-500", "nade-500", "eonade-500-500", "mixture-500",
        "rbm-500", "rbm-500-cd-3", "dbn-500-2000", "factor-analysis", "nlgbn", "dlgm-diagonal",
        "dlgm-rank-one", "sbn-50-20-newsgroups", "fdarn-50-20-newsgroups", "imputation",
        *(f"vae-{n}-frey" for n in (2, 5, 10, 20)),
    }  # fmt: skip
    assert aevb | belief | linked | others <= keys


def test_protocols_name_data_that_the_engine_knows() -> None:
    for one in protocols().values():
        assert one.dataset in DATASETS
        assert one.split in ("train", "valid", "test")


@pytest.mark.parametrize("one", systems(), ids=lambda one: one.key)
def test_a_moonshot_is_not_easier_than_the_solid_target(one) -> None:
    assert one.published
    assert all(value.certainty in CERTAINTY for value in one.published)
    numbers = [value.value for value in one.published if value.value is not None]
    if one.protocol.unit == "nats per image" and one.protocol.key != "frey":
        assert all(value < 0 for value in numbers)
    by_kind = {
        level: {estimator_kind(t.estimator): t.value for t in targets if t.value is not None}
        for level, targets in (("solid", one.solid), ("moonshot", one.moonshot))
    }
    for kind in set(by_kind["solid"]) & set(by_kind["moonshot"]):
        sign = 1 if better_of(kind) == "higher" else -1
        assert sign * by_kind["moonshot"][kind] >= sign * by_kind["solid"][kind]
    assert one.comparison is not bool(one.solid or one.moonshot or one.checkpoints)


@pytest.mark.parametrize("one", systems(), ids=lambda one: one.key)
def test_a_checkpoint_that_has_a_recipe_is_on_the_data_of_its_row(one) -> None:
    folder = Path(__file__).resolve().parents[3] / "engine" / "recipes"
    for name in one.checkpoints:
        if (folder / f"{name}.toml").is_file():
            recipe = load_recipe(name)
            assert recipe.data == one.protocol.dataset
            assert recipe.items == one.training_items


def test_a_checkpoint_belongs_to_one_row_alone() -> None:
    names = [name for one in systems() for name in one.checkpoints]
    assert len(names) == len(set(names))


def test_the_headline_numbers_are_those_of_the_papers() -> None:
    assert row("sbn-200").published[0].value == -113.1
    assert row("sbn-200").published[0].estimator == "ELBO"
    assert row("nade-500").published[0].value == -88.86
    assert row("dlgm-rank-one").moonshot[0].value == -85.3
    assert row("eonade-500-500").published[0].estimator == "mixture of orderings"


def test_families_stand_together() -> None:
    order = [one.family for one in systems()]
    assert [name for i, name in enumerate(order) if i == 0 or name != order[i - 1]] == list(
        dict.fromkeys(order)
    )


def test_kinds_of_estimators() -> None:
    assert estimator_kind("L_50000") == "L_K"
    assert estimator_kind("mixture of orderings") == "exact"
    assert all(estimator_kind(kind) == kind for kind in KINDS)
    with pytest.raises(ValueError, match="`estimator` must be one of"):
        estimator_kind("L_many")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('protocol = "p"', 'protocol = "q"', "`protocol` must be one of"),
        ('source = "s"', 'source = "z"', "`source` must be one of"),
        ('certainty = "read"', 'certainty = "sure"', "`certainty` must be one of"),
        ('estimator = "ELBO"', 'estimator = "elbow"', "`estimator` must be one of"),
        ('title = "A"', 'titel = "A"', "has no"),
        ('title = "A"', "", "is incomplete"),
    ],
)
def test_a_wrong_word_in_the_file_is_told(old: str, new: str, told: str) -> None:
    assert len(read_systems(TOML)[1]) == 1
    with pytest.raises(ValueError, match=told):
        read_systems(TOML.replace(old, new))


def test_a_key_that_comes_twice_is_told() -> None:
    second = TOML[TOML.index("[[system]]") :]
    with pytest.raises(ValueError, match="`key` must be unique"):
        read_systems(TOML + second)
