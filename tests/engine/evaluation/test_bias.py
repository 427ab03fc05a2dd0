"""Biases against enumeration and against an oracle, and what they are not mistaken for."""

from __future__ import annotations

import math

import pytest
import torch

from engine.estimators import build_estimator
from engine.estimators.variants import build_variant, suitable_variants
from engine.evaluation.bias import enumerated, oracle
from engine.evaluation.variance import GradientRace, gradient_chunks, measure
from engine.random import make_generator
from tests.engine.estimators.exact import bits, enumerated_bound, enumerated_elbo, tiny


def test_the_enumerated_gradient_is_that_of_the_bound() -> None:
    model, x = tiny("sbn", layers=[2, 2]), bits(3)
    for key, value in (("nvil", enumerated_elbo(model, x)), ("vimco", None)):
        estimator = build_variant(key, model)
        if key == "vimco":  # K = 2: four bits, two draws
            estimator = build_estimator("vimco", model=model, samples=2)
            value = enumerated_bound(model, x, 2)
        found = enumerated(model, estimator, x)
        assert found is not None
        assert value is not None
        names = [name for name, _ in model.named_parameters()]
        grads = torch.autograd.grad(value, [p for _, p in model.named_parameters()])
        flat = {name: grad.flatten() for name, grad in zip(names, grads, strict=True)}
        both = torch.cat([flat["recognisers.1.0.weight"], flat["recognisers.1.0.bias"]])
        assert torch.allclose(found.gradients["recognition 2"], both, atol=1e-12)


def test_what_cannot_be_enumerated_has_no_truth() -> None:
    gaussian = tiny("vae", latent_dim=2, hidden=[3])
    assert enumerated(gaussian, build_variant("sgvb-a", gaussian), bits(2)) is None
    model = tiny("sbn", layers=[3])
    assert enumerated(model, build_variant("wake-sleep", model), bits(2)) is None
    assert enumerated(model, build_variant("vimco", model), bits(2)) is None  # 15 bits
    large = tiny("sbn", layers=[13])
    assert enumerated(large, build_variant("nvil", large), bits(2)) is None


def test_unbiased_estimators_lie_near_the_exact_gradient_and_the_others_do_not() -> None:
    model, x = tiny("sbn", layers=[2, 2]), bits(3)
    keys = [
        key
        for key in suitable_variants("bernoulli", 2)
        if build_variant(key, model).objective == "elbo"
    ]
    built = {key: build_variant(key, model).double().eval() for key in keys}
    for key in ("nvil", "nvil-c-idb-vn"):
        built[key].variance.fill_(9.0)  # a scale that shows
        built[key].updates.fill_(100.0)
    rows = measure(
        model, built, [x], draws=20_000, truth=lambda _, one, data: enumerated(model, one, data)
    )
    seen = set()
    for row in rows:
        if row["layer"] == "recognition 1":
            unbiased = built[row["estimator"]].unbiased
            seen.add(unbiased)
            assert (row["bias_z"] < 8) == unbiased, row
            assert row["bias_z"] > -5
            if not unbiased:
                assert row["bias_square"] > 5 * row["bias_square_se"]
        elif row["layer"] == "generative" and row["estimator"] != "concrete":
            assert abs(row["bias_z"]) < 8, row
    assert seen == {True, False}


def test_z_scores_of_repeated_measurements_have_the_width_they_claim() -> None:
    model, x = tiny("sbn", layers=[3]), bits(4)
    one = build_variant("leave-one-out", model)
    truth = enumerated(model, one, x)
    assert truth is not None
    scores = []
    for seed in range(200):
        race = GradientRace(model, {"a": one}, x, draws=200, seed=seed, truths={"a": truth})
        while race.advance():
            pass
        scores.append(race.rows()[0]["bias_z"])
    found = torch.tensor(scores)
    assert abs(float(found.mean())) < 5 / math.sqrt(200)
    # A chi-square-like law has an excess kurtosis below 12: the sd of 200 is known to 0.13.
    assert abs(float(found.std()) - 1) < 5 * 0.13


def test_an_oracle_stands_in_for_enumeration_and_counts_its_own_error() -> None:
    model, x = tiny("sbn", layers=[2, 2]), bits(3)
    given = build_variant("leave-one-out", model)
    truth = oracle(model, given, x, draws=4000, seed=9, name="leave-one-out")
    assert truth.source == "mean of 4000 draws of leave-one-out"
    built = {key: build_variant(key, model) for key in ("disarm", "straight-through")}
    race = GradientRace(model, built, x, draws=4000, truths=dict.fromkeys(built, truth))
    while race.advance():
        pass
    for row in race.rows():
        if row["layer"] != "generative":
            assert (row["bias_z"] > 8) == (row["estimator"] == "straight-through"), row
    with pytest.raises(ValueError, match="must be unbiased to be an oracle; 'concrete' is not"):
        oracle(model, build_variant("concrete", model), x, draws=9, seed=0, name="concrete")


@pytest.mark.parametrize("hidden", [[], [3]])
def test_a_shorter_basis_changes_no_moment(hidden: list[int]) -> None:
    model, x = tiny("sbn", layers=[3, 2], hidden=hidden), bits(2)
    for key in suitable_variants("bernoulli", 2):
        one = build_variant(key, model).double().eval()
        pairs = [
            next(
                gradient_chunks(
                    model, one, x, draws=6, generator=make_generator(1), chunk=6, shorten=shorten
                )
            )
            for shorten in (False, True)
        ]
        shorter = pairs[1]["recognition 1"].shape[1] < pairs[0]["recognition 1"].shape[1]
        assert shorter == (key not in ("wake-sleep", "rws-sleep", "rws-both"))
        for part, full in pairs[0].items():
            short = pairs[1][part]
            assert torch.allclose(full @ full.T, short @ short.T, rtol=1e-10), (key, part)


def test_cost_stands_beside_the_variance() -> None:
    model, x = tiny("sbn", layers=[3]), bits(2)
    built = {key: build_variant(key, model) for key in ("score-function", "leave-one-out")}
    race = GradientRace(model, built, x, draws=10)
    while race.advance():
        pass
    rows = {row["estimator"]: row for row in race.rows() if row["layer"] == "recognition 1"}
    assert rows["leave-one-out"]["evaluations"] == 2
    assert rows["leave-one-out"]["variance_evaluations"] == 2 * rows["leave-one-out"]["trace"]
    assert rows["score-function"]["bias_z"] is None
    assert all(seconds > 0 for seconds in race.seconds.values())
