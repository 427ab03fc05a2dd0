"""Trainings that differ by their seed: none writes over another, and they are told together."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from engine.__main__ import main
from engine.checkpoints import load_checkpoint, read_card
from engine.errors import RecipeError
from engine.leaderboard import leaderboard, measured_of, places
from engine.leaderboard.tables import json_rows, markdown_rows, ranking_csv
from engine.report import markdown_table
from engine.seeds import seed_name, seeds_of, split_name, spread_of
from engine.training.recipe import SHIPPED, load_recipe
from engine.training.run import train

RECIPE = """
[data]
name = "digits-mini"

[model]
name = "vae"
latent_dim = 2
hidden = [8]

[estimator]
name = "sgvb-b"

[training]
epochs = 2
evaluate_items = 50

[evaluation]
samples = 4
items = 60
elbo_samples = 2
"""
NAMES = ["tiny", "tiny-seed-1", "tiny-seed-2"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipes") / "tiny.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seeds of one recipe, trained by the command."""
    folder = tmp_path_factory.mktemp("runs")
    for seed in ([], ["--seed", "1"], ["--seed", "2"]):
        arguments = ["train", str(recipe), "--out", str(folder), "--device", "cpu", *seed]
        assert CliRunner().invoke(main, arguments, catch_exceptions=False).exit_code == 0
    return folder


@pytest.fixture(scope="module")
def cards(folder: Path) -> dict[str, dict]:
    return {name: read_card(folder / f"{name}.safetensors") for name in NAMES}


def weights(path: Path) -> dict[str, np.ndarray]:
    return {k: v.numpy() for k, v in load_checkpoint(path).model.state_dict().items()}


def entry(card: dict, name: str) -> dict:
    return next(one for one in card["metrics"] if one["name"] == name)


# --- names --------------------------------------------------------------------------------------


def test_the_checkpoint_of_another_seed_does_not_write_over_the_first(folder, cards):
    assert sorted(path.stem for path in folder.glob("*.csv")) == NAMES
    assert [cards[name]["seed"] for name in NAMES] == [0, 1, 2]
    first, second = (weights(folder / f"{name}.safetensors") for name in NAMES[:2])
    assert not np.array_equal(first["encoder.0.weight"], second["encoder.0.weight"])


def test_the_same_seed_gives_the_same_weights_curves_and_numbers(recipe, folder, cards, tmp_path):
    again = train(load_recipe(recipe, seed=1), tmp_path)
    assert again.name == "tiny-seed-1"
    first = load_checkpoint(folder / "tiny-seed-1.safetensors")
    found = weights(again.path)
    for name, value in weights(first.path).items():
        np.testing.assert_array_equal(found[name], value)
    assert again.card["metrics"] == cards["tiny-seed-1"]["metrics"]
    for name in first.curves.keys() - {"seconds"}:
        np.testing.assert_array_equal(again.curves[name], first.curves[name])


def test_the_recipes_own_seed_keeps_its_name_and_its_table(recipe):
    plain = load_recipe(recipe)
    assert load_recipe(recipe, seed=0) == plain
    assert plain.name == "tiny"
    recipe_of_five = recipe.with_name("five.toml")
    recipe_of_five.write_text(RECIPE.replace("epochs = 2", "epochs = 2\nseed = 5"))
    assert load_recipe(recipe_of_five, seed=5) == load_recipe(recipe_of_five)
    assert load_recipe(recipe_of_five).name == "five"
    assert load_recipe(recipe_of_five, seed=0).name == "five-seed-0"


def test_a_seed_that_is_set_like_any_other_value_names_the_checkpoint_too(recipe):
    assert load_recipe(recipe, ["training.seed=3"]) == load_recipe(recipe, seed=3)
    assert load_recipe(recipe, ["training.seed=3"]).name == "tiny-seed-3"
    assert load_recipe(recipe, ["training.seed=3"], seed=0).name == "tiny"


def test_a_shipped_recipe_is_known_by_the_names_of_its_seeds():
    by_name = load_recipe("vae-20-mnist-static-seed-1")
    assert by_name == load_recipe("vae-20-mnist-static", seed=1)
    assert by_name.name == "vae-20-mnist-static-seed-1"
    assert by_name.table["training"]["seed"] == 1
    assert load_recipe("vae-20-mnist-static-seed-0") == load_recipe("vae-20-mnist-static")
    assert load_recipe("vae-20-mnist-static-seed-1", seed=1) == by_name
    with pytest.raises(RecipeError, match="names the seed 1; got the seed 2"):
        load_recipe("vae-20-mnist-static-seed-1", seed=2)
    with pytest.raises(RecipeError, match="no recipe 'nowhere-seed-1'"):
        load_recipe("nowhere-seed-1")


def test_all_seeds_start_from_the_same_checkpoint():
    start = load_recipe("dlgm-rank-one-mnist-static").training.start
    assert start is not None
    assert load_recipe("dlgm-rank-one-mnist-static", seed=2).training.start == start
    other = load_recipe("dlgm-rank-one-mnist-static", ["training.start=mine"], seed=2)
    assert other.training.start == "mine"


def test_names_with_seeds_are_read_as_they_are_written():
    assert split_name(seed_name("vae-seed-1", 12)) == ("vae-seed-1", 12)
    for name in ("vae", "vae-seed-", "vae-seed-01", "-seed-1", "vae-seed-1x", "vae-seed--1"):
        assert split_name(name) is None
    assert all(split_name(path.stem) is None for path in SHIPPED.glob("*.toml"))


# --- groups -------------------------------------------------------------------------------------


def test_checkpoints_of_one_recipe_are_one_group(cards):
    assert seeds_of(cards) == {"tiny": NAMES}
    shuffled = {name: cards[name] for name in NAMES[::-1]}
    assert seeds_of(shuffled) == {"tiny": NAMES}


def test_without_the_first_the_lowest_seed_stands_for_the_others(cards):
    assert seeds_of({name: cards[name] for name in NAMES[:0:-1]}) == {"tiny-seed-1": NAMES[1:]}


def test_another_recipe_or_another_name_is_not_of_the_group(cards):
    longer = json.loads(json.dumps(cards["tiny-seed-2"]))
    longer["recipe"]["training"]["epochs"] = 3
    assert seeds_of(cards | {"tiny-seed-2": longer}) == {
        "tiny": NAMES[:2],
        "tiny-seed-2": ["tiny-seed-2"],
    }
    assert len(seeds_of({"tiny": cards["tiny"], "other": cards["tiny-seed-1"]})) == 2


@pytest.mark.parametrize("card", [{}, {"seed": "x", "recipe": 3}, {"recipe": {"training": []}}])
def test_cards_that_say_little_stand_alone(card):
    assert seeds_of({"a": card, "b": card}) == {"a": ["a"], "b": ["b"]}


# --- numbers ------------------------------------------------------------------------------------


def test_the_spread_is_mean_and_standard_deviation_over_the_seeds(cards):
    values = [entry(card, "elbo")["value"] for card in cards.values()]
    found = spread_of(list(cards.values()), entry(cards["tiny"], "elbo"))
    assert found.seeds == (0, 1, 2)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.deviation == pytest.approx(np.std(values, ddof=1))
    assert found.deviation > 0


def test_numbers_that_were_measured_otherwise_are_not_counted(cards):
    one = entry(cards["tiny"], "elbo")
    assert spread_of([cards["tiny"]], one) is None
    assert spread_of(list(cards.values()), one | {"samples": 7}) is None


def test_a_row_of_the_leaderboard_has_the_spread_beside_its_own_number(cards):
    measured = {one.estimator: one for one in measured_of(cards["tiny"], list(cards.values())[1:])}
    assert measured["ELBO"].value == entry(cards["tiny"], "elbo")["value"]
    assert measured["ELBO"].spread == spread_of(list(cards.values()), entry(cards["tiny"], "elbo"))
    assert measured["L_4"].spread is not None
    assert all(one.spread is None for one in measured_of(cards["tiny"]))


@pytest.fixture
def named(cards) -> dict[str, dict]:
    """The same under the name of a system, as if they had been trained on its data."""
    return {
        name.replace("tiny", "vae-20-mnist-static"): {**card, "dataset": "mnist-static"}
        for name, card in cards.items()
    }


def test_other_seeds_are_no_rows_of_the_leaderboard(named):
    rows = leaderboard(named)
    with_entries = [row for row in rows if row.entries]
    assert [row.system.key for row in with_entries] == ["vae-20"]
    assert [one.checkpoint for one in with_entries[0].entries] == ["vae-20-mnist-static"]
    ranked = [one for one in places(rows, "mnist-static", "ELBO") if one.rank is not None]
    assert [one.measured.value for one in ranked] == [
        entry(named["vae-20-mnist-static"], "elbo")["value"]
    ]


def test_the_tables_say_mean_deviation_and_number_of_seeds(named):
    rows = leaderboard(named)
    spread = rows[[row.system.key for row in rows].index("vae-20")].entries[0].measured[0].spread
    said = f"3 seeds: {spread.mean:.2f} ± {spread.deviation:.2f}"
    assert f"(500 items; {said})" in markdown_rows(rows)
    assert "seeds" not in markdown_rows(leaderboard({k: named[k] for k in list(named)[:1]}))
    header, first, *_ = ranking_csv(places(rows, "mnist-static", "ELBO")).splitlines()
    assert header.endswith(",seeds,seeds_mean,seeds_deviation,not_ranked")
    assert first.endswith(f",3,{spread.mean:.4f},{spread.deviation:.4f},")
    plain = next(row for row in json_rows(rows) if row["system"]["key"] == "vae-20")
    assert plain["entries"][0]["measured"][0]["spread"]["seeds"] == (0, 1, 2)
    line = markdown_table(named).splitlines()[2:]
    assert len(line) == 1
    assert f"({said})" in line[0]
    assert line[0].endswith("seeds 0, 1, 2 |")
