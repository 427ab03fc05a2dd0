"""Maximum likelihood and order-agnostic training against what they estimate."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from torch import Tensor

from engine.estimators import build_estimator
from engine.evaluation.exact import all_bits
from engine.models import build_model
from engine.random import make_generator
from tests.engine.models.tractables import TRACTABLES, tiny


def flat(gradients: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([gradient.flatten() for gradient in gradients])


@pytest.mark.parametrize("name", TRACTABLES)
def test_maximum_likelihood_climbs_the_density(name):
    model = tiny(name, data_dim=5).train()
    x = all_bits(5, dtype=torch.float64)[::3]
    estimate = build_estimator("maximum-likelihood", model=model)(model, x)
    log_prob = model.log_prob(x)
    assert torch.equal(estimate.elbo, log_prob)
    assert not estimate.elbo.requires_grad
    parameters = list(model.parameters())
    torch.testing.assert_close(
        flat(torch.autograd.grad(-estimate.loss, parameters)),
        flat(torch.autograd.grad(log_prob.mean(), parameters)),
    )


def test_maximum_likelihood_sees_the_drop_out_of_a_model_in_training():
    model = tiny("nade", dropout=0.5).train()
    x = all_bits(7, dtype=torch.float64)
    estimate = build_estimator("maximum-likelihood", model=model)(
        model, x, generator=make_generator(0)
    )
    assert torch.equal(estimate.elbo, model.noisy_log_prob(x, generator=make_generator(0)))
    assert not torch.allclose(estimate.elbo, model.log_prob(x))


def every_ordering(model, x: Tensor) -> Tensor:
    """The mean over all orderings of log p(x | ordering), an item."""
    orders = [torch.tensor(order) for order in permutations(range(x.shape[1]))]
    return torch.stack([model.log_prob_ordered(x, order) for order in orders]).mean(0)


def test_order_agnostic_training_climbs_the_mean_over_all_orderings():
    model = tiny("eonade-2", data_dim=4)
    item = torch.tensor([[1.0, 0.0, 1.0, 1.0]], dtype=torch.float64)
    estimator = build_estimator("order-agnostic", model=model)
    parameters = list(model.parameters())
    expected = every_ordering(model, item)
    truth = flat(torch.autograd.grad(expected.sum(), parameters))
    # Items of one minibatch share a draw, so its spread is that between minibatches.
    values, gradients = [], []
    for seed in range(600):
        estimate = estimator(model, item.expand(8, -1), generator=make_generator(seed))
        values.append(estimate.elbo.mean())
        gradients.append(flat(torch.autograd.grad(-estimate.loss, parameters)))
    value, gradient = torch.stack(values), torch.stack(gradients)
    assert estimator.unbiased
    assert abs(value.mean() - expected.detach()) < 5 * value.std() / 600**0.5
    error = gradient.std(0) / 600**0.5
    assert ((gradient.mean(0) - truth).abs() < 5 * error + 1e-12).all()


def test_each_item_of_a_minibatch_is_estimated_without_bias():
    model = tiny("eonade-1", data_dim=3)
    x = all_bits(3, dtype=torch.float64)
    estimator = build_estimator("order-agnostic", model=model)
    draws = torch.stack(
        [estimator(model, x, generator=make_generator(seed)).elbo for seed in range(2000)]
    )
    error = draws.std(0) / 2000**0.5
    assert ((draws.mean(0) - every_ordering(model, x).detach()).abs() < 5 * error).all()


def test_the_mean_over_orderings_lies_below_their_mixture():
    model = tiny("eonade-2", data_dim=4, orderings=24)
    x = all_bits(4, dtype=torch.float64)
    orders = torch.stack([model.log_prob_ordered(x, model.ordering(i)) for i in range(24)])
    assert (orders.mean(0) < model.log_prob(x)).all()


def test_estimators_refuse_models_of_another_kind():
    vae = build_model("vae", data_dim=4)
    with pytest.raises(ValueError, match="kind 'tractable'; VAE is of the kind 'latent'"):
        build_estimator("maximum-likelihood", model=vae)
    with pytest.raises(ValueError, match="kind 'latent'; NADE is of the kind 'tractable'"):
        build_estimator("sgvb-b", model=tiny("nade"))
    with pytest.raises(ValueError, match="OrderAgnostic needs an EoNADE; got NADE"):
        build_estimator("order-agnostic", model=tiny("nade"))
