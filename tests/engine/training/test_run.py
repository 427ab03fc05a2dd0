"""The numbers of a card: which items, which draws, exact where the model allows."""

from __future__ import annotations

import pytest
import torch

from engine.checkpoints import load_checkpoint, save_checkpoint
from engine.datasets import load_dataset
from engine.errors import CheckpointError
from engine.evaluation import exact
from engine.evaluation.likelihood import subset
from engine.models import build_model
from engine.random import make_generator
from engine.training.measuring import measure
from engine.training.recipe import parse_recipe
from engine.training.run import measure_again, start_seconds, stored, train
from engine.training.settings import Evaluation


@pytest.fixture
def x() -> torch.Tensor:
    return (torch.rand(150, 6, generator=make_generator(0)) < 0.4).float()


def test_a_small_belief_network_is_measured_exactly_too(x):
    model = build_model("sbn", data_dim=6, layers=(3, 2))
    model.reset_parameters(make_generator(0))
    *_, bound, row = measure(model, x, Evaluation(samples=32, split="valid"))
    expected = exact.log_marginal(model, x).detach().double()
    assert row["name"] == "log_likelihood"
    assert row["value"] == pytest.approx(float(expected.mean()))
    assert row["standard_error"] == pytest.approx(float(expected.std()) / 150**0.5, rel=1e-4)
    assert (row["samples"], row["split"], row["items"]) == (32, "valid", 150)
    assert bound["value"] < row["value"]


def test_enumeration_never_costs_more_than_the_bound(x):
    names = [
        [row["name"] for row in measure(build_model(kind, data_dim=6, **config), x, settings)]
        for kind, config, settings in [
            ("sbn", {"layers": (3, 2)}, Evaluation(samples=31)),
            ("vae", {"latent_dim": 2}, Evaluation(samples=31)),
        ]
    ]
    assert names == [["elbo", "reconstruction", "kl", "L_31"]] * 2


def test_the_elbo_of_all_items_stands_beside_the_bound_of_some_and_controls_it(x):
    model = build_model("vae", data_dim=6, latent_dim=2)
    rows = measure(model, x, Evaluation(samples=20, items=30, elbo_samples=7))
    assert [(row["name"], row["items"], row["samples"]) for row in rows] == [
        ("elbo", 150, 7),
        ("reconstruction", 150, 7),
        ("kl", 150, 7),
        ("L_20", 150, 20),
    ]
    assert rows[-1]["value"] > rows[0]["value"]
    assert "of 30 items" in rows[-1]["estimator"]


def test_a_mixture_of_orderings_is_measured_on_some_items_and_one_ordering_on_all(x):
    model = build_model("eonade", data_dim=6, hidden=[5], orderings=8)
    model.reset_parameters(make_generator(0))
    (row,) = measure(model, x, Evaluation(items=30))
    assert (row["samples"], row["items"]) == (8, 150)
    assert row["estimator"].startswith("exact, mixture of 8 orderings, of 30 items")
    chosen = subset(x, 30)
    with torch.no_grad():
        mixture, one = model.log_prob(chosen).double(), model.quick_log_prob(x, 1).double()
        gap = mixture - model.quick_log_prob(chosen, 1).double()
        truth = float(model.log_prob(x).double().mean())
    assert row["value"] == pytest.approx(float(gap.mean() + one.mean()))
    plain = float(mixture.std()) / 30**0.5
    assert row["standard_error"] < 0.8 * plain
    assert abs(row["value"] - truth) < 4 * row["standard_error"]
    (whole,) = measure(model, x, Evaluation())
    assert whole["value"] == pytest.approx(truth)
    assert whole["estimator"] == "exact, mixture of 8 orderings"


def test_weights_kept_in_16_bits_are_the_ones_that_the_card_measures(tmp_path):
    table = {
        "data": {"name": "digits-mini", "items": 300},
        "model": {"name": "vae", "latent_dim": 2, "hidden": [8]},
        "estimator": {"name": "sgvb-b"},
        "training": {"epochs": 2, "storage": "float16", "evaluate_items": 50, "train_samples": 3},
        "evaluation": {"samples": 5, "split": "valid", "items": 20, "elbo_samples": 2},
    }
    trained = train(parse_recipe(table, "small"), tmp_path)
    size = trained.path.stat().st_size
    weights = sum(value.numel() for value in trained.model.parameters())
    assert size < 2.5 * weights + 4 * 784 + 8000  # bytes: half of what 32 bits would take
    x = load_dataset("digits-mini").valid
    again = measure(load_checkpoint(trained.path).model, x, parse_recipe(table, "x").evaluation)
    assert again == trained.card["metrics"]
    assert trained.card["protocol"].endswith("300 training items")
    assert trained.card["training"]["samples"] == 600
    bound, elbo = trained.curves["train_bound"], trained.curves["train_elbo"]
    assert (bound > elbo).all()  # three samples against one


def test_measuring_again_keeps_the_weights_and_follows_the_recipe(tmp_path):
    table = {
        "data": {"name": "digits-mini", "items": 300},
        "model": {"name": "vae", "latent_dim": 2, "hidden": [8]},
        "estimator": {"name": "sgvb-b"},
        "training": {"epochs": 1, "storage": "float16", "evaluate_items": 50},
        "evaluation": {"samples": 5, "split": "valid", "items": 20, "elbo_samples": 2},
    }
    before = train(parse_recipe(table, "small"), tmp_path)
    table["evaluation"] = {"samples": 200, "split": "test", "items": 20, "elbo_samples": 2}
    changed = parse_recipe(table, "small")
    after = measure_again(changed, before)
    names = [row["name"] for row in after.card["metrics"]]
    assert names == ["elbo", "reconstruction", "kl", "L_100", "L_200"]
    assert {row["split"] for row in after.card["metrics"]} == {"test"}
    assert after.card["recipe"] == table
    assert after.card["training"] == before.card["training"]
    assert after.path == before.path
    assert len(after.curves["step"]) == len(before.curves["step"])
    for name, value in before.model.state_dict().items():
        assert torch.equal(value, after.model.state_dict()[name])

    table["training"]["epochs"] = 2
    with pytest.raises(CheckpointError, match="differ in more than"):
        measure_again(parse_recipe(table, "small"), after)


def test_measuring_again_rounds_the_weights_where_the_recipe_asks_for_fewer_bits(tmp_path):
    table = {
        "data": {"name": "digits-mini", "items": 300},
        "model": {"name": "vae", "latent_dim": 2, "hidden": [8]},
        "estimator": {"name": "sgvb-b"},
        "training": {"epochs": 1, "evaluate_items": 50},
        "evaluation": {"samples": 5, "items": 20, "elbo_samples": 2},
    }
    before = train(parse_recipe(table, "small"), tmp_path)
    weights, size = before.model.state_dict(), before.path.stat().st_size
    rounded = {name: value.clone() for name, value in stored(weights, "float16").items()}
    table["training"]["storage"] = "float16"
    fewer = parse_recipe(table, "small")
    after = measure_again(fewer, before)
    for name, value in after.model.state_dict().items():
        assert torch.equal(value, rounded[name].float())
    assert after.path.stat().st_size < 0.7 * size
    x = load_dataset("digits-mini").test
    assert measure(after.model, x, fewer.evaluation) == after.card["metrics"]
    assert load_checkpoint(after.path).card["recipe"] == table

    table["training"]["storage"] = "float32"
    with pytest.raises(CheckpointError, match="does not come back"):
        measure_again(parse_recipe(table, "small"), after)


def test_storage_rounds_weights_and_leaves_the_mean_of_the_data():
    third = torch.full((2,), 1 / 3)
    kept = stored({"data_mean": third, "decoder.0.weight": third}, "float16")
    assert kept["data_mean"].equal(third)
    assert kept["decoder.0.weight"].dtype == torch.float16


def test_a_card_keeps_the_seconds_of_all_that_its_training_started_from(tmp_path):
    table = {
        "data": {"name": "digits-mini"},
        "model": {"name": "vae", "latent_dim": 2, "hidden": [3]},
        "estimator": {"name": "sgvb-b"},
        "training": {"epochs": 0.1},
        "evaluation": {"samples": 2, "items": 10, "elbo_samples": 2},
    }
    first = train(parse_recipe(table, "first"), tmp_path)
    spent = [first.card["training"]["seconds"]]
    assert first.card["training"]["start_seconds"] == 0
    assert first.card["image_shape"] == [28, 28]
    for name in ("second", "third"):
        table["training"]["start"] = str(first.path)
        first = train(parse_recipe(table, name), tmp_path)
        assert first.card["training"]["start_seconds"] == pytest.approx(sum(spent), abs=0.11)
        spent.append(first.card["training"]["seconds"])
    with pytest.raises(CheckpointError, match="no checkpoint"):
        start_seconds("nowhere.safetensors")


def test_cards_of_old_are_followed_as_far_as_they_are_there(tmp_path):
    def old(name, start):
        card = {"model": "mixture", "config": {"data_dim": 3, "components": 2}, "dataset": "x",
                "protocol": "x", "recipe": {"training": {"start": str(start)}}, "seed": 0,
                "metrics": [], "training": {"seconds": 5.0}}  # fmt: skip
        model = build_model("mixture", data_dim=3, components=2)
        return save_checkpoint(tmp_path / name, model.state_dict(), card)

    first = old("first.safetensors", tmp_path / "gone.safetensors")
    second = old("second.safetensors", first)
    assert start_seconds(str(second)) == 10
    itself = tmp_path / "itself.safetensors"
    old(itself.name, itself)
    assert start_seconds(str(itself)) == 5
    assert start_seconds(None) == 0
