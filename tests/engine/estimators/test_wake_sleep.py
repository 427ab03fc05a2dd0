"""Wake-sleep and reweighted wake-sleep: each phase against the objective that it climbs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.estimators import build_estimator
from engine.models import LatentVariableModel
from engine.random import Recorder, Replay, make_generator
from tests.engine.estimators.exact import (
    Gradients,
    all_values,
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

LAYERS = ([2], [1, 2])


def dreams(model: LatentVariableModel) -> tuple[list[Tensor], Tensor]:
    """Uniform draws that force every value of one (z, x) drawn from p, and their probabilities."""
    latent = sum(model.layer_sizes)
    values = all_values(latent + model.data_dim)
    z, x = values.split([latent, model.data_dim], dim=-1)
    log_joint = model.likelihood(z).log_prob(x) + model.prior().log_prob(z)
    layers = [1 - layer[:, None] for layer in z.split(model.layer_sizes, dim=-1)]
    return [*reversed(layers), 1 - x[:, None]], log_joint.exp().detach()


def crossed(first: tuple[list[Tensor], Tensor], second: tuple[list[Tensor], Tensor]):
    """Every pair of entries of two sets of independent draws."""
    (a, p), (b, q) = first, second
    left = [draw.repeat_interleave(len(q), dim=0) for draw in a]
    right = [draw.repeat(len(p), *(1 for _ in draw.shape[1:])) for draw in b]
    return left + right, (p[:, None] * q).flatten()


def dreamt(model: LatentVariableModel) -> Gradients:
    """The gradient of E_p[log q(z | x)] in q, by enumeration."""
    latent = sum(model.layer_sizes)
    z, x = all_values(latent + model.data_dim).split([latent, model.data_dim], dim=-1)
    with torch.no_grad():
        mass = (model.likelihood(z).log_prob(x) + model.prior().log_prob(z)).exp()
    assert torch.allclose(mass.sum(), torch.ones((), dtype=mass.dtype))
    return exact_gradient(model, mass @ model.recognition(x).log_prob(z))


def part(gradients: Gradients, recognition: bool) -> Gradients:
    return {k: v for k, v in gradients.items() if k.startswith("recognisers") is recognition}


@pytest.mark.parametrize("layers", LAYERS)
def test_wake_sleep_climbs_the_elbo_in_p_and_the_dreams_likelihood_in_q(layers) -> None:
    model, x = tiny("sbn", layers=layers), bits(1)
    estimator = build_estimator("wake-sleep", model=model)
    assert (estimator.objective, estimator.unbiased) == ("wake-sleep", False)
    noise, weights = crossed(bit_noise(model, x), dreams(model))
    assert torch.allclose(weights.sum(), torch.ones((), dtype=weights.dtype))
    found = expectation(gradients_of(model, estimator, x, noise), weights)
    elbo = exact_gradient(model, enumerated_elbo(model, x))
    assert_close(part(found, False), part(elbo, False))
    assert_close(part(found, True), part(dreamt(model), True))
    gap = max(float((found[k] - v).abs().max()) for k, v in part(elbo, True).items())
    assert gap > 0.05  # q does not climb the bound that p climbs


@pytest.mark.parametrize("layers", LAYERS)
def test_reweighted_wake_phase_climbs_the_bound_in_p_and_weighs_q_by_importance(layers) -> None:
    model, x = tiny("sbn", layers=layers), bits(1)
    estimator = build_estimator("reweighted-wake-sleep", model=model, samples=2)
    noise, weights = bit_noise(model, x, 2)
    found = expectation(gradients_of(model, estimator, x, noise), weights)
    bound = exact_gradient(model, enumerated_bound(model, x, 2))
    assert_close(part(found, False), part(bound, False))
    latent = sum(layers)
    z = all_values(2 * latent).reshape(-1, 2, 1, latent)
    log_q = model.recognition(x).log_prob(z)
    with torch.no_grad():
        importance = torch.softmax(model.log_joint(x, z) - log_q, dim=1)
        mass = log_q.sum(1).exp()
    expected = exact_gradient(model, (mass * (importance * log_q).sum(1)).sum())
    assert_close(part(found, True), part(expected, True))
    gap = max(float((expected[k] - v).abs().max()) for k, v in part(bound, True).items())
    assert gap > 0.05


def test_the_bias_of_the_wake_phase_falls_with_the_number_of_samples() -> None:
    model, x = tiny("sbn", layers=[2]), bits(1)
    z = all_values(2)[:, None]
    with torch.no_grad():
        posterior = torch.softmax(model.log_joint(x, z), dim=0)
    truth = part(exact_gradient(model, (posterior * model.recognition(x).log_prob(z)).sum()), True)
    gaps = []
    for samples in (2, 3, 6):
        estimator = build_estimator("reweighted-wake-sleep", model=model, samples=samples)
        noise, weights = bit_noise(model, x, samples)
        found = expectation(gradients_of(model, estimator, x, noise), weights)
        gaps.append(max(float((found[k] - v).abs().max()) for k, v in truth.items()))
    assert gaps[0] > 1.2 * gaps[1] > 1.2 * 1.2 * gaps[2] > 0


def test_sleep_moves_q_as_wake_sleep_does_and_both_is_the_mean_of_the_two() -> None:
    model, x = tiny("sbn", layers=[2, 2]), bits(3)
    found = {}
    for phi in ("wake", "sleep", "both"):
        one = build_estimator("reweighted-wake-sleep", model=model, samples=4, phi=phi)
        found[phi] = exact_gradient(model, one(model, x, generator=make_generator(1)).loss)
    for name, value in found["both"].items():
        assert torch.allclose(value, (found["wake"][name] + found["sleep"][name]) / 2), name
    dream = bits(4, 8, seed=2)[:3].split([2, 2, 4], dim=-1)  # layer 2, layer 1, pixels
    draws = [1 - value for value in dream]
    one = build_estimator("wake-sleep", model=model)
    awake = [torch.rand(3, 2, dtype=torch.float64, generator=make_generator(0)) for _ in range(2)]
    loss = one(model, x, generator=Replay([*awake, *draws])).loss
    log_q = model.recognition(dream[2]).log_prob(torch.cat([dream[1], dream[0]], dim=-1))
    expected = exact_gradient(model, -log_q.mean())
    assert_close(part(exact_gradient(model, loss), True), part(expected, True))


def test_every_item_of_the_minibatch_has_a_dream_of_its_own() -> None:
    model, recorder = tiny("sbn", layers=[2, 3]), Recorder(make_generator(0))
    build_estimator("wake-sleep", model=model)(model, bits(5), generator=recorder)
    assert [shape for _, shape in recorder.plan] == [(5, 2), (5, 3), (5, 3), (5, 2), (5, 4)]


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("phi", ["wake", "sleep", "both"])
def test_gaussian_latents_learn_by_reweighted_wake_sleep(phi, likelihood) -> None:
    model = tiny("vae", latent_dim=1, hidden=[3], likelihood=likelihood)
    x = bits(3)
    estimator = build_estimator("reweighted-wake-sleep", model=model, samples=5, phi=phi)
    iwae = build_estimator("iwae", model=model, samples=5)
    found, bound = (
        exact_gradient(model, one(model, x, generator=make_generator(1)).loss)
        for one in (estimator, iwae)
    )
    for name, value in found.items():
        if name.startswith("decoder"):  # the same draws, and the same objective for p
            assert torch.allclose(value, bound[name]), name
        else:
            assert float(value.abs().max()) > 1e-3


def test_unknown_phases_and_single_samples_are_refused() -> None:
    model = tiny("sbn", layers=[2])
    with pytest.raises(ValueError, match=r"`phi` must be one of .*'both'.*got 'dream'"):
        build_estimator("reweighted-wake-sleep", model=model, phi="dream")
    with pytest.raises(ValueError, match="`samples` must be a whole number, at least 2; got 1"):
        build_estimator("reweighted-wake-sleep", model=model, samples=1)
