"""Perplexity of documents: the formula, its error, and where it is reported."""

from __future__ import annotations

import math

import pytest
import torch

from engine.evaluation.likelihood import bounds
from engine.evaluation.perplexity import perplexity, perplexity_metrics
from engine.models import build_model
from engine.random import make_generator
from engine.training.measuring import measure
from engine.training.settings import Evaluation


def documents(count: int = 40) -> torch.Tensor:
    return torch.randint(1, 9, (count, 5), generator=make_generator(0)).float()


def test_a_model_that_knows_nothing_is_as_perplexed_as_there_are_words():
    x = documents()
    value, error = perplexity(-x.sum(-1) * math.log(5), x.sum(-1))
    assert value == pytest.approx(5)
    assert error == pytest.approx(0, abs=1e-6)


def test_every_document_counts_alike_however_long():
    value, error = perplexity(torch.tensor([-2.0, -300.0]), torch.tensor([1.0, 100.0]))
    assert value == pytest.approx(math.exp(2.5))
    assert error == pytest.approx(math.exp(2.5) * 0.5)  # half the difference of 2 and 3


def test_an_empty_document_has_no_perplexity():
    with pytest.raises(ValueError, match="`lengths` must be above 0"):
        perplexity(torch.zeros(3), torch.tensor([1.0, 0.0, 2.0]))


def test_the_card_of_a_model_of_documents_has_its_perplexity():
    model = build_model("sbn", data_dim=5, layers=(3,), likelihood="multinomial")
    model.reset_parameters(make_generator(0))
    x = documents()
    rows = measure(model, x, Evaluation(samples=20, items=30, elbo_samples=4))
    assert [row["name"] for row in rows] == [
        "elbo",
        "reconstruction",
        "kl",
        "L_20",
        "perplexity",
        "perplexity_elbo",
        "log_likelihood",
    ]
    row, looser = rows[4:6]
    assert row["value"] < looser["value"]
    assert (row["samples"], row["items"], row["split"], row["unit"]) == (20, 30, "test", "per word")
    assert "L_20" in row["estimator"]
    assert 4 < row["value"] < 8


def test_perplexity_is_that_of_the_bound_and_falls_towards_the_exact_one():
    model = build_model("sbn", data_dim=5, layers=(3,), likelihood="multinomial")
    model.reset_parameters(make_generator(0))
    x = documents()
    few, many = (bounds(model, x, samples=k, generator=make_generator(1)) for k in (1, 500))
    first, last = (perplexity_metrics(model, x, each, "test")[0]["value"] for each in (few, many))
    assert last == pytest.approx(perplexity(many.bound, x.sum(-1))[0])
    assert last < first


def test_pixels_have_no_perplexity():
    model = build_model("sbn", data_dim=5, layers=(3,))
    x = (documents() > 4).float()
    result = bounds(model, x, samples=2, generator=make_generator(0))
    assert perplexity_metrics(model, x, result, "test") == []
