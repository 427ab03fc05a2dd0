"""CD-k and persistent chains against the gradient of log p(x), which enumeration gives."""

from __future__ import annotations

import math

import pytest
import torch

from engine.bits import all_bits
from engine.estimators import build_estimator
from engine.estimators.contrastive_divergence import pseudo_log_likelihood
from engine.models import build_model
from engine.random import make_generator
from tests.engine.models.machines import tiny_rbm

ROUNDS = 1500
NAMES = ("contrastive-divergence", "persistent-contrastive-divergence")


def data():
    return all_bits(4, dtype=torch.float64)[[1, 3, 3, 6, 12]]


def exact_gradient(model):
    x = data()
    objective = (-model.free_energy(x)).mean() - model.log_partition_exact()
    gradients = torch.autograd.grad(objective, list(model.parameters()))
    return torch.cat([g.flatten() for g in gradients])


def draws(model, estimator, rounds=ROUNDS, seed=0):
    """Gradients of the objective, ``(rounds, parameters)``, at frozen weights."""
    generator, found = make_generator(seed), []
    for _ in range(rounds):
        loss = estimator(model, data(), generator=generator).loss
        gradients = torch.autograd.grad(-loss, list(model.parameters()))
        found.append(torch.cat([g.flatten() for g in gradients]))
    return torch.stack(found)


def z_scores(found, expected):
    return (found.mean(0) - expected) / (found.std(0) / math.sqrt(len(found)))


def bias(name, steps):
    model = tiny_rbm()
    estimator = build_estimator(name, model=model, steps=steps, centring=False).double()
    found = draws(model, estimator)
    return float((found.mean(0) - exact_gradient(model)).norm() / exact_gradient(model).norm())


def test_cd_is_biased_and_less_so_with_more_steps():
    model = tiny_rbm()
    one = build_estimator("contrastive-divergence", model=model, steps=1, centring=False).double()
    assert not one.unbiased
    assert float(z_scores(draws(model, one), exact_gradient(model)).abs().max()) > 7
    assert bias("contrastive-divergence", 1) > 3 * bias("contrastive-divergence", 8)


def test_long_chains_from_the_data_have_the_exact_gradient():
    model = tiny_rbm()
    long = build_estimator("contrastive-divergence", model=model, steps=60, centring=False)
    found = draws(model, long.double(), rounds=400)
    assert float(z_scores(found, exact_gradient(model)).abs().max()) < 4.5


def test_persistent_chains_at_frozen_weights_have_the_exact_gradient():
    model = tiny_rbm()
    # sweeps enough between two estimates that these are nearly independent
    estimator = build_estimator(
        "persistent-contrastive-divergence", model=model, steps=25, centring=False
    ).double()
    found = draws(model, estimator, rounds=600)[10:]
    assert float(z_scores(found, exact_gradient(model)).abs().max()) < 4.5


@pytest.mark.parametrize("name", NAMES)
def test_centring_is_the_gradient_in_centred_coordinates(name):
    model = tiny_rbm()
    estimator = build_estimator(name, model=model).double()
    estimator.hidden_mean.copy_(torch.tensor([0.2, 0.5, 0.9]))
    x, fantasy = data(), all_bits(4, dtype=torch.float64)[[0, 5, 9]]
    found = estimator.directions(model, x, fantasy)
    mu, lam = model.data_mean, estimator.hidden_mean

    # the same machine by its centred parameters: b = b' - W lam, c = c' - mu W
    weight = model.weight.detach().clone().requires_grad_()
    b = (model.visible_bias + weight @ lam).detach().requires_grad_()
    c = (model.hidden_bias + mu @ weight).detach().requires_grad_()

    def free_energy(v):
        logits = v @ weight + c - mu @ weight
        return -(v @ (b - weight @ lam)) - torch.nn.functional.softplus(logits).sum(-1)

    objective = free_energy(fantasy).mean() - free_energy(x).mean()
    step = torch.autograd.grad(objective, [weight, b, c])
    # a step of the centred parameters, seen in the plain ones (to first order, at fixed offsets)
    torch.testing.assert_close(found[0], step[0])
    torch.testing.assert_close(found[1], step[1] - step[0] @ lam)
    torch.testing.assert_close(found[2], step[2] - mu @ step[0])


@pytest.mark.parametrize("name", NAMES)
def test_a_step_leaves_its_chains_in_the_particles(name):
    model = tiny_rbm(particles=3)
    before = model.particles.clone()
    estimator = build_estimator(name, model=model, steps=2).double()
    estimator(model, data(), generator=make_generator(0))
    start = data() if name == "contrastive-divergence" else before
    expected = model.gibbs(start, 2, generator=make_generator(0))[:3]
    assert torch.equal(model.particles, expected)
    assert not torch.equal(model.particles, before)


@pytest.mark.parametrize("name", NAMES)
def test_training_climbs_the_exact_log_likelihood(name):
    model = build_model("rbm", data_dim=4, hidden=6, particles=200).double()
    model.reset_parameters(make_generator(0))
    model.set_data_mean(data().mean(0))
    estimator = build_estimator(name, model=model, steps=10).double()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)

    def value():
        with torch.no_grad():
            return float((-model.free_energy(data())).mean() - model.log_partition_exact())

    before, generator = value(), make_generator(1)
    for _ in range(500):
        optimiser.zero_grad()
        estimator(model, data(), generator=generator).loss.backward()
        optimiser.step()
    best = float(torch.tensor([0.2, 0.4, 0.2, 0.2]).log() @ torch.tensor([0.2, 0.4, 0.2, 0.2]))
    assert value() > before + 0.3
    assert best - 0.5 < value() < best


def test_the_pseudo_likelihood_is_the_mean_over_pixels_of_the_conditionals():
    model = tiny_rbm()
    x = data()[:1]
    flips = torch.eye(4, dtype=torch.float64)
    other = (x - flips).abs()
    expected = (
        torch.nn.functional.logsigmoid(model.free_energy(other) - model.free_energy(x))
        .sum()
        .detach()
    )
    many = x.expand(20_000, -1)
    found = pseudo_log_likelihood(model, many, make_generator(0))
    error = float(found.std()) / math.sqrt(len(found))
    assert abs(float(found.mean() - expected)) < 5 * error
    assert not found.requires_grad


@pytest.mark.parametrize("name", NAMES)
def test_estimates_have_the_form_of_the_contract(name):
    model = tiny_rbm()
    estimator = build_estimator(name, model=model).double()
    estimate = estimator(model, data(), generator=make_generator(0))
    assert estimate.elbo.shape == (5,)
    assert not estimate.elbo.requires_grad
    assert estimate.loss.shape == ()
    with pytest.raises(ValueError, match="`steps` must be a whole number"):
        build_estimator(name, model=model, steps=0)
    with pytest.raises(ValueError, match="`centring` must be true or false; got 'False'"):
        build_estimator(name, model=model, centring="False")
    vae = build_model("vae", data_dim=3, latent_dim=2, hidden=(4,))
    with pytest.raises(ValueError, match="kind 'energy'"):
        build_estimator(name, model=vae)
