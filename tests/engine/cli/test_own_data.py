"""Training and evaluating on a user's own pictures, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from engine.__main__ import main
from engine.checkpoints import read_card
from engine.training.recipe import load_recipe

QUICK = (
    "training.epochs=1",
    "model.layers=[3]",
    "model.hidden=[5]",
    "evaluation.samples=4",
    "evaluation.items=5",
    "evaluation.elbo_samples=2",
)


def run(*arguments: object, settings: tuple[str, ...] = ()) -> Result:
    options = [part for setting in settings for part in ("--set", setting)]
    return CliRunner().invoke(main, [*map(str, arguments), *options])


def pictures(path: Path, seed: int = 0, *, bits: bool = False) -> Path:
    images = np.random.default_rng(seed).integers(0, 256, (60, 4, 5, 3), dtype=np.uint8)
    np.savez(path, images=images // 128 if bits else images)
    return path


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    data = pictures(tmp_path / "My cats.npz")
    done = run(
        *("train", "dlgm-own-pictures", "--out", tmp_path / "out"),
        settings=(f"data.path={data}", *QUICK),
    )
    assert done.exit_code == 0, done.output
    return tmp_path / "out" / "dlgm-own-pictures.safetensors"


def test_a_card_says_what_it_learned_from_and_not_where_that_lay(trained, tmp_path):
    card = read_card(trained)
    assert card["dataset"] == "own-my-cats"
    assert card["recipe"]["data"] == {"path": "My cats.npz"}
    assert "60 items of shape (4, 5, 3), colour values / 255" in card["protocol"]
    assert card["config"]["data_dim"] == 60
    assert card["image_shape"] == [4, 5, 3]  # nobody could tell it from the 60 values
    assert str(tmp_path) not in json.dumps(card)


def test_a_checkpoint_is_evaluated_on_the_same_pictures_again(trained, tmp_path):
    data = tmp_path / "My cats.npz"
    done = run("evaluate", trained, "--data", data, "--samples", 4, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["metrics"][0]["items"] == 6
    moved = data.rename(tmp_path / "My Cats.npz")  # another place, the same set
    assert run("evaluate", trained, "--data", moved, "--samples", 4).exit_code == 0


def test_its_imputations_and_gradients_are_measured_on_them_too(trained, tmp_path):
    data = ("--data", tmp_path / "My cats.npz", "--json")
    few = ("--items", 4, "--chains", 2, "--transitions", 3, "--warm-up", 2, "--samples", 3)
    done = run("impute", trained, *data, "--mask", "half", *few)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["dataset"] == "own-my-cats"
    few = ("--estimators", "sgvb-b", "--draws", 3, "--minibatches", 1, "--batch-size", 8)
    done = run("variance", trained, *data, *few, "--fit-steps", 0)
    assert done.exit_code == 0, done.output
    assert all(row["trace"] > 0 for row in json.loads(done.stdout)["rows"])


def test_a_table_of_imputations_is_made_of_them(trained, tmp_path):
    plan, table = tmp_path / "plan.toml", tmp_path / "table.csv"
    few = "items = 4\nchains = 2\nwarm_up = 2\ntransitions = 3\nsamples = 3\n"
    plan.write_text(f'checkpoints = ["{trained}"]\nmasks = ["half"]\n{few}', encoding="utf-8")
    none = run("impute-table", "measure", plan, "--out", table)
    assert none.exit_code == 1
    assert "--data PATH" in none.output
    assert not table.exists()
    own = ("--data", tmp_path / "My cats.npz")
    done = run("impute-table", "measure", plan, "--out", table, *own)
    assert done.exit_code == 0, done.output
    shown = run("impute-table", "show", table, "--json")
    assert {row["dataset"] for row in json.loads(shown.stdout)["rows"]} == {"own-my-cats"}


def test_a_card_is_measured_again_by_the_evaluation_of_its_recipe(trained, tmp_path):
    card = read_card(trained)
    assert {row["items"] for row in card["metrics"]} == {6}
    assert "of 5 items" in card["metrics"][-1]["estimator"]
    data = ("--data", tmp_path / "My cats.npz", "--json")
    again = json.loads(run("evaluate", trained, *data).stdout)
    assert again["metrics"] == card["metrics"]
    other = json.loads(run("evaluate", trained, *data, "--seed", 1).stdout)["metrics"]
    assert other[-1]["estimator"] == card["metrics"][-1]["estimator"]
    assert other[-1]["value"] != card["metrics"][-1]["value"]


def test_a_training_on_other_pictures_is_not_resumed(trained, tmp_path):
    data = pictures(tmp_path / "My cats.npz", seed=1)
    where = ("train", "dlgm-own-pictures", "--out", trained.parent, "--resume")
    done = run(*where, settings=(f"data.path={data}", *QUICK))
    assert done.exit_code == 1
    assert "was saved by a training on other data" in done.output


def test_the_folder_one_stands_in_is_called_by_its_name(tmp_path, monkeypatch):
    pictures(tmp_path / "set.npz")
    (tmp_path / "cats").mkdir()
    rng = np.random.default_rng(0)
    for number in range(20):
        Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)).save(
            tmp_path / "cats" / f"{number}.png"
        )
    monkeypatch.chdir(tmp_path / "cats")
    where = ("train", "dlgm-cifar10-small", "--out", tmp_path)
    done = run(*where, settings=("data.path=.", "training.compile=false", *QUICK))
    assert done.exit_code == 0, done.output
    path = tmp_path / "dlgm-cifar10-small.safetensors"
    assert read_card(path)["recipe"]["data"] == {"path": "cats"}  # and no other set's name
    assert run("evaluate", path, "--data", ".", "--samples", 2).exit_code == 0


def test_the_name_of_a_set_takes_the_place_of_the_path_of_a_recipe():
    recipe = load_recipe("dlgm-own-pictures", ["data.name=svhn"])
    assert (recipe.data, recipe.own_data) == ("svhn", None)


def test_other_pictures_are_refused_and_a_path_is_asked_for(trained, tmp_path):
    other = run("evaluate", trained, "--data", pictures(tmp_path / "other.npz", seed=1))
    assert other.exit_code == 1
    assert "is not what the checkpoint learned from" in other.output
    none = run("evaluate", trained)
    assert none.exit_code == 1
    assert "--data PATH" in none.output


def test_a_path_may_stand_in_the_place_of_the_name_and_fewer_items_be_used(tmp_path):
    data = pictures(tmp_path / "set.npz")
    where = ("train", "dlgm-cifar10-small", "--out", tmp_path)
    quick = (*QUICK, "training.compile=false", "data.items=20")
    done = run(*where, settings=(f"data.name={data}", *quick))
    assert done.exit_code == 0, done.output
    path = tmp_path / "dlgm-cifar10-small.safetensors"
    assert read_card(path)["recipe"]["data"] == {"name": "set.npz", "items": 20}
    assert run("evaluate", path, "--data", data, "--samples", 2).exit_code == 0


def test_bits_ask_for_the_likelihood_of_bits(tmp_path):
    setting = f"data.path={pictures(tmp_path / 'set.npz', bits=True)}"
    where = ("train", "dlgm-own-pictures", "--out", tmp_path)
    refused = run(*where, settings=(setting, *QUICK))
    assert refused.exit_code == 1
    assert "model.likelihood must be 'bernoulli' for the data set 'own-set'" in refused.output
    done = run(*where, settings=(setting, "model.likelihood=bernoulli", *QUICK))
    assert done.exit_code == 0, done.output


def test_what_cannot_be_used_is_one_line(tmp_path):
    for path in (tmp_path / "nothing", tmp_path):
        done = run("train", "dlgm-own-pictures", settings=(f"data.path={path}",))
        assert done.exit_code == 1
        assert str(path) in done.output
        assert len(done.output.splitlines()) == 1
