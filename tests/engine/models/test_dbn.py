"""DBN: a density that sums to one, samples that follow it, a first layer taken from an RBM."""

from __future__ import annotations

import pytest
import torch

from engine.bits import all_bits
from engine.estimators import build_estimator
from engine.evaluation import exact
from engine.evaluation.likelihood import bounds
from engine.evaluation.partition import settle
from engine.models import DBN, build_model
from engine.random import make_generator
from tests.engine.models.machines import tiny_dbn, tiny_rbm
from tests.engine.models.tiny import all_data, assert_frequencies


def test_the_density_sums_to_one():
    model = tiny_dbn()
    total = exact.log_marginal(model, all_data(model)).exp().sum().detach()
    torch.testing.assert_close(total.item(), 1.0, rtol=0, atol=1e-5)


def test_the_prior_sums_to_one_whatever_the_axes():
    model = tiny_dbn()
    z = all_bits(3, dtype=torch.float64)
    log_prob = model.prior().log_prob(z).detach()
    torch.testing.assert_close(log_prob.exp().sum().item(), 1.0, rtol=0, atol=1e-5)
    assert torch.equal(model.prior().log_prob(z.reshape(2, 4, 3)), log_prob.reshape(2, 4))
    assert model.prior().sample((2, 5), generator=make_generator(0)).shape == (2, 5, 3)


def test_chains_on_top_and_a_step_down_draw_from_the_density():
    model = tiny_dbn(particles=1000)
    x = torch.cat([model.sample(1000, generator=make_generator(seed)) for seed in range(15)])
    assert_frequencies(x, exact.log_marginal(model, all_data(model)).exp().detach())


def test_the_bound_is_that_of_enumeration():
    model = tiny_dbn()
    x = all_data(model)[3:5]
    found = bounds(model, x, samples=4000, generator=make_generator(0))
    expected = exact.elbo(model, x).detach()
    torch.testing.assert_close(found.elbo, expected, rtol=0, atol=0.1)
    marginal = exact.log_marginal(model, x).detach()
    torch.testing.assert_close(found.bound, marginal, rtol=0, atol=0.1)
    assert (found.elbo < marginal).all()


def test_settling_estimates_log_z_of_the_machine_on_top():
    model = tiny_dbn()
    exact_value = float(model.top.log_partition)
    model.top.log_partition.zero_()
    found = settle(model, chains=500, temperatures=200, generator=make_generator(0))
    assert abs(float(model.top.log_partition) - exact_value) < 5 * found.standard_error


def test_a_trained_rbm_becomes_the_first_layer_both_ways():
    rbm, model = tiny_rbm(4, 3), tiny_dbn()
    weights = model.weights_of(rbm)
    assert {k: v.shape for k, v in weights.items()}.items() <= {
        k: v.shape for k, v in model.state_dict().items()
    }.items()
    model.load_state_dict(model.state_dict() | dict(weights))
    x, z = all_data(model), all_bits(3, dtype=torch.float64)
    assert torch.equal(model.recognition(x).logits, rbm.hidden_logits(x))
    torch.testing.assert_close(model.likelihood(z).logits, rbm.visible_logits(z))


def test_only_estimators_that_know_of_log_z_train_it():
    with pytest.raises(ValueError, match="needs a prior with density; that of DBN has energy"):
        build_estimator("nvil", model=tiny_dbn())
    sbn = build_model("sbn", data_dim=4, layers=(3,))
    for name in ("greedy", "joint"):
        with pytest.raises(ValueError, match="needs a prior with energy; that of SBN has density"):
            build_estimator(name, model=sbn)


@pytest.mark.parametrize("layers", [[3], [3, 4, 5]])
def test_there_are_two_layers(layers):
    with pytest.raises(ValueError, match="`layers` must be"):
        build_model("dbn", data_dim=4, layers=layers)


@pytest.mark.parametrize(("second", "close"), [(4, 1e-9), (7, 0.02)])
def test_started_from_an_rbm_with_a_wide_second_layer_it_is_that_rbm_with_a_tight_bound(
    second, close
):
    rbm = tiny_rbm(4, 3)
    rbm.log_partition.copy_(rbm.log_partition_exact())
    model = DBN(4, (3, second), particles=80).double().eval()
    model.load_state_dict(model.state_dict() | dict(model.weights_of(rbm)))
    x = all_data(model)
    expected = rbm.log_prob(x).detach()
    torch.testing.assert_close(
        model.top.log_partition, model.top.log_partition_exact(), rtol=0, atol=close
    )
    torch.testing.assert_close(exact.log_marginal(model, x).detach(), expected, rtol=0, atol=close)
    torch.testing.assert_close(exact.elbo(model, x).detach(), expected, rtol=0, atol=close)
    assert set(model.top.particles.flatten().tolist()) <= {0.0, 1.0}
    assert model.top.particles.std(0).sum() > 0
