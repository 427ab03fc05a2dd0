"""Leave-one-out REINFORCE and VIMCO against sums over every value of all their draws."""

from __future__ import annotations

import pytest
import torch

from engine.estimators import build_estimator
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
    tiny,
)

LAYERS = ([3], [2, 1])


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize(("samples", "batch"), [(2, 2), (3, 1)])
def test_leave_one_out_is_the_exact_gradient_of_the_elbo(samples, batch, layers) -> None:
    model, x = tiny("sbn", layers=layers), bits(batch)
    estimator = build_estimator("leave-one-out", model=model, samples=samples)
    assert (estimator.objective, estimator.unbiased) == ("elbo", True)
    noise, weights = bit_noise(model, x, samples)
    found = expectation(gradients_of(model, estimator, x, noise), weights)
    assert_close(found, exact_gradient(model, enumerated_elbo(model, x)))


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize(("samples", "batch"), [(2, 2), (3, 1)])
def test_vimco_is_the_exact_gradient_of_the_bound_of_so_many_samples(
    samples, batch, layers
) -> None:
    model, x = tiny("sbn", layers=layers), bits(batch)
    estimator = build_estimator("vimco", model=model, samples=samples)
    assert (estimator.objective, estimator.unbiased) == (f"iwae-{samples}", True)
    noise, weights = bit_noise(model, x, samples)
    found = expectation(gradients_of(model, estimator, x, noise), weights)
    expected = exact_gradient(model, enumerated_bound(model, x, samples))
    assert_close(found, expected)
    elbo = exact_gradient(model, enumerated_elbo(model, x))
    assert any(not torch.allclose(expected[name], elbo[name], rtol=1e-2) for name in elbo)


def test_the_other_draws_take_most_of_the_variance_away() -> None:
    model, x = tiny("sbn", layers=[3]), bits(1)
    part = "recognisers.0.0.weight"

    def variance(name: str, **options: int) -> float:
        noise, weights = bit_noise(model, x, options.get("samples"))
        estimator = build_estimator(name, model=model, **options)
        draws = gradients_of(model, estimator, x, noise)[part].flatten(1)
        return float(weights @ (draws - weights @ draws).square().sum(1))

    # Two independent draws would only halve it.
    assert variance("leave-one-out", samples=2) < 0.3 * variance("score-function")


def test_the_signal_of_vimco_keeps_its_digits_where_one_draw_carries_all_the_weight() -> None:
    estimator = build_estimator("vimco", model=tiny("sbn", layers=[3]), samples=3)
    values = torch.tensor([[-2000.0], [-100.0], [-2500.0]])
    expected = torch.tensor([[-100.0], [-2000.0], [-100.0]]) - torch.log(torch.tensor(3.0))
    assert torch.allclose(estimator._without(values), expected)


@pytest.mark.parametrize("name", ["leave-one-out", "vimco"])
def test_every_draw_is_counted_and_the_elbo_is_their_mean(name) -> None:
    model, x = tiny("sbn", layers=[2, 2]), bits(6)
    estimator = build_estimator(name, model=model, samples=4)
    assert estimator.evaluations == 4
    estimate = estimator(model, x, generator=make_generator(4))
    q = model.recognition(x)
    z = q.sample((4,), generator=make_generator(4))
    assert torch.allclose(estimate.elbo, (model.log_joint(x, z) - q.log_prob(z)).mean(0))
    with pytest.raises(ValueError, match="`samples` must be at least 2; got 1"):
        build_estimator(name, model=model, samples=1)
