"""Gradient variance against enumeration, and against a plain loop of backward calls."""

from __future__ import annotations

import json
import math

import pytest
import torch

from engine.datasets.base import Dataset
from engine.estimators import build_estimator
from engine.estimators.variants import build_variant, suitable_variants
from engine.evaluation.moments import VectorMoments
from engine.evaluation.products import Product, dense, part_size
from engine.evaluation.variance import (
    GradientRace,
    fit_state,
    fixed_minibatches,
    gradient_chunks,
    layer_parameters,
    measure,
    measure_recipe,
    prepare,
    training_stream,
)
from engine.random import make_generator
from engine.training.settings import VarianceSchedule
from tests.engine.estimators.exact import bit_noise, bits, gradients_of, tiny

MODELS = {
    "sbn": {"layers": [2, 2]},
    "vae": {"latent_dim": 2, "hidden": [3]},
    "dlgm": {"layers": [2, 2], "hidden": [3], "covariance": "rank-one"},
}


def noisy(name: str):
    """A model that corrupts its input while training, left in training mode."""
    return tiny(name, input_noise="bit-flip", noise_rate=0.3, **MODELS[name]).train()


def digits(dynamic: bool = False) -> Dataset:
    """A data set of 4 pixels."""
    generator = make_generator(2)
    pixels = {
        split: torch.randint(0, 2, (60, 4), generator=generator, dtype=torch.uint8)
        * (255 if dynamic else 1)
        for split in ("train", "valid", "test")
    }
    levels = 255 if dynamic else 1
    return Dataset("tiny", pixels, (2, 2), "bernoulli", "made by a test", levels=levels)


@pytest.mark.parametrize("name", MODELS)
def test_vectorised_gradients_are_those_of_a_plain_loop(name) -> None:
    model, x = noisy(name), bits(6)
    parts = layer_parameters(model)
    for key in suitable_variants(model.latent_kind, len(model.layer_sizes)):
        estimator = build_variant(key, model).double()
        estimator.reset_parameters(make_generator(1))
        chunks = list(
            gradient_chunks(model, estimator, x, draws=5, generator=make_generator(3), chunk=2)
        )
        assert [len(chunk["generative"]) for chunk in chunks] == [2, 2, 1]
        generator = make_generator(3)
        model.eval()
        estimator.eval()
        for draw in range(5):
            model.zero_grad()
            estimator(model, x, generator=generator).loss.backward()
            parameters = dict(model.named_parameters())
            for part, names in parts.items():
                expected = -torch.cat([parameters[n].grad.flatten() for n in names])
                found = chunks[draw // 2][part][draw % 2]
                assert torch.allclose(found, expected, atol=1e-12), (key, part)


@pytest.mark.parametrize("name", MODELS)
def test_parts_hold_every_parameter_once(name) -> None:
    model = tiny(name, **MODELS[name])
    parts = layer_parameters(model)
    names = [n for group in parts.values() for n in group]
    assert sorted(names) == sorted(n for n, _ in model.named_parameters())
    layers = [f"recognition {i + 1}" for i in range(len(model.layer_sizes))]
    shared = ["recognition shared"] if name == "dlgm" else []
    assert list(parts) == [*layers, *shared, "generative"]
    assert all(parts.values())


@pytest.mark.parametrize("key", ["score-function", "nvil-c-idb", "nvil"])
@pytest.mark.parametrize("layers", [[3], [2, 2]])
def test_estimates_match_enumeration_within_five_standard_errors(layers, key) -> None:
    model, x = tiny("sbn", layers=layers), bits(2)
    estimator = build_variant(key, model).double()
    estimator.reset_parameters(make_generator(4))
    race = GradientRace(model, {key: estimator}, x, draws=6000, seed=1, chunk=500)
    while race.advance():
        pass
    noise, weights = bit_noise(model, x)
    exact = gradients_of(model, estimator.eval(), x, noise)
    for part, names in layer_parameters(model).items():
        draws = torch.cat([exact[n].flatten(1) for n in names], dim=1)
        mean = weights @ draws
        trace = float(weights @ (draws - mean).square().sum(1))
        square = float(mean.square().sum())
        found = race.spreads()[key, part]
        assert abs(found.trace - trace) < 5 * found.trace_se
        assert abs(found.mean_square - square) < 5 * found.mean_square_se
        assert found.trace_se < 0.1 * trace


def test_standard_errors_are_the_spread_of_repeated_measurements() -> None:
    generator = make_generator(0)
    scales, offset = torch.linspace(0.2, 2, 12), torch.linspace(-0.3, 0.3, 12)
    traces, squares, errors = [], [], []
    for _ in range(400):
        moments = VectorMoments(12, scales)
        for _ in range(4):
            moments.update(offset + scales * torch.randn(25, 12, generator=generator))
        spread = moments.spread()
        traces.append(spread.trace)
        squares.append(spread.mean_square)
        errors.append([spread.trace_se, spread.mean_square_se])
    repeated = torch.tensor([traces, squares])
    told = torch.tensor(errors).mean(0)
    spread_of = repeated.std(dim=1)
    # The standard deviation of 400 numbers is itself known to 1 / sqrt(800) = 3.5 %.
    assert torch.allclose(told, spread_of, rtol=5 / math.sqrt(800))
    truth = torch.tensor([float(scales.square().sum()), float(offset.square().sum())])
    assert bool(((repeated.mean(1) - truth).abs() < 5 * spread_of / math.sqrt(400)).all())


def test_streamed_moments_are_those_of_all_draws_at_once() -> None:
    draws = 50 + torch.randn(37, 9, generator=make_generator(1), dtype=torch.float64)
    moments = VectorMoments(9, draws)
    for chunk in draws.split(5):
        moments.update(chunk)
    spread = moments.spread()
    trace = float(draws.var(0).sum())
    assert spread.draws == 37
    assert math.isclose(spread.trace, trace, rel_tol=1e-10)
    square = float(draws.mean(0).square().sum()) - trace / 37
    assert math.isclose(spread.mean_square, square, rel_tol=1e-10)


def test_moments_about_a_point_are_those_of_the_draws_less_the_point() -> None:
    draws = 3 + torch.randn(24, 5, generator=make_generator(1), dtype=torch.float64)
    point = torch.arange(5.0, dtype=torch.float64)
    both, less = VectorMoments(5, draws, point), VectorMoments(5, draws)
    for chunk in draws.split(6):
        both.update(chunk)
        less.update(chunk - point)
    found, expected = both.spread(apart=True), less.spread()
    for name in ("trace", "trace_se", "mean_square", "mean_square_se", "square_trace"):
        assert math.isclose(getattr(found, name), getattr(expected, name), rel_tol=1e-10), name
    with pytest.raises(ValueError, match="`apart` needs an `origin`"):
        less.spread(apart=True)


def test_products_are_taken_in_as_if_they_were_written_out() -> None:
    generator = make_generator(3)

    def factor(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    whole, parts = VectorMoments(20, factor(1)), VectorMoments(20, factor(1))
    for _ in range(3):
        blocks = [Product(factor(4, 6, 2), factor(4, 6, 3)), factor(4, 2)]
        blocks.append(Product(factor(4, 5, 4), factor(1, 5, 3)))
        parts.update(blocks)
        whole.update(dense(blocks))
        assert part_size(blocks) == 20
    assert torch.allclose(whole.mean, parts.mean, rtol=1e-12)
    for name in ("trace", "trace_se", "mean_square", "mean_square_se", "square_trace"):
        one, other = (getattr(moments.spread(), name) for moments in (whole, parts))
        assert math.isclose(one, other, rel_tol=1e-10), name


def test_results_do_not_depend_on_the_chunks_and_depend_on_the_seed() -> None:
    model, xs = tiny("vae", **MODELS["vae"]), [bits(4), bits(4, seed=6)]
    estimators = {"a": build_estimator("sgvb-a", model=model)}

    def traces(seed: int, chunk: int) -> list[float]:
        rows = measure(model, estimators, xs, draws=12, seed=seed, chunk=chunk)
        return [row["trace"] for row in rows]

    assert traces(0, 1) == pytest.approx(traces(0, 5), rel=1e-9)
    assert traces(0, 5) == traces(0, 5)
    assert traces(0, 5) != pytest.approx(traces(1, 5), rel=1e-3)


def test_normalisation_only_rescales_the_recognition() -> None:
    model, data = tiny("sbn", layers=[3]).float(), digits()
    estimators = {}
    for key in ("nvil-c-idb", "nvil-c-idb-vn"):
        estimators[key] = build_variant(key, model)
        prepare(model, estimators[key], data, batch_size=10, steps=30)
        # Signals of four pixels are small: make the scale one that shows.
        estimators[key].variance.fill_(9.0)
    rows = measure(model, estimators, fixed_minibatches(data, 2, 10), draws=40)
    found = {(row["estimator"], row["layer"]): row for row in rows}
    plain, scaled = (found[key, "recognition 1"] for key in estimators)
    assert scaled["trace"] < plain["trace"] / 8
    assert scaled["snr"] == pytest.approx(plain["snr"], rel=1e-5)
    generative = [found[key, "generative"]["trace"] for key in estimators]
    assert generative[0] == pytest.approx(generative[1], rel=1e-6)


def test_sgvb_b_varies_less_than_a_and_far_less_than_the_score_function() -> None:
    model = tiny("vae", **MODELS["vae"])
    estimators = {
        name: build_estimator(name, model=model) for name in ("sgvb-b", "sgvb-a", "score-function")
    }
    rows = measure(model, estimators, [bits(8)], draws=200)
    traces = {row["estimator"]: row["trace"] for row in rows if row["layer"] == "recognition 1"}
    assert traces["sgvb-b"] < traces["sgvb-a"] < 0.5 * traces["score-function"]


def test_fitting_lowers_the_variance_and_changes_only_the_estimator() -> None:
    model, data = tiny("sbn", layers=[3]).float(), digits()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    raw, fitted = (build_variant("nvil-c-idb", model) for _ in range(2))
    for estimator in (raw, fitted):
        estimator.reset_parameters(make_generator(0))
    stream = training_stream(data, 20)
    assert fit_state(model, fitted, stream, steps=200, generator=make_generator(1)) == 200
    rows = measure(model, {"raw": raw, "fitted": fitted}, fixed_minibatches(data, 3, 20), draws=100)
    traces = {row["estimator"]: row["trace"] for row in rows if row["layer"] == "recognition 1"}
    assert traces["fitted"] < 0.7 * traces["raw"]
    assert not fitted.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_estimators_without_a_state_need_no_fitting() -> None:
    model = tiny("vae", **MODELS["vae"])
    estimator = build_estimator("sgvb-b", model=model)
    assert fit_state(model, estimator, iter(()), generator=make_generator(0)) == 0


def test_minibatches_are_the_same_for_the_same_seed_also_where_bits_are_drawn() -> None:
    for data in (digits(), digits(dynamic=True)):
        first, again = fixed_minibatches(data, 3, 7), fixed_minibatches(data, 3, 7)
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
        assert first[0].shape == (7, 4)
        assert not torch.equal(first[0], first[1])
        assert not torch.equal(first[0], fixed_minibatches(data, 1, 7, seed=1)[0])


def test_a_recipe_is_measured_without_touching_the_run() -> None:
    model, data = noisy("sbn").float(), digits()
    own = build_estimator("nvil", model=model, local_signals=False)
    own.mean.fill_(-3.0)
    own.updates.fill_(4.0)
    state = {k: v.clone() for part in (model, own) for k, v in part.state_dict().items()}
    schedule = VarianceSchedule(
        estimators={
            "score function": {"name": "score-function"},
            "+ baseline": {"name": "nvil", "normalise": False, "local_signals": False},
        },
        epochs=(0,),
        minibatches=2,
        batch_size=10,
        draws=8,
    )
    rows, again = (measure_recipe(model, own, data, schedule) for _ in range(2))
    assert all(row.pop("seconds") > 0 for row in [*rows, *again])
    assert rows == again
    assert {row["truth"] for row in rows} == {"enumeration"}
    assert all(math.isfinite(row["bias_z"]) for row in rows)
    assert [(row["estimator"], row["layer"]) for row in rows[:4]] == [
        ("score function", "recognition 1"),
        ("score function", "recognition 2"),
        ("score function", "generative"),
        ("+ baseline", "recognition 1"),
    ]
    assert len({tuple(row) for row in rows}) == 1
    assert json.loads(json.dumps(rows)) == rows
    assert {(row["draws"], row["minibatches"], row["batch_size"]) for row in rows} == {(8, 2, 10)}
    assert [row["fit_steps"] for row in rows] == [0, 0, 0, 300, 300, 300]
    after = {k: v for part in (model, own) for k, v in part.state_dict().items()}
    assert all(torch.equal(state[name], value) for name, value in after.items())
    assert model.training
    assert own.training
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_fitting_starts_from_the_runs_own_state_where_it_has_the_same() -> None:
    model = tiny("sbn", layers=[3]).float()
    own = build_estimator("nvil", model=model)
    own.reset_parameters(make_generator(8))
    own.mean.fill_(-7.0)
    one, plain = build_variant("nvil-c-idb", model), build_variant("nvil-c", model)
    for estimator in (one, plain):
        prepare(model, estimator, digits(), batch_size=10, steps=0, start=own)
        assert float(estimator.mean) == -7.0
    assert torch.equal(one.baselines[0][0].weight, own.baselines[0][0].weight)


def test_the_race_keeps_every_estimator_at_the_same_number_of_draws() -> None:
    model, x = tiny("vae", **MODELS["vae"]), bits(4)
    estimators = {name: build_estimator(name, model=model) for name in ("sgvb-a", "sgvb-b")}
    race = GradientRace(model, estimators, x, draws=10, chunk=4)
    assert race.rows() == []
    seen = []
    while (label := race.advance()) is not None:
        seen.append((label, race.done[label]))
    assert seen == [(name, draws) for draws in (4, 8, 10) for name in ("sgvb-a", "sgvb-b")]
    assert race.finished
    assert {row["draws"] for row in race.rows()} == {10}


def test_bad_arguments_are_refused_by_name() -> None:
    model, x = tiny("vae", **MODELS["vae"]), bits(3)
    estimator = build_estimator("sgvb-a", model=model)
    with pytest.raises(ValueError, match="`draws` must be at least 2; got 1"):
        GradientRace(model, {"a": estimator}, x, draws=1)
    with pytest.raises(ValueError, match="`estimators` must name at least one"):
        GradientRace(model, {}, x, draws=5)
    with pytest.raises(ValueError, match="`minibatches` must hold at least one"):
        measure(model, {"a": estimator}, [], draws=5)
    with pytest.raises(ValueError, match=r"`x` must be \(batch, 4\); got \(3, 5\)"):
        next(gradient_chunks(model, estimator, bits(3, 5), draws=2, generator=make_generator(0)))
    with pytest.raises(ValueError, match="`chunk` must be a whole number, at least 1; got 0"):
        next(gradient_chunks(model, estimator, x, draws=2, generator=make_generator(0), chunk=0))
    with pytest.raises(ValueError, match="`batch_size` must be from 1 to the 60 items"):
        fixed_minibatches(digits(), 1, 61)
    with pytest.raises(ValueError, match="`minibatches` must be a whole number, at least 1; got 0"):
        fixed_minibatches(digits(), 0, 5)
