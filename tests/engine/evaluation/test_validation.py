"""A point of the curves and the numbers of a card, for models of every kind."""

from __future__ import annotations

import math

import pytest
import torch

from engine.evaluation import validation
from engine.evaluation.exact import all_bits
from engine.evaluation.likelihood import bounds
from engine.evaluation.validation import log_likelihoods, validate
from engine.models import build_model
from engine.random import make_generator
from engine.training.measuring import measure
from engine.training.settings import Evaluation
from tests.engine.models.tractables import tiny

X = all_bits(7, dtype=torch.float64)


def test_a_model_with_latents_is_validated_by_its_bounds():
    model = build_model("vae", data_dim=7, latent_dim=2)
    x = X.float()
    found = validate(model, x, samples=4, generator=make_generator(1))
    expected = bounds(model, x, samples=4, generator=make_generator(1))
    assert found == {
        name: float(getattr(expected, name).mean())
        for name in ("elbo", "reconstruction", "kl", "bound")
    }


def test_a_tractable_model_is_validated_by_its_density():
    model = tiny("nade")
    found = validate(model, X, samples=1, generator=make_generator(0))
    assert found["elbo"] == pytest.approx(float(model.log_prob(X).detach().mean()))
    assert found["bound"] == found["elbo"]
    assert math.isnan(found["kl"])
    assert math.isnan(found["reconstruction"])


def test_validation_averages_as_many_orderings_as_samples_are_asked_for():
    model = tiny("eonade-1")
    for samples in (1, 2, 3, 50):
        found = validate(model, X, samples=samples, generator=make_generator(0))
        expected = model.quick_log_prob(X, min(samples, 3)).detach().mean()
        assert found["bound"] == pytest.approx(float(expected))


def test_an_energy_model_is_validated_with_the_log_partition_that_it_holds():
    model = build_model("rbm", data_dim=7, hidden=3).double()
    model.log_partition.fill_(3.0)
    found = validate(model, X, samples=1, generator=make_generator(0))
    assert found["bound"] == pytest.approx(-float(model.free_energy(X).detach().mean()) - 3)
    assert math.isnan(found["kl"])


def test_densities_are_computed_in_chunks_without_drop_out_and_counted(monkeypatch):
    monkeypatch.setattr(validation, "CHUNK_ITEMS", 50)
    model, seen = tiny("nade", dropout=0.5).train(), []
    values = log_likelihoods(model, X, progress=seen.append)
    assert model.training
    torch.testing.assert_close(values, model.eval().log_prob(X).detach())
    assert seen == [50, 50, 28]
    assert not values.requires_grad
    seen.clear()
    log_likelihoods(tiny("eonade-2"), X[:60], terms=2, progress=seen.append)
    assert seen == [100, 20]


def test_a_model_comes_back_in_training_mode_when_its_items_are_refused():
    model = tiny("nade").train()
    with pytest.raises(ValueError, match="`x` must hold bits"):
        log_likelihoods(model, X / 2)
    assert model.training
    with pytest.raises(ValueError, match="`terms` must be a whole number, at least 1; got 0"):
        log_likelihoods(model, X, terms=0)
    with pytest.raises(ValueError, match="`samples` must be a whole number, at least 1; got 0"):
        validate(model, X, samples=0, generator=make_generator(0))
    with pytest.raises(ValueError, match="`x` must hold one item or more"):
        log_likelihoods(model, X[:0])


@pytest.mark.parametrize(
    ("name", "samples", "terms", "estimator"),
    [
        ("nade", 5000, 1, "exact"),
        ("eonade-1", 5000, 3, "exact, mixture of 3 orderings"),
        ("eonade-1", 2, 2, "exact, mixture of 2 orderings"),
        ("eonade-1", 1, 1, "exact"),
    ],
)
def test_a_card_says_the_exact_likelihood_and_over_how_many_orderings(
    name, samples, terms, estimator
):
    model = tiny(name)
    (row,) = measure(model, X, Evaluation(samples=samples, split="valid"))
    values = model.quick_log_prob(X, terms).detach()
    assert row["value"] == pytest.approx(float(values.mean()))
    assert row["standard_error"] == pytest.approx(float(values.std()) / 128**0.5)
    assert (row["name"], row["estimator"], row["samples"]) == ("log_likelihood", estimator, terms)
    assert (row["split"], row["items"]) == ("valid", 128)


def test_the_likelihood_of_some_items_says_how_many():
    (row,) = measure(tiny("mixture"), X, Evaluation(items=40))
    assert row["items"] == 40
