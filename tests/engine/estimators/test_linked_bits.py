"""Bits with links within layers: which estimators go through them, and that those are exact."""

from __future__ import annotations

import pytest
import torch

from engine.estimators import ESTIMATORS, build_estimator
from engine.estimators.layers import ANY_BITS, LayerEstimator
from engine.estimators.variants import VARIANTS, build_variant, suitable_variants
from engine.random import make_generator
from tests.engine.estimators.exact import (
    assert_close,
    bit_noise,
    bits,
    enumerated_bound,
    enumerated_elbo,
    exact_gradient,
    expectation,
    gradients_of,
    interval_noise,
    measured,
    tiny,
)

LINKED = {"recognition": "autoregressive"}
KINDS = ("sbn", "fdarn", "darn")
LAYERS = ([3], [2, 1])
PLAIN = {"normalise": False}
UNBIASED = [
    ("score-function", {}, None),
    ("nvil", PLAIN | {"hidden": 3}, None),
    ("nvil", PLAIN | {"local_signals": False}, None),
    ("leave-one-out", {"samples": 2}, 2),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize(("name", "options", "samples"), UNBIASED)
def test_estimators_of_draws_and_densities_give_the_exact_gradient(
    name, options, samples, layers, kind
) -> None:
    model, x = tiny(kind, layers=layers, **LINKED), bits(1)
    estimator = build_estimator(name, model=model, **options).double().eval()
    noise, weights = bit_noise(model, x, samples)
    found = expectation(gradients_of(model, estimator, x, noise), weights)
    assert_close(found, exact_gradient(model, enumerated_elbo(model, x)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", LAYERS)
def test_vimco_is_the_exact_gradient_of_the_bound(layers, kind) -> None:
    model, x = tiny(kind, layers=layers, **LINKED), bits(1)
    estimator = build_estimator("vimco", model=model, samples=2)
    noise, weights = bit_noise(model, x, 2)
    found = expectation(gradients_of(model, estimator, x, noise), weights)
    assert_close(found, exact_gradient(model, enumerated_bound(model, x, 2)))


@pytest.mark.parametrize("kind", KINDS)
def test_reweighted_wake_sleep_is_exact_for_p(kind) -> None:
    model, x = tiny(kind, layers=[2, 1], **LINKED), bits(1)
    estimator = build_estimator("reweighted-wake-sleep", model=model, samples=2)
    noise, weights = bit_noise(model, x, 2)
    found = expectation(gradients_of(model, estimator, x, noise), weights)
    expected = exact_gradient(model, enumerated_bound(model, x, 2))
    generative = {id(p) for p in model.generative_parameters()}
    names = [name for name, p in model.named_parameters() if id(p) in generative]
    assert_close({n: found[n] for n in names}, {n: expected[n] for n in names})


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "options", "_samples"), UNBIASED)
def test_means_of_drawn_gradients_are_exact_within_their_errors(
    name, options, _samples, kind
) -> None:
    model, x = tiny(kind, layers=[3, 2], **LINKED), bits(2)
    estimator = build_estimator(name, model=model, **options).double().eval()
    means, errors = measured(model, estimator, x)
    for key, value in exact_gradient(model, enumerated_elbo(model, x)).items():
        assert ((means[key] - value).abs() <= 5 * errors[key] + 1e-12).all(), key


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators_that_go_bit_by_bit_refuse_a_linked_recognition(name, kind) -> None:
    model = tiny(kind, layers=[3], **LINKED)
    if not issubclass(ESTIMATORS[name], LayerEstimator):
        return
    with pytest.raises(ValueError, match=r"within a layer.*'autoregressive'.*'leave-one-out'"):
        build_estimator(name, model=model)


def test_the_estimators_that_are_named_instead_take_one() -> None:
    model, x = tiny("sbn", layers=[3], **LINKED), bits(4)
    for name in ANY_BITS:
        estimator = build_estimator(name, model=model).double()
        assert estimator(model, x, generator=make_generator(0)).loss.isfinite()


def test_variants_for_a_linked_recognition_are_those_that_can_be_built() -> None:
    model = tiny("sbn", layers=[3, 2], **LINKED)
    suitable = suitable_variants("bernoulli", 2, factorial=False)
    for key in VARIANTS:
        if key in suitable:
            build_variant(key, model)
        elif "bernoulli" in ESTIMATORS[VARIANTS[key].name].latent_kinds:
            with pytest.raises(ValueError, match="within a layer"):
                build_variant(key, model)
    assert set(suitable) < set(suitable_variants("bernoulli", 2))


@pytest.mark.parametrize("kind", ["fdarn", "darn"])
@pytest.mark.parametrize("name", ["arm", "disarm"])
def test_links_of_the_prior_alone_leave_pairs_exact(name, kind) -> None:
    model, x = tiny(kind, layers=[2, 1]), bits(1)
    noise, weights = interval_noise(model, x)
    found = expectation(gradients_of(model, build_estimator(name, model=model), x, noise), weights)
    assert_close(found, exact_gradient(model, enumerated_elbo(model, x)))


def test_the_relaxed_density_of_a_linked_prior_goes_through_its_links() -> None:
    model, x = tiny("fdarn", layers=[3]), bits(3)
    estimator = build_estimator("concrete", model=model)
    before = estimator(model, x, generator=make_generator(0)).loss
    with torch.no_grad():
        model.prior_links[0].weight.add_(1.0)
    assert not torch.isclose(estimator(model, x, generator=make_generator(0)).loss, before)
