"""The numbers of a card: which items, which draws, exact where the model allows."""

from __future__ import annotations

import pytest
import torch

from engine.evaluation import exact
from engine.evaluation.likelihood import subset
from engine.models import build_model
from engine.random import make_generator
from engine.training.recipe import Evaluation
from engine.training.run import measure


@pytest.fixture
def x() -> torch.Tensor:
    return (torch.rand(150, 6, generator=make_generator(0)) < 0.4).float()


def test_a_small_belief_network_is_measured_exactly_too(x):
    model = build_model("sbn", data_dim=6, layers=(3, 2))
    model.reset_parameters(make_generator(0))
    *_, bound, row = measure(model, x, Evaluation(samples=32, split="valid", items=120))
    expected = exact.log_marginal(model, subset(x, 120)).detach().double()
    assert row["name"] == "log_likelihood"
    assert row["value"] == pytest.approx(float(expected.mean()))
    assert row["standard_error"] == pytest.approx(float(expected.std()) / 120**0.5, rel=1e-4)
    assert (row["samples"], row["split"], row["items"]) == (32, "valid", 120)
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


def test_the_elbo_of_all_items_stands_beside_the_bound_of_some(x):
    model = build_model("vae", data_dim=6, latent_dim=2)
    rows = measure(model, x, Evaluation(samples=20, items=30, elbo_samples=7))
    assert [(row["name"], row["items"], row["samples"]) for row in rows] == [
        ("elbo", 150, 7),
        ("reconstruction", 150, 7),
        ("kl", 150, 7),
        ("L_20", 30, 20),
    ]
