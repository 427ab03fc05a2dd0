"""Estimators for Gaussian latents against quadrature over z on a grid."""

from __future__ import annotations

import pytest
import torch

from engine.estimators import build_estimator
from engine.random import make_generator
from tests.engine.estimators.exact import (
    bits,
    exact_gradient,
    expectation,
    gradients_of,
    normal_noise,
    tiny,
)
from tests.engine.estimators.grids import (
    LIKELIHOODS,
    assert_close,
    data,
    grid_elbo,
    grid_iwae,
    vae,
)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("name", ["sgvb-a", "sgvb-b", "score-function"])
def test_expected_gradient_is_that_of_the_elbo_by_quadrature(name, likelihood) -> None:
    model, x = vae(likelihood), data(likelihood)
    nodes, weights = normal_noise(1)
    estimator = build_estimator(name, model=model)
    assert estimator.unbiased
    assert estimator.objective == "elbo"
    shape = (-1, 1, 1) if name == "score-function" else (-1, 1, 1, 1)
    found = expectation(gradients_of(model, estimator, x, [nodes.reshape(shape)]), weights)
    assert_close(found, exact_gradient(model, grid_elbo(model, x)))


@pytest.mark.parametrize("centring", [False, True])
@pytest.mark.parametrize("baseline", [False, True])
def test_nvil_is_unbiased_for_gaussian_latents_too(centring, baseline) -> None:
    model, x = vae("bernoulli"), data("bernoulli")
    estimator = build_estimator(
        "nvil", model=model, centring=centring, input_baseline=baseline, normalise=False
    ).double()
    estimator.reset_parameters(make_generator(3))
    estimator.updates.fill_(5)
    estimator.mean.fill_(-2.0)
    nodes, weights = normal_noise(1)
    gradients = gradients_of(model, estimator.eval(), x, [nodes.reshape(-1, 1, 1)])
    assert_close(expectation(gradients, weights), exact_gradient(model, grid_elbo(model, x)))


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_iwae_climbs_the_two_sample_bound_by_quadrature(likelihood) -> None:
    model, x = vae(likelihood), data(likelihood)
    nodes, weights = normal_noise(2, spacing=0.06)
    estimator = build_estimator("iwae", model=model, samples=2)
    assert estimator.objective == "iwae-2"
    found = expectation(gradients_of(model, estimator, x, [nodes.reshape(-1, 2, 1, 1)]), weights)
    assert_close(found, exact_gradient(model, grid_iwae(model, x)))
    with torch.no_grad():
        assert float(grid_iwae(model, x)) > float(grid_elbo(model, x)) + 1e-3


@pytest.mark.parametrize("config", [{}, {"covariance": "rank-one"}])
def test_both_forms_of_sgvb_agree_in_expectation_for_a_dlgm(config) -> None:
    model = tiny("dlgm", layers=[1, 1], hidden=[2], **config)
    x = bits(1)
    nodes, weights = normal_noise(2, spacing=0.2)
    noise = [part.reshape(-1, 1, 1, 1) for part in nodes.unbind(-1)]
    a, b = (
        expectation(gradients_of(model, build_estimator(name, model=model), x, noise), weights)
        for name in ("sgvb-a", "sgvb-b")
    )
    assert_close(a, b)


def test_iwae_with_one_sample_is_sgvb_a() -> None:
    model, x = vae("bernoulli"), bits(3)
    one = build_estimator("iwae", model=model, samples=1)(model, x, generator=make_generator(0))
    a = build_estimator("sgvb-a", model=model)(model, x, generator=make_generator(0))
    assert torch.allclose(one.loss, a.loss)
    assert torch.allclose(one.elbo, a.elbo)


def test_more_samples_average_the_same_estimate() -> None:
    model, x = vae("bernoulli"), bits(3)
    for name in ("sgvb-a", "sgvb-b"):
        many = build_estimator(name, model=model, samples=4)
        noise = torch.randn(4, 3, 1, generator=make_generator(1), dtype=torch.float64)
        together = gradients_of(model, many, x, [noise[None]])
        one = build_estimator(name, model=model)
        apart = gradients_of(model, one, x, [noise[:, None]])
        for parameter, value in together.items():
            assert torch.allclose(value[0], apart[parameter].mean(0)), parameter


@pytest.mark.parametrize("name", ["sgvb-a", "sgvb-b", "iwae"])
def test_reported_elbo_carries_no_gradient_and_the_loss_is_a_scalar(name) -> None:
    model, x = vae("bernoulli"), bits(5)
    estimate = build_estimator(name, model=model)(model, x, generator=make_generator(0))
    assert estimate.elbo.shape == (5,)
    assert not estimate.elbo.requires_grad
    assert estimate.loss.shape == ()
    assert estimate.loss.requires_grad


@pytest.mark.parametrize("name", ["sgvb-a", "sgvb-b", "iwae"])
def test_samples_below_one_and_bits_for_latents_are_refused(name) -> None:
    with pytest.raises(ValueError, match="`samples` must be a whole number, at least 1; got 0"):
        build_estimator(name, model=vae("bernoulli"), samples=0)
    with pytest.raises(ValueError, match="needs latents that are gaussian"):
        build_estimator(name, model=tiny("sbn", layers=[2]))
