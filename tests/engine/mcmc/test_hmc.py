"""HMC on Gaussians whose moments are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from engine.mcmc.hmc import HMC, DualAveraging, warm_up
from engine.random import Recorder, Replay, draw_plan, make_generator

MEAN = torch.tensor([1.0, -2.0], dtype=torch.float64)
COVARIANCE = torch.tensor([[2.0, 0.6], [0.6, 0.5]], dtype=torch.float64)
PRECISION = COVARIANCE.inverse()


def gaussian(z: Tensor) -> Tensor:
    apart = z - MEAN
    return -0.5 * ((apart @ PRECISION) * apart).sum(-1)


def quartic(z: Tensor) -> Tensor:
    return -z.square().square().sum(-1)


def starts(chains: int, seed: int = 0) -> Tensor:
    return torch.randn(chains, 2, dtype=torch.float64, generator=make_generator(seed))


def test_long_chains_have_the_moments_of_the_target() -> None:
    kernel, generator, chains = HMC(gaussian, leapfrog_steps=5), make_generator(1), 4000
    state = kernel.init(5 * starts(chains))
    for _ in range(60):  # each chain gives one draw: the draws are independent
        state = kernel.step(state, 0.5, generator=generator)
    z = state.position
    covariance = torch.cov(z.T)
    error = (COVARIANCE.diagonal() / chains).sqrt()
    assert bool(((z.mean(0) - MEAN).abs() < 5 * error).all())
    # Var of a sample covariance of Gaussians: (S_ii S_jj + S_ij^2) / n
    spread = COVARIANCE.diagonal()[:, None] * COVARIANCE.diagonal() + COVARIANCE.square()
    assert bool(((covariance - COVARIANCE).abs() < 5 * (spread / chains).sqrt()).all())
    assert state.step == 60


def test_a_step_leaves_the_target_as_it_is_though_its_steps_are_coarse() -> None:
    kernel, chains = HMC(quartic, leapfrog_steps=3), 100_000
    exact = quartic_draws(chains)
    state = kernel.step(kernel.init(exact), 0.55, generator=make_generator(2))
    rejected = float((~state.accepted).double().mean())
    assert 0.1 < rejected < 0.6  # so that the test decides what comes out
    for moment in (2, 4):
        before, after = exact.pow(moment), state.position.pow(moment)
        truth = math.gamma((moment + 1) / 4) / math.gamma(1 / 4)
        error = float(after.std()) / math.sqrt(after.numel())
        assert abs(float(after.mean()) - truth) < 5 * error
        assert abs(float(before.mean()) - truth) < 5 * error


def quartic_draws(chains: int) -> Tensor:
    """Exact draws of exp(-z^4): z^4 is a gamma variable of shape 1/4, by the inverse of its cdf."""
    grid = torch.linspace(-3, 3, 200_001, dtype=torch.float64)
    cumulative = torch.cumsum(torch.exp(-grid.pow(4)), 0)
    cumulative = cumulative / cumulative[-1]
    u = torch.rand(chains, 2, dtype=torch.float64, generator=make_generator(5))
    return grid[torch.searchsorted(cumulative, u).clamp(max=len(grid) - 1)]


def test_a_trajectory_leads_back_when_its_momentum_is_turned_round() -> None:
    kernel = HMC(quartic, leapfrog_steps=17)
    state, momentum = kernel.init(starts(50)), starts(50, seed=9)
    there = kernel.leapfrog(state.position, momentum, state.gradient, 0.1)
    assert float((there[0] - state.position).abs().min()) > 1e-6
    back = kernel.leapfrog(there[0], -there[1], there[3], 0.1)
    assert torch.allclose(back[0], state.position, atol=1e-9)
    assert torch.allclose(-back[1], momentum, atol=1e-9)


def test_the_energy_error_falls_with_the_square_of_the_step() -> None:
    errors = []
    for steps, size in ((10, 0.1), (20, 0.05), (40, 0.025)):
        kernel = HMC(quartic, leapfrog_steps=steps)
        state, momentum = kernel.init(starts(200)), starts(200, seed=9)
        end = kernel.leapfrog(state.position, momentum, state.gradient, size)
        energy = end[2] - 0.5 * end[1].square().sum(-1)
        before = state.log_density - 0.5 * momentum.square().sum(-1)
        errors.append(float((energy - before).abs().mean()))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.15)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.15)


@pytest.mark.parametrize(("target", "guess"), [(0.65, 1e-3), (0.9, 5.0)])
def test_the_step_size_is_tuned_to_the_target_acceptance(target, guess) -> None:
    kernel, generator = HMC(quartic, leapfrog_steps=3), make_generator(3)
    state, size = warm_up(
        kernel,
        kernel.init(starts(200)),
        steps=150,
        step_size=guess,
        target=target,
        generator=generator,
    )
    rates = []
    for _ in range(50):
        state = kernel.step(state, size, generator=generator)
        rates.append(float(state.acceptance.mean()))
    assert sum(rates) / len(rates) == pytest.approx(target, abs=0.05)


def test_each_chain_may_have_a_step_size_of_its_own() -> None:
    kernel = HMC(gaussian, leapfrog_steps=4)
    state = kernel.init(starts(2))
    sizes = torch.tensor([0.3, 0.0], dtype=torch.float64)
    moved = kernel.step(state, sizes, generator=make_generator(0))
    assert not torch.equal(moved.position[0], state.position[0])
    assert torch.equal(moved.position[1], state.position[1])
    alone = kernel.step(state, 0.3, generator=make_generator(0))
    assert torch.equal(alone.position[0], moved.position[0])


def test_a_trajectory_that_leaves_the_numbers_is_rejected_and_the_chain_stays() -> None:
    kernel = HMC(quartic)
    state = kernel.init(starts(30))
    for size in (1e3, 1e200):  # to infinity, and to infinity less infinity
        after = kernel.step(state, size, generator=make_generator(0))
        assert not bool(after.accepted.any())
        assert torch.equal(after.position, state.position)
        assert float(after.acceptance.max()) == 0


def test_a_state_carries_density_and_gradient_of_where_it_is() -> None:
    kernel, generator = HMC(gaussian), make_generator(4)
    state = kernel.init(starts(6).reshape(2, 3, 2))
    for _ in range(5):
        state = kernel.step(state, 0.9, generator=generator)
        assert torch.allclose(state.log_density, gaussian(state.position))
        assert torch.allclose(state.gradient, -(state.position - MEAN) @ PRECISION)
        assert state.acceptance.shape == state.accepted.shape == (2, 3)


def test_replayed_draws_and_vmap_give_the_same_chain() -> None:
    kernel, state = HMC(gaussian), HMC(gaussian).init(starts(3))
    recorder = Recorder(make_generator(6))
    expected = kernel.step(state, 0.4, generator=recorder).position
    noise = draw_plan(recorder.plan, make_generator(6), dtype=torch.float64)

    def one(*draws: Tensor) -> Tensor:
        return kernel.step(state, 0.4, generator=Replay(draws)).position

    assert torch.equal(one(*noise), expected)
    mapped = torch.func.vmap(one)(*(torch.stack([draw, draw]) for draw in noise))
    assert torch.allclose(mapped, torch.stack([expected, expected]))


def test_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`leapfrog_steps` must be .*got 0"):
        HMC(gaussian, leapfrog_steps=0)
    with pytest.raises(ValueError, match=r"`target` must lie between 0 and 1; got 1"):
        DualAveraging(target=1.0)
    with pytest.raises(ValueError, match=r"`step_size` must be positive; got -1"):
        DualAveraging().init(-1.0)
    with pytest.raises(ValueError, match=r"`steps` must be .*got 0"):
        warm_up(HMC(gaussian), HMC(gaussian).init(starts(2)), steps=0)
