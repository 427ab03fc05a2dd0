"""REBAR and RELAX: their expectation, their control variates and what tunes them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.estimators import GradientEstimator, build_estimator
from engine.estimators.layers import logistic, relaxed_posterior
from engine.models import LatentVariableModel
from engine.random import Replay, make_generator
from tests.engine.estimators.exact import (
    bits,
    draw_noise,
    enumerated_elbo,
    exact_gradient,
    expectation,
    gradients_of,
    tiny,
)


def built(name: str, model: LatentVariableModel, seed: int = 7) -> GradientEstimator:
    """With control variates away from their start."""
    options = {"hidden": 3} if name == "relax" else {}
    estimator = build_estimator(name, model=model, **options).double()
    generator = make_generator(seed)
    with torch.no_grad():
        for parameter in estimator.parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=generator))
    return estimator


def unit_square(p: float, order: int = 40) -> tuple[Tensor, Tensor]:
    """Nodes of u and v and their weights: Gauss-Legendre on each side of the jump at u = p."""
    nodes, mass = np.polynomial.legendre.leggauss(order)
    nodes, mass = torch.from_numpy((nodes + 1) / 2), torch.from_numpy(mass / 2)
    u = torch.cat([p * nodes, p + (1 - p) * nodes])
    weight = torch.cat([p * mass, (1 - p) * mass])
    return torch.cartesian_prod(u, nodes), torch.cartesian_prod(weight, mass).prod(-1)


@pytest.mark.parametrize("name", ["rebar", "relax"])
def test_expected_gradient_of_one_unit_is_exact_by_quadrature(name) -> None:
    model, x = tiny("sbn", layers=[1], hidden=[2]), bits(1)
    estimator = built(name, model).eval()
    assert (estimator.objective, estimator.unbiased) == ("elbo", True)
    nodes, weights = unit_square(float(model.recognition(x).mean.detach()))
    noise = [part.reshape(-1, 1, 1) for part in nodes.unbind(-1)]
    found = expectation(gradients_of(model, estimator, x, noise), weights)
    for key, value in exact_gradient(model, enumerated_elbo(model, x)).items():
        assert torch.allclose(found[key], value, rtol=1e-6, atol=1e-8), key


@pytest.mark.parametrize("name", ["rebar", "relax"])
def test_tuning_descends_the_squared_estimate_and_leaves_the_model_alone(name) -> None:
    model, x = tiny("sbn", layers=[2, 1]), bits(1)
    estimator = built(name, model)
    noise = [draw[0] for draw in draw_noise(model, estimator, x, 1, 3)]

    def logit_gradients() -> Tensor:
        """One item and one linear map a layer: the biases' gradients are those of the logits."""
        loss = estimator(model, x, generator=Replay(noise)).loss
        found = exact_gradient(model, loss)
        return torch.cat([found[f"recognisers.{layer}.0.bias"] for layer in (0, 1)])

    loss = estimator(model, x, generator=Replay(noise)).loss
    parameters = list(estimator.parameters())
    tuned = torch.autograd.grad(loss, parameters, retain_graph=True)
    step = 1e-5
    for parameter, slope in zip(parameters, tuned, strict=True):
        flat = parameter.detach().view(-1)
        for index in range(len(flat)):
            squares = []
            for sign in (1, -1):
                flat[index] += sign * step
                squares.append(float(logit_gradients().square().sum()))
                flat[index] -= sign * step
            expected = (squares[0] - squares[1]) / (2 * step)
            assert float(slope.flatten()[index]) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    training = exact_gradient(model, loss)
    still = exact_gradient(model, estimator.eval()(model, x, generator=Replay(noise)).loss)
    for key, value in still.items():
        assert torch.allclose(training[key], value, rtol=1e-12, atol=1e-14), key


def test_relax_starts_as_rebar() -> None:
    model, x = tiny("sbn", layers=[2, 2]), bits(3)
    rebar, relax = (build_estimator(name, model=model).double() for name in ("rebar", "relax"))
    relax.reset_parameters(make_generator(0))
    noise = draw_noise(model, rebar, x, 5, 2)
    found, expected = (gradients_of(model, one.eval(), x, noise) for one in (relax, rebar))
    for key, value in expected.items():
        assert torch.allclose(found[key], value), key


def test_without_a_control_variate_rebar_is_the_score_function_with_local_signals() -> None:
    model, x = tiny("sbn", layers=[2, 2]), bits(3)
    rebar = build_estimator("rebar", model=model).double().eval()
    with torch.no_grad():
        for control in rebar.controls:
            control.scale.zero_()
    switches = {"centring": False, "input_baseline": False, "normalise": False}
    nvil = build_estimator("nvil", model=model, **switches).double().eval()
    noise = draw_noise(model, rebar, x, 5, 2)
    found, expected = gradients_of(model, rebar, x, noise), gradients_of(model, nvil, x, noise[:2])
    for key, value in expected.items():
        assert torch.allclose(found[key], value), key


@pytest.mark.parametrize("name", ["rebar", "relax"])
def test_tuned_control_variates_take_most_of_the_variance_away(name) -> None:
    model, x = tiny("sbn", layers=[3, 2]), bits(8)
    estimator = built(name, model)
    optimiser = torch.optim.Adam(estimator.parameters(), lr=0.04)
    generator = make_generator(0)

    def variance(one: GradientEstimator) -> float:
        draws = gradients_of(model, one, x, draw_noise(model, one, x, 2000, 4))
        return sum(float(v.var(0).sum()) for k, v in draws.items() if k.startswith("recog"))

    before = variance(estimator.eval())
    estimator.train()
    for _ in range(150):
        optimiser.zero_grad()
        estimator(model, x, generator=generator).loss.backward()
        optimiser.step()
    after = variance(estimator.eval())
    assert after < 0.8 * before
    assert after < 0.3 * variance(build_estimator("score-function", model=model))


def test_relaxed_posterior_inverts_the_two_halves_of_the_logistic() -> None:
    generator = make_generator(1)
    logits = 8 * torch.randn(500, dtype=torch.float64, generator=generator)
    v = torch.rand(500, dtype=torch.float64, generator=generator)
    p = logits.sigmoid()
    for bit, cumulative in ((1.0, 1 - p + v * p), (0.0, v * (1 - p))):
        logits.requires_grad_()
        zeta, slope = relaxed_posterior(logits, torch.full_like(v, bit), v)
        assert bool(((zeta > 0) == (bit > 0)).all())
        near = logits.detach().abs() < 10  # where the plain formula has digits left
        assert torch.allclose((zeta - logits).sigmoid()[near], cumulative[near], atol=1e-10)
        (by_autograd,) = torch.autograd.grad(zeta.sum(), logits)
        assert torch.allclose(slope, by_autograd)


def test_noise_at_the_ends_of_the_interval_stays_finite() -> None:
    ends = torch.tensor([0.0, 1.0, 1e-30, 0.5])
    assert bool(logistic(ends).isfinite().all())
    assert float(logistic(ends)[0]) > 10 > 0 > -10 > float(logistic(ends)[1])
    for bit in (0.0, 1.0):
        for logit in (-50.0, 0.0, 50.0):
            zeta, slope = relaxed_posterior(torch.full((4,), logit), torch.full((4,), bit), ends)
            assert bool(zeta.isfinite().all())
            assert bool(slope.isfinite().all())
