"""A tractable model from its recipe to its card, its line in the tables and its evaluation."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from engine.checkpoints import load_checkpoint
from engine.datasets import load_dataset
from engine.training.recipe import parse_recipe
from engine.training.run import train
from tests.engine.cli.test_main import run

RECIPES = {
    "nade": ({"hidden_dim": 3, "dropout": 0.1}, "maximum-likelihood"),
    "eonade": ({"hidden": [3], "orderings": 2}, "order-agnostic"),
    "mixture": ({"components": 3}, "maximum-likelihood"),
}


@pytest.fixture(scope="module", params=RECIPES)
def trained(request, tmp_path_factory) -> Path:
    """A checkpoint of few steps on few items, its weights kept in 16 bits."""
    config, estimator = RECIPES[request.param]
    table = {
        "data": {"name": "digits-mini", "items": 100},
        "model": {"name": request.param, **config},
        "estimator": {"name": estimator},
        "optimiser": {"learning_rate": 0.01, "weight_prior_variance": 1.0},
        "training": {
            "epochs": 4,
            "batch_size": 50,
            "average": 0.5,
            "evaluate_every": 2,
            "evaluate_items": 20,
            "storage": "float16",
        },
    }
    folder = tmp_path_factory.mktemp(request.param)
    return train(parse_recipe(table, request.param), folder).path


def test_the_card_holds_the_exact_likelihood_and_evaluate_gives_it_again(trained):
    card = load_checkpoint(trained).card
    (metric,) = card["metrics"]
    assert metric["name"] == "log_likelihood"
    assert metric["estimator"].startswith("exact")
    result = run("evaluate", trained, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["metrics"] == card["metrics"]
    assert "log_likelihood" in run("evaluate", trained, "--limit", 30).stdout


def test_training_raises_the_likelihood_and_leaves_cells_empty_where_there_is_no_bound(trained):
    checkpoint = load_checkpoint(trained)
    bound = checkpoint.curves["valid_bound"]
    assert bound[-1] > bound[0]
    with trained.with_suffix(".csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert all(row["valid_kl"] == row["train_reconstruction"] == "" for row in rows)
    assert all(row["valid_elbo"] == row["valid_bound"] != "" for row in rows)


def test_a_tractable_model_has_a_line_in_the_table_of_checkpoints(trained, monkeypatch):
    monkeypatch.setenv("HELMHOLTZ_PRETRAINED", str(trained.parent))
    result = run("list", "--markdown")
    assert result.exit_code == 0
    row = next(line for line in result.stdout.splitlines() if f"`{trained.stem}`" in line)
    title = {"nade": "NADE 3", "eonade": "EoNADE 3", "mixture": "Mixture 3"}[trained.stem]
    assert f"| {title} |" in row
    assert "(exact" in row
    assert "500 test items" in row
    assert run("list").exit_code == 0


def test_what_needs_latents_says_so(trained):
    for arguments, words in [
        (("evaluate", trained, "--method", "ais", "--limit", 2), "needs a model with latents"),
        (("evaluate", trained, "--method", "kernel"), "needs a model with latents"),
        (("evaluate", trained, "--method", "quadrature"), "needs a model with latents"),
        (("variance", trained), "need a model with latents"),
    ]:
        result = run(*arguments)
        assert result.exit_code == 1
        assert words in result.stderr


def test_samples_of_a_trained_model_are_bits(trained):
    x = load_checkpoint(trained).model.sample(3)
    assert x.shape == load_dataset("digits-mini").test[:3].shape
    assert ((x == 0) | (x == 1)).all()
