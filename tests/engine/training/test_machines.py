"""Machines with an energy through training: their curves, cards and starts."""

from __future__ import annotations

import json
import math

import pytest
import torch
from click.testing import CliRunner

from engine.__main__ import main
from engine.checkpoints import load_checkpoint
from engine.estimators import build_estimator
from engine.models import build_model
from engine.random import make_generator
from engine.training.loop import Run
from engine.training.measuring import exact_metrics
from engine.training.recipe import parse_recipe
from engine.training.run import train
from engine.training.settings import Evaluation, Optimiser
from engine.training.step import Learner, Stepper

NAMES = ("contrastive-divergence", "persistent-contrastive-divergence")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Short annealing at the points of the curves."""
    monkeypatch.setattr(
        "engine.evaluation.partition.settle.__kwdefaults__",
        {
            "chains": 20,
            "temperatures": 30,
            "progress": None,
        },
    )
    monkeypatch.setattr("engine.evaluation.partition.EQUILIBRIUM_SWEEPS", 50)


def rbm_recipe(estimator="persistent-contrastive-divergence", name="machine", **training):
    table = {
        "data": {"name": "digits-mini", "items": 300},
        "model": {"name": "rbm", "hidden": 12, "particles": 20},
        "estimator": {"name": estimator, "steps": 2},
        "optimiser": {"learning_rate": 0.01},
        "training": {"epochs": 4, "batch_size": 50, "average": 0.9} | training,
        "evaluation": {"chains": 30, "temperatures": 300},
    }
    return parse_recipe(table, name)


def dbn_recipe(start, estimator="greedy", name="deep", **options):
    table = {
        "data": {"name": "digits-mini", "items": 300},
        "model": {"name": "dbn", "layers": [12, 8], "particles": 20},
        "estimator": {"name": estimator, "steps": 2} | options,
        "optimiser": {"learning_rate": 0.01},
        "training": {"epochs": 2, "batch_size": 50, "average": 0.9, "start": str(start)},
        "evaluation": {"samples": 20, "chains": 30, "temperatures": 300},
    }
    return parse_recipe(table, name)


def metrics(checkpoint):
    return {row["name"]: row for row in checkpoint.card["metrics"]}


@pytest.mark.parametrize("estimator", NAMES)
def test_the_card_of_an_rbm_holds_its_likelihood_between_two_sides(estimator, tmp_path):
    checkpoint = train(rbm_recipe(estimator), tmp_path)
    found = metrics(checkpoint)
    exact = float(checkpoint.model.log_partition_exact())
    below, above = found["log_partition"], found["log_partition_upper"]
    assert abs(below["value"] - exact) < 5 * below["standard_error"]
    assert abs(above["value"] - exact) < 5 * above["standard_error"]
    gap = found["log_likelihood"]["value"] - found["log_likelihood_lower"]["value"]
    assert gap == pytest.approx(above["value"] - below["value"], abs=1e-6)
    assert float(checkpoint.model.log_partition) == pytest.approx(below["value"], abs=1e-4)
    assert found["log_likelihood"]["samples"] == 30
    curve = checkpoint.curves["valid_elbo"]
    assert curve[-1] > curve[0]
    assert all(math.isnan(value) for value in checkpoint.curves["valid_kl"])


def test_evaluate_gives_the_numbers_of_the_card_again(tmp_path):
    checkpoint = train(rbm_recipe(), tmp_path)
    result = CliRunner().invoke(main, ["evaluate", str(checkpoint.path), "--json"])
    assert result.exit_code == 0, result.output
    again = json.loads(result.stdout)["metrics"]
    assert [row["name"] for row in again] == list(metrics(checkpoint))
    for row in again:
        assert row["value"] == pytest.approx(metrics(checkpoint)[row["name"]]["value"], abs=1e-6)


def test_a_resumed_run_goes_on_with_the_same_chains(tmp_path):
    whole = train(rbm_recipe(), tmp_path / "whole")
    dataset_recipe = rbm_recipe()
    state = tmp_path / "parts" / "machine.state.safetensors"
    from engine.datasets import load_dataset

    run = Run(dataset_recipe, load_dataset("digits-mini").with_fewer(300), state_path=state)
    for record in run.records():
        if record.point is not None and record.step >= run.steps // 2:
            break
    parts = train(dataset_recipe, tmp_path / "parts", resume=True)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(parts.model.state_dict()[name], value), name


def test_a_deep_belief_network_starts_from_an_rbm_and_trains_the_top_alone(tmp_path):
    rbm = train(rbm_recipe(), tmp_path).path
    checkpoint = train(dbn_recipe(rbm), tmp_path)
    first = load_checkpoint(rbm).model
    model = checkpoint.model
    assert torch.equal(model.decoder[0].weight, first.weight)
    assert torch.equal(model.recogniser[0].weight, first.weight.T)
    found = metrics(checkpoint)
    assert found["elbo"]["value"] < found["L_20"]["value"]
    exact = float(model.top.log_partition_exact())
    assert (
        abs(found["log_partition"]["value"] - exact) < 5 * found["log_partition"]["standard_error"]
    )
    assert found["L_20"]["standard_error"] > found["log_partition"]["standard_error"]
    assert float(model.top.log_partition) == pytest.approx(
        found["log_partition"]["value"], abs=1e-4
    )
    together = train(dbn_recipe(checkpoint.path, "joint", "together", samples=2), tmp_path)
    assert not torch.equal(together.model.decoder[0].weight, model.decoder[0].weight)


@pytest.mark.parametrize("name", [*NAMES, "greedy", "joint"])
def test_the_step_that_is_compiled_moves_weights_and_chains_as_the_eager_one(name, monkeypatch):
    # as plain Python: all that our own code does, without the compiler
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    x = (torch.rand(21, 6, generator=make_generator(3)) < 0.4).float()
    states = []
    for compiled in (False, True):
        if name in NAMES:
            model = build_model("rbm", data_dim=6, hidden=4, particles=10)
        else:
            model = build_model("dbn", data_dim=6, layers=[4, 3], particles=10)
        model.reset_parameters(make_generator(0))
        model.set_data_mean(x.mean(0))
        learner = Learner(model, build_estimator(name, model=model, steps=2)).train()
        settings = Optimiser(name="sgd", weight_prior_variance=0.1)
        stepper = Stepper(learner, settings, items=20, average=0.9, compiled=compiled)
        generator = make_generator(1)
        for number in range(1, 4):
            stepper.step(x, 0.01, number, generator)
        assert (stepper._compiled is not None) == compiled
        states.append(learner.state_dict())
    for key, value in states[0].items():
        torch.testing.assert_close(states[1][key], value, rtol=1e-4, atol=1e-5, msg=key)


def test_a_weight_prior_leaves_the_first_layer_alone_while_the_top_is_trained(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    x = (torch.rand(21, 6, generator=make_generator(3)) < 0.4).float()
    for compiled in (False, True):
        model = build_model("dbn", data_dim=6, layers=[4, 3], particles=10)
        model.reset_parameters(make_generator(0))
        before = {name: value.clone() for name, value in model.named_parameters()}
        learner = Learner(model, build_estimator("greedy", model=model, steps=1)).train()
        settings = Optimiser(name="sgd", weight_prior_variance=0.01)
        stepper = Stepper(learner, settings, items=20, average=0.9, compiled=compiled)
        stepper.step(x, 0.1, 1, make_generator(1))
        moved = {name for name, value in model.named_parameters() if (value != before[name]).any()}
        assert moved == {name for name in before if name.startswith("top.")}


def test_no_likelihood_whose_log_z_is_an_estimate_is_called_exact():
    x = (torch.rand(8, 6, generator=make_generator(3)) < 0.4).float()
    settings = Evaluation(samples=100)
    assert len(exact_metrics(build_model("sbn", data_dim=6, layers=[2, 2]), x, settings)) == 1
    assert exact_metrics(build_model("dbn", data_dim=6, layers=[2, 2]), x, settings) == []
