"""Enumeration beside the definition, state by state."""

from __future__ import annotations

import itertools

import pytest
import torch

from engine.evaluation import exact
from engine.models import build_model
from tests.engine.models.tiny import BITS, LINKED, all_data, build


def by_hand(model, x):
    """log p(x, z) and log q(z | x), ``(states, items)``, one state at a time."""
    joint, recognised = [], []
    for bits in itertools.product((0.0, 1.0), repeat=sum(model.layer_sizes)):
        z = torch.tensor(bits, dtype=torch.float64).expand(len(x), -1)
        joint.append(model.log_joint(x, z))
        recognised.append(model.recognition(x).log_prob(z))
    return torch.stack(joint), torch.stack(recognised)


def test_all_bits_counts_upwards():
    assert exact.all_bits(2).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert len(exact.all_bits(10).unique(dim=0)) == 1024


@pytest.mark.parametrize("name", BITS | LINKED)
@pytest.mark.parametrize("rows", [7, 8192])
def test_enumeration_agrees_with_the_definition_whatever_the_chunks(name, rows, monkeypatch):
    monkeypatch.setattr(exact, "CHUNK_STATES", rows)
    model = build(name)
    x = all_data(model)
    joint, recognised = by_hand(model, x)
    log_p = joint.logsumexp(0)
    torch.testing.assert_close(exact.log_joint_table(model, x), joint)
    torch.testing.assert_close(exact.recognition_table(model, x), recognised)
    torch.testing.assert_close(exact.log_marginal(model, x), log_p)
    torch.testing.assert_close(exact.posterior(model, x), (joint - log_p).exp())
    expected = (recognised.exp() * (joint - recognised)).sum(0)
    torch.testing.assert_close(exact.elbo(model, x), expected)


@pytest.mark.parametrize("name", BITS | LINKED)
def test_the_gap_of_the_bound_is_the_divergence_from_the_posterior(name):
    model = build(name)
    x = all_data(model)
    log_q, posterior = exact.recognition_table(model, x), exact.posterior(model, x)
    divergence = (log_q.exp() * (log_q - posterior.log())).sum(0)
    gap = exact.log_marginal(model, x) - exact.elbo(model, x)
    assert (gap > 0).all()
    torch.testing.assert_close(gap, divergence)


def test_gradients_of_the_exact_bound_reach_every_parameter():
    model = build("sbn-2-tanh")
    exact.elbo(model, all_data(model)).mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(
    "quantity", [exact.log_marginal, exact.posterior, exact.elbo, exact.recognition_table]
)
def test_what_cannot_be_enumerated_is_refused(quantity):
    x = torch.zeros(2, 4)
    big = build_model("sbn", data_dim=4, layers=(15, 6))
    with pytest.raises(ValueError, match=r"`model` must have at most 20 latent bits.*got 21"):
        quantity(big, x)
    with pytest.raises(ValueError, match=r"`model` must have latents that are bits.*VAE"):
        quantity(build_model("vae", data_dim=4), x)
    with pytest.raises(ValueError, match=r"`x` must be \(items, 4\); got \(2, 3\)"):
        quantity(build_model("sbn", data_dim=4, layers=(2,)), x[:, 1:])


@pytest.mark.parametrize("size", [0, 21])
def test_too_few_or_too_many_bits_are_refused(size):
    with pytest.raises(ValueError, match=rf"`size` must be from 1 to 20.*got {size}"):
        exact.all_bits(size)
