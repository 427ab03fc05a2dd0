"""Sticking the landing, DReG and Rezende's rules against quadrature, and against each other."""

from __future__ import annotations

import pytest
import torch

from engine.distributions import FactorizedBernoulli
from engine.estimators import build_estimator
from engine.estimators.path_derivative import frozen
from engine.models import LatentVariableModel
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

RULES = (
    ("sticking-the-landing", {}),
    ("rezende", {"form": "hessian"}),
    ("rezende", {"form": "noise"}),
)


def deep(activation: str = "tanh", **options: object) -> LatentVariableModel:
    return tiny("dlgm", layers=[1, 1], hidden=[2], activation=activation, **options)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize(("name", "options"), RULES)
def test_expected_gradient_is_that_of_the_elbo_by_quadrature(name, options, likelihood) -> None:
    model, x = vae(likelihood), data(likelihood)
    nodes, weights = normal_noise(1)
    estimator = build_estimator(name, model=model, **options)
    assert (estimator.objective, estimator.unbiased) == ("elbo", True)
    found = expectation(gradients_of(model, estimator, x, [nodes.reshape(-1, 1, 1, 1)]), weights)
    assert_close(found, exact_gradient(model, grid_elbo(model, x)))


@pytest.mark.parametrize("covariance", ["diagonal", "rank-one"])
@pytest.mark.parametrize(("name", "options"), RULES)
def test_in_two_layers_the_expectation_is_that_of_sgvb(name, options, covariance) -> None:
    model, x = deep(covariance=covariance), bits(1)
    nodes, weights = normal_noise(2, spacing=0.2)
    noise = [part.reshape(-1, 1, 1, 1) for part in nodes.unbind(-1)]
    found, expected = (
        expectation(gradients_of(model, estimator, x, noise), weights)
        for estimator in (
            build_estimator(name, model=model, **options),
            build_estimator("sgvb-b", model=model),
        )
    )
    assert_close(found, expected)


@pytest.mark.parametrize("covariance", ["diagonal", "rank-one"])
def test_hessian_of_a_layer_with_two_correlated_latents_is_seen_whole(covariance) -> None:
    model = tiny("dlgm", layers=[2], hidden=[2], activation="tanh", covariance=covariance)
    x = bits(1)
    nodes, weights = normal_noise(2, spacing=0.2)
    noise = [nodes.reshape(-1, 1, 1, 2)]
    found, expected = (
        expectation(gradients_of(model, build_estimator(name, model=model), x, noise), weights)
        for name in ("rezende", "sgvb-b")
    )
    assert_close(found, expected)


def test_columns_of_the_hessian_may_be_made_one_at_a_time(monkeypatch) -> None:
    model = tiny("dlgm", layers=[2, 1], hidden=[2], activation="tanh", covariance="rank-one")
    estimator, x = build_estimator("rezende", model=model, samples=2), bits(3)
    found = []
    for floats in (2**18, 1):
        monkeypatch.setattr("engine.estimators.rezende.COLUMN_FLOATS", floats)
        found.append(exact_gradient(model, estimator(model, x, generator=make_generator(0)).loss))
    assert_close(*found)


def test_kinks_bias_the_hessian_form_which_says_so() -> None:
    model, x = tiny("vae", latent_dim=1, hidden=[6], activation="relu"), bits(1)
    nodes, weights = normal_noise(1, spacing=0.001)
    noise = [nodes.reshape(-1, 1, 1, 1)]
    hessian = build_estimator("rezende", model=model)
    assert not hessian.unbiased
    assert build_estimator("rezende", model=model, form="noise").unbiased
    found = expectation(gradients_of(model, hessian, x, noise), weights)
    sgvb = gradients_of(model, build_estimator("sgvb-b", model=model), x, noise)
    gaps = [float((v - found[k]).abs().max()) for k, v in expectation(sgvb, weights).items()]
    assert max(gaps) > 1e-2


@pytest.mark.parametrize("covariance", ["diagonal", "rank-one"])
def test_noise_form_is_sgvb_b_draw_by_draw(covariance) -> None:
    model, x = deep("relu", covariance=covariance), bits(4)
    one = build_estimator("rezende", model=model, form="noise", samples=2)
    estimates = [
        estimator(model, x, generator=make_generator(1))
        for estimator in (one, build_estimator("sgvb-b", model=model, samples=2))
    ]
    assert torch.allclose(estimates[0].elbo, estimates[1].elbo)
    gradients = [exact_gradient(model, estimate.loss) for estimate in estimates]
    assert_close(*gradients)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_dreg_is_the_gradient_of_the_two_sample_bound_by_quadrature(likelihood) -> None:
    model, x = vae(likelihood), data(likelihood)
    nodes, weights = normal_noise(2, spacing=0.06)
    estimator = build_estimator("dreg", model=model, samples=2)
    assert (estimator.objective, estimator.unbiased) == ("iwae-2", True)
    found = expectation(gradients_of(model, estimator, x, [nodes.reshape(-1, 2, 1, 1)]), weights)
    assert_close(found, exact_gradient(model, grid_iwae(model, x)))


def test_dreg_has_the_gradient_of_iwae_for_p_draw_by_draw_and_another_one_for_q() -> None:
    model, x = vae("bernoulli"), bits(3)
    noise = torch.randn(1, 5, 3, 1, generator=make_generator(2), dtype=torch.float64)
    dreg, iwae = (
        gradients_of(model, build_estimator(name, model=model), x, [noise])
        for name in ("dreg", "iwae")
    )
    for name, value in iwae.items():
        assert torch.allclose(dreg[name], value) is name.startswith("decoder"), name


def test_a_posterior_that_is_matched_leaves_no_variance() -> None:
    model, x = vae("bernoulli"), bits(2)
    with torch.no_grad():  # pixels that ignore z: the posterior is the prior, and q is set to it
        for network in (model.encoder, model.decoder):
            network[-1].weight.zero_()
        model.encoder[-1].bias.zero_()
    noise = torch.randn(50, 1, 2, 1, generator=make_generator(2), dtype=torch.float64)
    for name, still in (("sticking-the-landing", True), ("sgvb-a", False)):
        draws = gradients_of(model, build_estimator(name, model=model), x, [noise])
        spread = max(float(v.std(0).max()) for k, v in draws.items() if k.startswith("encoder"))
        assert (spread < 1e-12) is still


def test_prices_are_those_of_the_docstrings() -> None:
    model = deep()
    rank_one = build_estimator("rezende", model=deep(covariance="rank-one"))
    assert rank_one.evaluations == 1 + 2 + 2
    for name, options, price in (
        ("rezende", {"samples": 3}, 9),
        ("rezende", {"samples": 3, "form": "noise"}, 3),
        ("sticking-the-landing", {"samples": 3}, 3),
        ("dreg", {"samples": 3}, 3),
        ("sgvb-b", {}, 1),
    ):
        assert build_estimator(name, model=model, **options).evaluations == price


def test_an_unknown_form_and_bits_for_latents_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`form` must be one of .*'noise'.*got 'price'"):
        build_estimator("rezende", model=deep(), form="price")
    for name in ("rezende", "dreg", "sticking-the-landing"):
        with pytest.raises(ValueError, match="needs latents that are gaussian"):
            build_estimator(name, model=tiny("sbn", layers=[2]))
    with pytest.raises(TypeError, match="got FactorizedBernoulli"):
        frozen(FactorizedBernoulli(torch.zeros(1)))
