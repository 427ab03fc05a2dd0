"""log Z by annealing: unbiased for Z, below and above, and right on machines with a known Z."""

from __future__ import annotations

import math

import pytest
import torch

from engine.bits import all_bits
from engine.evaluation.partition import anneal_partition, schedule, settle
from engine.models import build_model
from engine.random import make_generator
from tests.engine.models.machines import tiny_rbm


def exact_draws(model, count, generator):
    every = all_bits(model.data_dim, dtype=torch.float64)
    probs = (-model.free_energy(every)).softmax(0).detach()
    return every[torch.multinomial(probs, count, replacement=True, generator=generator)]


def start(model, reverse, chains, generator):
    return exact_draws(model, chains, generator) if reverse else None


@pytest.mark.parametrize("temperatures", [1, 2, 5])
@pytest.mark.parametrize("reverse", [False, True])
def test_the_mean_weight_is_z_or_one_over_z_however_few_the_temperatures(temperatures, reverse):
    model, generator = tiny_rbm(scale=0.6), make_generator(temperatures)
    chains = 50_000
    found = anneal_partition(
        model,
        chains=chains,
        temperatures=temperatures,
        start=start(model, reverse, chains, generator),
        generator=generator,
    )
    sign = 1 if reverse else -1
    relative = (found.log_weights + sign * model.log_partition_exact().detach()).exp()
    error = float(relative.std()) / math.sqrt(chains)
    assert abs(float(relative.mean()) - 1) < 5 * error
    assert error < 0.05


def test_few_chains_err_below_and_reverse_ones_above():
    model, generator = tiny_rbm(6, 5, scale=1.5), make_generator(0)
    exact = float(model.log_partition_exact().detach())
    for reverse, sign in ((False, -1), (True, 1)):
        errors = torch.tensor(
            [
                anneal_partition(
                    model,
                    chains=2,
                    temperatures=2,
                    start=start(model, reverse, 2, generator),
                    generator=generator,
                ).estimate
                - exact
                for _ in range(300)
            ]
        )
        assert sign * float(errors.mean()) > 5 * float(errors.std()) / math.sqrt(300)


def test_twenty_hidden_units_are_sandwiched_within_their_standard_errors():
    model = tiny_rbm(30, 20, scale=0.3, particles=100)
    generator = make_generator(0)
    exact = float(model.log_partition_exact().detach())
    below = anneal_partition(model, temperatures=500, generator=generator)
    draws = model.sample(100, generator=generator, sweeps=500)
    above = anneal_partition(model, temperatures=500, start=draws, generator=generator)
    assert below.standard_error < 0.1
    assert above.standard_error < 0.1
    assert abs(below.estimate - exact) < 5 * below.standard_error
    assert abs(above.estimate - exact) < 5 * above.standard_error


def test_a_machine_without_couplings_needs_no_annealing():
    model = build_model("rbm", data_dim=6, hidden=4)
    model.set_data_mean(torch.linspace(0.1, 0.9, 6))
    with torch.no_grad():
        model.weight.zero_()
    found = anneal_partition(model, chains=3, temperatures=4, generator=make_generator(0))
    assert found.standard_error < 1e-6
    assert abs(found.estimate - float(model.log_partition_exact().detach())) < 1e-5


def test_the_schedule_is_that_of_the_paper():
    betas = schedule(14_500)
    assert len(betas) == 14_501
    assert (betas.diff() > 0).all()
    assert [float(betas[i]) for i in (0, 500, 4500, 14_500)] == pytest.approx([0, 0.5, 0.9, 1])
    for count in (1, 2, 7, 1000):
        short = schedule(count)
        assert (short[0], short[-1]) == (0, 1)
        assert (short.diff() > 0).all()


def test_settling_leaves_the_estimate_in_the_model_and_latent_models_alone():
    model = tiny_rbm()
    found = settle(model, chains=500, temperatures=200, generator=make_generator(0))
    assert float(model.log_partition) == pytest.approx(found.estimate)
    every = all_bits(model.data_dim, dtype=torch.float64)
    total = float(model.log_prob(every).exp().sum().detach())
    assert abs(total - 1) < 5 * found.standard_error
    vae = build_model("vae", data_dim=3, latent_dim=2, hidden=(4,))
    assert settle(vae, generator=make_generator(0)) is None


def test_progress_counts_every_sweep():
    counted = []
    anneal_partition(
        tiny_rbm(), chains=3, temperatures=5, generator=make_generator(0), progress=counted.append
    )
    assert sum(counted) == 3 * 4


def test_wrong_arguments_are_refused():
    model, generator = tiny_rbm(), make_generator(0)
    with pytest.raises(ValueError, match="`chains` must be a whole number"):
        anneal_partition(model, chains=0, generator=generator)
    with pytest.raises(ValueError, match="`temperatures` must be a whole number"):
        anneal_partition(model, temperatures=0, generator=generator)
    with pytest.raises(ValueError, match=r"`start` must be \(2, 4\); got \(3, 4\)"):
        anneal_partition(model, chains=2, start=torch.zeros(3, 4), generator=generator)
