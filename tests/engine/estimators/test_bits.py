"""ARM, DisARM, MuProp and the biased gradients through bits, against sums over all states."""

from __future__ import annotations

import pytest
import torch
from torch.distributions.relaxed_bernoulli import LogitRelaxedBernoulli

from engine.estimators import build_estimator
from engine.estimators.layers import Layers, logistic
from engine.random import Replay, make_generator
from tests.engine.estimators.exact import (
    assert_close,
    bit_noise,
    bits,
    draw_noise,
    enumerated_elbo,
    exact_gradient,
    expectation,
    gradients_of,
    interval_noise,
    tiny,
)

LAYERS = ([3], [2, 1], [1, 2], [1, 1, 1])


@pytest.mark.parametrize("hidden", [[], [3]])
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("name", ["arm", "disarm"])
def test_antithetic_pairs_give_the_exact_gradient(name, layers, hidden) -> None:
    model, x = tiny("sbn", layers=layers, hidden=hidden), bits(1)
    estimator = build_estimator(name, model=model)
    assert (estimator.objective, estimator.unbiased) == ("elbo", True)
    noise, weights = interval_noise(model, x)
    assert torch.allclose(weights.sum(), torch.ones((), dtype=weights.dtype))
    found = expectation(gradients_of(model, estimator, x, noise), weights)
    assert_close(found, exact_gradient(model, enumerated_elbo(model, x)))


@pytest.mark.parametrize("hidden", [[], [3]])
@pytest.mark.parametrize("layers", LAYERS)
def test_muprop_gives_the_exact_gradient(layers, hidden) -> None:
    model, x = tiny("sbn", layers=layers, hidden=hidden), bits(2)
    estimator = build_estimator("muprop", model=model)
    assert (estimator.objective, estimator.unbiased) == ("elbo", True)
    noise, weights = bit_noise(model, x)
    found = expectation(gradients_of(model, estimator, x, noise), weights)
    assert_close(found, exact_gradient(model, enumerated_elbo(model, x)))


def test_averaging_the_uniform_draw_out_of_arm_gives_disarm() -> None:
    model, x = tiny("sbn", layers=[3]), bits(1)
    noise, _ = interval_noise(model, x)  # ARM is linear between jumps: midpoints are averages
    arm, disarm = (
        gradients_of(model, build_estimator(name, model=model), x, noise)
        for name in ("arm", "disarm")
    )
    assert_close(arm, disarm)


@pytest.mark.parametrize("layers", [[3], [2, 1]])
def test_variance_falls_from_the_score_function_to_arm_to_disarm(layers) -> None:
    model, x = tiny("sbn", layers=layers), bits(1)

    def variance(name: str) -> float:
        estimator = build_estimator(name, model=model)
        draws = gradients_of(model, estimator, x, draw_noise(model, estimator, x, 20_000, 0))
        return sum(float(v.var(0).sum()) for k, v in draws.items() if k.startswith("recog"))

    score, arm, disarm = (variance(name) for name in ("score-function", "arm", "disarm"))
    assert disarm < 0.9 * arm
    assert arm < 0.5 * score


def test_muprop_has_no_variance_from_a_linear_objective_but_through_the_bits() -> None:
    model, x = tiny("sbn", layers=[3]), bits(1)
    noise, weights = bit_noise(model, x)

    def variance(name: str) -> float:
        draws = gradients_of(model, build_estimator(name, model=model), x, noise)
        draws = draws["recognisers.0.0.bias"]
        return float(weights @ (draws - weights @ draws).square().sum(1))

    with torch.no_grad():  # f depends on the bits by log p(z) - log q(z) alone, which is linear
        model.decoder[-1].weight.zero_()
    assert variance("muprop") < 1e-20
    assert variance("score-function") > 1e-2


@pytest.mark.parametrize("name", ["straight-through", "gumbel-straight-through"])
def test_straight_through_is_exact_for_p_draw_by_draw(name) -> None:
    model, x = tiny("sbn", layers=[2, 2]), bits(3)
    estimator, score = (build_estimator(n, model=model) for n in (name, "score-function"))
    noise = draw_noise(model, score, x, 7, 1)
    found, expected = (gradients_of(model, one, x, noise) for one in (estimator, score))
    for key, value in expected.items():
        assert torch.allclose(found[key], value) is not key.startswith("recognisers"), key


def test_straight_through_is_exact_where_the_objective_is_linear_in_the_bits() -> None:
    model, x = tiny("sbn", layers=[3]), bits(1)
    with torch.no_grad():
        model.decoder[-1].weight.zero_()
    noise, weights = bit_noise(model, x)
    estimator = build_estimator("straight-through", model=model)
    found = expectation(gradients_of(model, estimator, x, noise), weights)
    assert_close(found, exact_gradient(model, enumerated_elbo(model, x)))


def test_gumbel_form_has_the_slope_of_the_relaxed_bit() -> None:
    model, x = tiny("sbn", layers=[2]), bits(1)
    noise = torch.rand(1, 2, dtype=torch.float64, generator=make_generator(3))
    temperature = 0.4
    logits = model.recognition(x).first_logits.detach()
    bit = (noise < logits.sigmoid()).double()
    soft = ((logits + (1 - noise).log() - noise.log()) / temperature).sigmoid()
    point, free = bit.clone().requires_grad_(), logits.clone().requires_grad_()
    log_q = (point * free - torch.nn.functional.softplus(free)).sum()
    f = model.log_joint(x, point).sum() - log_q
    by_bit, by_logits = torch.autograd.grad(f, (point, free))
    expected = by_bit * soft * (1 - soft) / temperature + by_logits
    estimator = build_estimator("gumbel-straight-through", model=model, temperature=temperature)
    loss = estimator(model, x, generator=Replay([noise])).loss
    found = exact_gradient(model, -loss)["recognisers.0.0.bias"]
    assert torch.allclose(found, expected[0])


def test_relaxed_bound_has_the_densities_of_concrete_variables() -> None:
    model, x = tiny("sbn", layers=[2, 1]), bits(3)
    temperature = 0.6
    estimator = build_estimator("concrete", model=model, temperature=temperature)
    noise = draw_noise(model, estimator, x, 1, 5)
    noise = [draw[0] for draw in noise]
    loss = estimator(model, x, generator=Replay(noise)).loss
    layers, scale = Layers(model, x, None), torch.tensor(temperature, dtype=torch.float64)
    z, ys, bound = [], [], 0.0
    for layer, uniforms in enumerate(noise):
        logits = layers.logits(layer, z)
        ys.append((logits + logistic(uniforms)) / temperature)
        z.append(ys[-1].sigmoid())
        bound = bound - LogitRelaxedBernoulli(scale, logits=logits).log_prob(ys[-1]).sum(-1)
    below = LogitRelaxedBernoulli(scale, logits=model.transforms[0](2 * z[1] - 1))
    top = LogitRelaxedBernoulli(scale, logits=model.prior_logits)
    bound = bound + below.log_prob(ys[0]).sum(-1) + top.log_prob(ys[1]).sum(-1)
    bound = bound + model.likelihood(torch.cat(z, dim=-1)).log_prob(x)
    assert torch.allclose(loss, -bound.mean())
    assert_close(exact_gradient(model, loss), exact_gradient(model, -bound.mean()))


def test_a_colder_concrete_is_less_biased_and_more_variable() -> None:
    model, x = tiny("sbn", layers=[2]), bits(1)
    expected = exact_gradient(model, enumerated_elbo(model, x))["recognisers.0.0.bias"]
    bias, spread = [], []
    for temperature in (2.0, 0.2):
        estimator = build_estimator("concrete", model=model, temperature=temperature)
        noise = draw_noise(model, estimator, x, 20_000, 3)
        draws = gradients_of(model, estimator, x, noise)["recognisers.0.0.bias"]
        bias.append(float((draws.mean(0) - expected).norm()))
        spread.append(float(draws.std(0).norm()))
    assert bias[1] < 0.5 * bias[0]
    assert spread[1] > 1.3 * spread[0]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_prices_count_the_layers(count) -> None:
    model = tiny("sbn", layers=[2] * count)
    prices = {"arm": count + 1, "disarm": count + 1, "muprop": count + 1, "rebar": 2 * count + 1}
    prices |= {"relax": 2 * count + 1, "concrete": 1, "straight-through": 1, "nvil": 1}
    for name, price in prices.items():
        assert build_estimator(name, model=model).evaluations == price, name


@pytest.mark.parametrize("name", ["arm", "disarm", "concrete", "rebar", "straight-through"])
def test_gaussian_latents_and_temperatures_below_zero_are_refused(name) -> None:
    with pytest.raises(ValueError, match="needs latents that are bernoulli"):
        build_estimator(name, model=tiny("vae", latent_dim=1))
    if name in ("concrete", "rebar"):
        with pytest.raises(ValueError, match=r"`temperature` must be a positive number; got 0"):
            build_estimator(name, model=tiny("sbn", layers=[2]), temperature=0)
    if name == "concrete":
        with pytest.raises(ValueError, match=r"`density` must be one of .*'mass'.*got 'soft'"):
            build_estimator(name, model=tiny("sbn", layers=[2]), density="soft")
