"""Score function and NVIL against the exact gradient: every value of the bits enumerated."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch

from engine.estimators import build_estimator
from engine.estimators.variants import LAYERED, VARIANTS, build_variant, suitable_variants
from engine.models import LatentVariableModel
from engine.random import Replay, make_generator
from tests.engine.estimators.exact import (
    bit_noise,
    bits,
    enumerated_elbo,
    exact_gradient,
    expectation,
    gradients_of,
    tiny,
)

LAYERS = ([3], [2, 2])
SWITCHES = ("centring", "input_baseline", "normalise", "local_signals")


def nvil(model: LatentVariableModel, **options: object):
    """NVIL somewhere in its training: random baselines and running statistics."""
    estimator = build_estimator("nvil", model=model, hidden=3, **options).double()
    generator = make_generator(9)
    estimator.reset_parameters(generator)
    with torch.no_grad():
        estimator.updates.fill_(7)
        estimator.mean.copy_(-3 * torch.rand(estimator.mean.shape, generator=generator))
        estimator.variance.copy_(4 + 5 * torch.rand(estimator.mean.shape, generator=generator))
    return estimator


def scales(estimator) -> torch.Tensor:
    """What normalisation divides by, a number a signal."""
    corrected = estimator.variance / (1 - estimator.decay**estimator.updates)
    return corrected.sqrt().clamp(min=1)


def assert_close(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.allclose(found[name], value, rtol=1e-9, atol=1e-11), name


@pytest.mark.parametrize("layers", LAYERS)
def test_score_function_is_unbiased(layers) -> None:
    model, x = tiny("sbn", layers=layers), bits(2)
    noise, weights = bit_noise(model, x)
    assert torch.allclose(weights.sum(), torch.ones((), dtype=torch.float64))
    estimator = build_estimator("score-function", model=model)
    assert estimator.unbiased
    found = expectation(gradients_of(model, estimator, x, noise), weights)
    assert_close(found, exact_gradient(model, enumerated_elbo(model, x)))


def test_score_function_is_unbiased_through_deterministic_layers() -> None:
    model, x = tiny("sbn", layers=[2, 2], hidden=[3]), bits(1)
    noise, weights = bit_noise(model, x)
    estimator = build_estimator("score-function", model=model)
    found = expectation(gradients_of(model, estimator, x, noise), weights)
    assert_close(found, exact_gradient(model, enumerated_elbo(model, x)))


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("values", list(itertools.product((False, True), repeat=4)))
def test_nvil_is_the_exact_gradient_up_to_the_scale_of_each_layer(values, layers) -> None:
    switches = dict(zip(SWITCHES, values, strict=True))
    model, x = tiny("sbn", layers=layers), bits(2)
    estimator = nvil(model, **switches).eval()
    assert estimator.unbiased is not switches["normalise"]
    expected = exact_gradient(model, enumerated_elbo(model, x))
    if switches["normalise"]:
        scale = scales(estimator)
        assert bool((scale > 1.5).all())
        for name, value in expected.items():
            if name.startswith("recognisers"):
                layer = int(name.split(".")[1]) if switches["local_signals"] else 0
                expected[name] = value / scale[layer]
    noise, weights = bit_noise(model, x)
    assert_close(expectation(gradients_of(model, estimator, x, noise), weights), expected)


def test_statistics_updated_by_the_same_call_do_not_bias_it() -> None:
    model, x = tiny("sbn", layers=[2, 1]), bits(1)
    estimator = nvil(model, normalise=False)
    noise, weights = bit_noise(model, x)
    total = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for index, weight in enumerate(weights):
        one = copy.deepcopy(estimator).train()
        estimate = one(model, x, generator=Replay([draw[index] for draw in noise]))
        assert not torch.equal(one.mean, estimator.mean)
        for name, value in exact_gradient(model, -estimate.loss).items():
            total[name] += weight * value
    assert_close(total, exact_gradient(model, enumerated_elbo(model, x)))


def test_a_small_signal_is_not_blown_up_by_normalisation() -> None:
    model, x = tiny("sbn", layers=[3]), bits(2)
    estimator = nvil(model).eval()
    estimator.variance.fill_(0.01)
    noise, weights = bit_noise(model, x)
    found = expectation(gradients_of(model, estimator, x, noise), weights)
    assert_close(found, exact_gradient(model, enumerated_elbo(model, x)))


def test_local_signals_leave_out_the_layers_below() -> None:
    model, x = tiny("sbn", layers=[2, 2]), bits(1)
    noise, weights = bit_noise(model, x)
    part = "recognisers.1.0.weight"

    def variance(local: bool) -> float:
        options = {"centring": False, "input_baseline": False, "normalise": False}
        estimator = build_estimator("nvil", model=model, local_signals=local, **options).eval()
        draws = gradients_of(model, estimator, x, noise)[part].flatten(1)
        mean = weights @ draws
        return float(weights @ (draws - mean).square().sum(1))

    assert variance(local=True) < 0.8 * variance(local=False)


def test_baseline_parameters_descend_the_squared_error_of_the_signal() -> None:
    model, x = tiny("sbn", layers=[3]), bits(5)
    estimator = nvil(model, normalise=False).eval()
    q = model.recognition(x)
    z = q.sample(generator=make_generator(3))
    signal = (model.log_joint(x, z) - q.log_prob(z)).detach()
    centre = estimator.mean / (1 - estimator.decay**estimator.updates)
    prediction = estimator.baselines[0](x - model.data_mean).squeeze(-1)
    error = (signal - centre - prediction).square().mean()
    expected = torch.autograd.grad(error, list(estimator.parameters()))
    loss = estimator(model, x, generator=make_generator(3)).loss
    found = torch.autograd.grad(loss, list(estimator.parameters()))
    assert all(torch.allclose(a, b) for a, b in zip(found, expected, strict=True))


def test_running_statistics_come_from_earlier_minibatches() -> None:
    model, x = tiny("sbn", layers=[3]), bits(8)
    estimator = build_estimator("nvil", model=model, input_baseline=False).double()
    first = estimator(model, x, generator=make_generator(1))
    # The first signal is still uncentred; its mean and variance are kept, corrected for the start.
    corrected = estimator.mean / (1 - estimator.decay)
    assert torch.allclose(corrected, first.elbo.mean()[None])
    spread = estimator.variance / (1 - estimator.decay)
    assert torch.allclose(spread, first.elbo.var(correction=0)[None])
    second = estimator(model, x, generator=make_generator(2)).elbo.mean()
    weights = torch.tensor([0.2 * 0.8, 0.2], dtype=torch.float64)
    expected = (weights @ torch.stack([first.elbo.mean(), second])) / weights.sum()
    assert torch.allclose(estimator.mean / (1 - estimator.decay**2), expected[None])


def test_evaluation_mode_keeps_the_running_statistics() -> None:
    model, x = tiny("sbn", layers=[2, 2]), bits(4)
    estimator = nvil(model).eval()
    before = {name: value.clone() for name, value in estimator.state_dict().items()}
    estimator(model, x, generator=make_generator(0))
    assert all(torch.equal(before[name], value) for name, value in estimator.state_dict().items())


@pytest.mark.parametrize("key", ["score-function", "nvil-c", "nvil-c-idb-vn", "nvil"])
def test_reported_elbo_is_that_of_the_drawn_bits(key) -> None:
    model, x = tiny("sbn", layers=[2, 2]), bits(6)
    estimate = build_variant(key, model).double()(model, x, generator=make_generator(4))
    q = model.recognition(x)
    z = q.sample(generator=make_generator(4))
    assert torch.allclose(estimate.elbo, model.log_joint(x, z) - q.log_prob(z))
    assert not estimate.elbo.requires_grad
    assert estimate.loss.shape == ()


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_decay_outside_its_range_is_refused(decay) -> None:
    with pytest.raises(ValueError, match=rf"`decay` must be a number in \[0, 1\); got {decay}"):
        build_estimator("nvil", model=tiny("sbn", layers=[2]), decay=decay)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        *(("nvil", flag, "False") for flag in ("centring", "normalise", "local_signals")),
        ("nvil", "input_baseline", 1),
        ("nvil", "hidden", "many"),
        ("nvil", "decay", "slow"),
        ("rebar", "temperature", "warm"),
        ("relax", "hidden", [3]),
        ("concrete", "temperature", True),
        ("gumbel-straight-through", "temperature", -1),
    ],
)
def test_an_option_of_the_wrong_kind_is_refused_by_its_name(name, option, value) -> None:
    with pytest.raises(ValueError, match=f"`{option}` must be"):
        build_estimator(name, model=tiny("sbn", layers=[2]), **{option: value})


def test_unknown_names_and_options_are_refused_with_the_known_ones() -> None:
    model = tiny("sbn", layers=[2])
    with pytest.raises(ValueError, match=r"'nvil'.*'score-function'.*got 'reinforce'"):
        build_estimator("reinforce", model=model)
    with pytest.raises(ValueError, match=r"'baseline'.*'input_baseline'"):
        build_estimator("nvil", model=model, baseline=True)
    with pytest.raises(ValueError, match=r"'nvil-c'.*got 'nvil-z'"):
        build_variant("nvil-z", model)


def test_variants_that_suit_a_model_can_be_built_for_it_and_no_others() -> None:
    models = [tiny("sbn", layers=[2]), tiny("sbn", layers=[2, 2]), tiny("vae", latent_dim=1)]
    for model in models:
        suitable = suitable_variants(model.latent_kind, len(model.layer_sizes))
        assert "score-function" in suitable
        for key in suitable:
            build_variant(key, model)
        for key in set(VARIANTS) - set(suitable) - set(LAYERED):
            with pytest.raises(ValueError, match="needs latents that are"):
                build_variant(key, model)
    for key in LAYERED:
        assert key in suitable_variants("bernoulli", 2)
        assert key not in suitable_variants("bernoulli", 1)
