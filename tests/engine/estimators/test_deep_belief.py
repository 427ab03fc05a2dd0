"""Training of deep belief networks against gradients by enumeration."""

from __future__ import annotations

import math

import pytest
import torch

from engine.bits import all_bits
from engine.estimators import build_estimator
from engine.evaluation import exact
from engine.random import make_generator
from tests.engine.models.machines import tiny_dbn


def data():
    return all_bits(4, dtype=torch.float64)[[1, 3, 3, 6, 12]]


def draws(model, estimator, rounds):
    """Gradients of the objective by name, each ``(rounds, entries)``, at frozen weights."""
    generator = make_generator(0)
    named = dict(model.named_parameters())
    found = {name: [] for name in named}
    for _ in range(rounds):
        loss = estimator(model, data(), generator=generator).loss
        gradients = torch.autograd.grad(-loss, list(named.values()), allow_unused=True)
        for name, gradient in zip(named, gradients, strict=True):
            found[name].append(None if gradient is None else gradient.flatten())
    return found


def exact_elbo(model):
    """The ELBO with log Z as the function of the weights that it is."""
    return (
        exact.elbo(model, data()).mean() + model.top.log_partition - model.top.log_partition_exact()
    )


def test_greedy_training_climbs_the_bound_in_the_machine_on_top_alone():
    model = tiny_dbn()
    estimator = build_estimator("greedy", model=model, steps=25, centring=False).double()
    found = draws(model, estimator, 500)
    named = dict(model.named_parameters())
    expected = torch.autograd.grad(exact_elbo(model), list(named.values()))
    for (name, gradients), truth in zip(found.items(), expected, strict=True):
        if not name.startswith("top."):
            assert gradients == [None] * 500, name
            continue
        values = torch.stack(gradients[10:])
        error = values.std(0) / math.sqrt(len(values))
        assert ((values.mean(0) - truth.flatten()).abs() < 4.5 * error).all(), name


@pytest.mark.parametrize("samples", [2])
def test_joint_training_climbs_the_bound_in_every_weight(samples):
    model = tiny_dbn()
    options = {"samples": samples, "steps": 25, "centring": False}
    estimator = build_estimator("joint", model=model, **options).double()
    found = draws(model, estimator, 1500)

    x, every = data(), all_bits(3, dtype=torch.float64)
    first, second = torch.cartesian_prod(torch.arange(8), torch.arange(8)).T
    table = exact.log_joint_table(model, x) + model.top.log_partition
    table = table - model.top.log_partition_exact()
    log_q = model.recognition(x).log_prob(every[:, None].expand(-1, len(x), -1))
    weights = table - log_q
    bound = torch.logaddexp(weights[first], weights[second]) - math.log(2)
    objective = ((log_q[first] + log_q[second]).exp() * bound).sum(0).mean()
    named = dict(model.named_parameters())
    expected = torch.autograd.grad(objective, list(named.values()))
    for (name, gradients), truth in zip(found.items(), expected, strict=True):
        values = torch.stack(gradients[10:])
        error = values.std(0) / math.sqrt(len(values))
        assert ((values.mean(0) - truth.flatten()).abs() < 4.5 * error).all(), name


def test_greedy_training_keeps_the_mean_of_the_first_layer():
    model = tiny_dbn()
    estimator = build_estimator("greedy", model=model).double()
    generator = make_generator(0)
    for _ in range(1000):
        estimator(model, data(), generator=generator)
    expected = model.recognition(data()).mean.mean(0).detach()
    torch.testing.assert_close(model.top.data_mean, expected, rtol=0, atol=0.1)
