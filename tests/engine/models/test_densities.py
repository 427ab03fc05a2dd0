"""Every p and q of every tiny model is a distribution, and the samplers draw from it."""

from __future__ import annotations

import pytest
import torch
from torch import distributions as reference

from engine.evaluation.exact import all_bits
from engine.models.base import SCALE_FLOOR
from engine.random import make_generator
from tests.engine.models.tiny import (
    BITS,
    EVERY,
    GAUSSIANS,
    LINKED,
    all_data,
    assert_frequencies,
    build,
    marginal,
    quadrature,
)

DRAWS = 40_000


@pytest.mark.parametrize("name", EVERY)
def test_p_of_x_summed_over_every_x_is_one(name):
    model = build(name)
    total = marginal(model, all_data(model)).exp().sum()
    torch.testing.assert_close(total.item(), 1.0, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_ancestral_samples_have_the_frequencies_of_the_marginal(name):
    model = build(name)
    x = model.sample(DRAWS, generator=make_generator(1))
    assert_frequencies(x, marginal(model, all_data(model)).exp())


@pytest.mark.parametrize("name", BITS | LINKED)
def test_prior_summed_over_every_latent_is_one_and_its_draws_follow_it(name):
    model = build(name)
    probs = model.prior().log_prob(all_bits(sum(model.layer_sizes), dtype=torch.float64)).exp()
    torch.testing.assert_close(probs.sum().item(), 1.0)
    assert_frequencies(model.prior().sample((DRAWS,), generator=make_generator(2)), probs)


@pytest.mark.parametrize("name", BITS | LINKED)
def test_recognition_summed_over_every_latent_is_one_and_its_draws_follow_it(name):
    model = build(name)
    x = all_data(model)
    z = all_bits(sum(model.layer_sizes), dtype=torch.float64)
    q = model.recognition(x)
    table = q.log_prob(z[:, None].expand(-1, len(x), -1)).exp()
    torch.testing.assert_close(table.sum(0), torch.ones(len(x), dtype=torch.float64))
    draws = q.sample((DRAWS,), generator=make_generator(3))
    for item in (0, len(x) - 2):
        assert_frequencies(draws[:, item], table[:, item])


@pytest.mark.parametrize("name", GAUSSIANS)
def test_recognition_integrates_to_one(name):
    # scale .3: a q as narrow as .8 gives needs more points than there is time for
    model = build(name, scale=0.3)
    x = all_data(model)
    z, log_weights = quadrature(sum(model.layer_sizes))
    log_q = model.recognition(x).log_prob(z[:, None].expand(-1, len(x), -1))
    total = torch.logsumexp(log_q + log_weights[:, None], dim=0).exp()
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", GAUSSIANS)
def test_prior_of_gaussian_latents_is_standard_normal(name):
    model = build(name)
    size = sum(model.layer_sizes)
    z = torch.randn(5, 2, size, generator=make_generator(0), dtype=torch.float64)
    standard = reference.Independent(
        reference.Normal(torch.zeros(size, dtype=torch.float64), 1.0), 1
    )
    torch.testing.assert_close(model.prior().log_prob(z), standard.log_prob(z))


@pytest.mark.parametrize("name", EVERY)
def test_log_joint_is_likelihood_plus_prior_with_samples_first(name):
    model = build(name)
    x = all_data(model)
    z = model.prior().sample((5, len(x)), generator=make_generator(0))
    expected = model.likelihood(z).log_prob(x) + model.prior().log_prob(z)
    assert model.log_joint(x, z).shape == (5, len(x))
    torch.testing.assert_close(model.log_joint(x, z), expected)


@pytest.mark.parametrize("name", ["vae", "dlgm-2-rank-one"])
def test_gaussian_pixels_have_a_sigmoid_mean_and_a_floored_scale(name):
    model = build(name, likelihood="gaussian")
    z = torch.randn(7, 2, sum(model.layer_sizes), generator=make_generator(0)).double()
    x = torch.rand(2, model.data_dim, generator=make_generator(1)).double()
    hidden = z if name == "vae" else model.hidden_states(z)[0]
    loc, raw = model.decoder(hidden).chunk(2, -1)
    floor = torch.tensor(SCALE_FLOOR, dtype=torch.float64).log()
    scale = (floor + torch.nn.functional.softplus(raw - floor)).exp()
    expected = reference.Independent(reference.Normal(loc.sigmoid(), scale), 1)
    torch.testing.assert_close(model.likelihood(z).log_prob(x), expected.log_prob(x))


@pytest.mark.parametrize("kind", ["vae", "dlgm"])
def test_gaussian_pixels_of_a_model_integrate_to_one(kind):
    name = {"vae": "vae", "dlgm": "dlgm-1-diagonal"}[kind]
    # small weights: every pixel's scale lies near 1, so that few points do on either axis
    model = build(name, scale=0.3, data_dim=1, likelihood="gaussian")
    x = torch.linspace(-20, 20, 401, dtype=torch.float64)[:, None]
    density = marginal(model, x).exp()
    torch.testing.assert_close(torch.trapezoid(density, x[:, 0]).item(), 1.0, rtol=0, atol=1e-3)


def test_gaussian_pixels_never_get_narrower_than_the_spacing_of_grey_values_allows():
    model = build("vae", likelihood="gaussian")
    with torch.no_grad():
        model.decoder[-1].bias[model.data_dim :] = -1000
    scale = model.likelihood(torch.zeros(1, 2, dtype=torch.float64)).stddev
    torch.testing.assert_close(scale, torch.full_like(scale, SCALE_FLOOR))


def test_dlgm_states_follow_the_paper():
    model = build("dlgm-2-diagonal")
    z = torch.randn(6, 3, generator=make_generator(0), dtype=torch.float64)
    top = z[:, 2:] @ model.factors[1].weight.T  # h_2 = G_2 xi_2
    first = model.transforms[0](top) + z[:, :2] @ model.factors[0].weight.T
    states = model.hidden_states(z)
    torch.testing.assert_close(states[1], top)
    torch.testing.assert_close(states[0], first)
    torch.testing.assert_close(model.likelihood(z).logits, model.decoder(first))


def test_belief_network_conditions_each_layer_on_signs_of_the_one_above():
    # the joint written out as Neal (1992) does, bit by bit
    model = build("sbn-2")
    x = torch.tensor([[1.0, 0.0, 1.0]]).double()
    z = torch.tensor([[1.0, 0.0, 1.0, 0.0, 1.0]]).double()
    top, first = z[0, 3:], z[0, :3]

    def log_bits(logits, bits):
        probs = logits.sigmoid()
        return (bits * probs.log() + (1 - bits) * (1 - probs).log()).sum()

    between, decoder = model.transforms[0][0], model.decoder[0]
    expected = (
        log_bits(model.prior_logits, top)
        + log_bits(between.weight @ (2 * top - 1) + between.bias, first)
        + log_bits(decoder.weight @ (2 * first - 1) + decoder.bias, x[0])
    )
    torch.testing.assert_close(model.log_joint(x, z)[0], expected)
