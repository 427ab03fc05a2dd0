"""Leave-one-out REINFORCE and VIMCO against sums over every value of all their draws."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from engine.estimators import build_estimator
from engine.estimators.multi_sample import vimco
from engine.models.sbn import SBN
from engine.random import make_generator
from tests.engine.estimators.exact import (
    all_values,
    assert_close,
    bit_noise,
    bits,
    draw_noise,
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


def branched_noise(
    model: SBN, x: Tensor, samples: int, branches: int
) -> tuple[list[Tensor], Tensor]:
    """Uniform draws that force every value of a tree of draws, and the probability of each."""
    shapes, front = [], (len(x),)
    for layer, units in enumerate(model.layer_sizes):
        front = (branches if layer else samples, *front)
        shapes.append((*front, units))
    sizes = [math.prod(shape) for shape in shapes]
    values = all_values(sum(sizes)).split(sizes, dim=-1)
    tree = [part.reshape(-1, *shape) for part, shape in zip(values, shapes, strict=True)]
    weights = torch.zeros(len(tree[0]), dtype=torch.float64)
    q, below = model.recognition(x), None
    for layer, bits_here in enumerate(tree):
        # the rows of the enumeration go where `layer` takes the draws of the layers below
        condition = None if below is None else below[:, None]
        log_q = q.layer(layer, condition).log_prob(bits_here)
        weights = weights + log_q.flatten(1).sum(1)
        below = bits_here
    return [1 - layer for layer in tree], weights.exp().detach()


@pytest.mark.parametrize("kind", ["sbn", "fdarn", "darn"])
@pytest.mark.parametrize(("layers", "samples"), [([3], 3), ([2, 1], 2), ([1, 1, 1], 2)])
def test_branches_leave_the_gradient_exact(layers, samples, kind) -> None:
    linked = {} if kind == "sbn" else {"recognition": "autoregressive"}
    model, x = tiny(kind, layers=layers, **linked), bits(1)
    estimator = build_estimator("leave-one-out", model=model, samples=samples, branches=2)
    assert estimator.evaluations == samples * 2 ** (len(layers) - 1)
    noise, weights = branched_noise(model, x, samples, 2)
    assert float(weights.sum()) == pytest.approx(1, abs=1e-12)
    found = expectation(gradients_of(model, estimator, x, noise), weights)
    assert_close(found, exact_gradient(model, enumerated_elbo(model, x)))


def test_branches_take_variance_from_the_layers_above_the_first() -> None:
    model, x = tiny("sbn", layers=[8, 8, 8]), bits(1)

    def variances(branches: int) -> list[float]:
        estimator = build_estimator("leave-one-out", model=model, samples=2, branches=branches)
        noise = draw_noise(model, estimator, x, 2000, seed=3)
        draws = gradients_of(model, estimator, x, noise)
        return [float(draws[f"recognisers.{i}.0.weight"].var(0).sum()) for i in (1, 2)]

    # As many whole columns as there are draws of the layer would leave a half and a quarter.
    for branched, columns, share in zip(variances(2), variances(1), (1 / 2, 1 / 4), strict=True):
        assert branched < 0.8 * share * columns


def test_branches_need_layers_of_bits() -> None:
    model = tiny("vae", latent_dim=2, hidden=[3])
    with pytest.raises(ValueError, match="`branches` above 1 needs layers of bits; VAE has none"):
        build_estimator("leave-one-out", model=model, branches=2)
    with pytest.raises(ValueError, match="`branches` must be a whole number"):
        build_estimator("leave-one-out", model=tiny("sbn", layers=[2]), branches=0)


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
    values = torch.tensor([[-2000.0], [-100.0], [-2500.0]])
    log_q = torch.zeros(3, 1, requires_grad=True)
    vimco(values, log_q).loss.backward()
    assert log_q.grad is not None
    # the gradient of -(bound + signal * log q) is w_k - signal_k; the bound is -100 - log 3
    without = torch.tensor([[-100.0], [-2000.0], [-100.0]])
    weights = torch.tensor([[0.0], [1.0], [0.0]])
    assert torch.allclose(log_q.grad, weights - (-100.0 - without))


@pytest.mark.parametrize("name", ["leave-one-out", "vimco"])
def test_every_draw_is_counted_and_the_elbo_is_their_mean(name) -> None:
    model, x = tiny("sbn", layers=[2, 2]), bits(6)
    estimator = build_estimator(name, model=model, samples=4)
    assert estimator.evaluations == 4
    estimate = estimator(model, x, generator=make_generator(4))
    q = model.recognition(x)
    z = q.sample((4,), generator=make_generator(4))
    assert torch.allclose(estimate.elbo, (model.log_joint(x, z) - q.log_prob(z)).mean(0))
    with pytest.raises(ValueError, match="`samples` must be a whole number, at least 2; got 1"):
        build_estimator(name, model=model, samples=1)
