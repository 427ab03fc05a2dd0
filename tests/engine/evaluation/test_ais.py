"""Annealed importance sampling beside grids, closed forms and itself from the other side."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from engine.evaluation.ais import anneal, bidirectional, sigmoid_schedule, trajectories
from engine.evaluation.grid import grid_posterior
from engine.evaluation.importance import k_curve
from engine.random import make_generator
from tests.engine.evaluation.closed_form import linear_gaussian
from tests.engine.models import tiny


def truth(model, x: Tensor) -> Tensor:
    """log p of every row of `x` by the grid."""
    return torch.tensor([grid_posterior(model, item).log_marginal for item in x])


def test_a_schedule_rises_from_zero_to_one_and_is_dense_at_both_ends() -> None:
    betas = sigmoid_schedule(100)
    assert betas.shape == (101,)
    assert (betas[0], betas[-1]) == (0, 1)
    steps = betas.diff()
    assert bool((steps > 0).all())
    torch.testing.assert_close(steps, steps.flip(0))
    assert float(steps[50] / steps[0]) > 10
    # Eq. 8 of the paper, by hand
    sigmoid = [1 / (1 + math.exp(-4 * (2 * t / 100 - 1))) for t in (0, 30, 100)]
    expected = (sigmoid[1] - sigmoid[0]) / (sigmoid[2] - sigmoid[0])
    assert float(betas[30]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["vae", "dlgm-1-rank-one"])
def test_annealing_agrees_with_the_grid_within_its_errors(name: str) -> None:
    model = tiny.build(name, scale=1.5, activation="tanh")
    x = tiny.all_data(model)
    found = anneal(
        model, x, chains=200, temperatures=60, leapfrog_steps=4, generator=make_generator(0)
    )
    off = (found.estimate - truth(model, x)) / found.standard_error
    print(f"{name}: worst {float(off.abs().max()):.1f} s.e. of {found.standard_error.mean():.4f}")
    assert bool((off.abs() < 3.5).all())
    assert float(found.standard_error.max()) < 0.08
    assert bool(((found.acceptance > 0.5) & (found.acceptance < 0.99)).all())


def test_a_narrow_posterior_of_a_closed_form_is_found_where_the_prior_would_not() -> None:
    model, x, known = linear_gaussian(2, 0.1)
    found = anneal(model, x[None], chains=100, temperatures=300, generator=make_generator(0))
    assert abs(float(found.estimate) - known.log_marginal) < 3 * float(found.standard_error)
    assert float(found.standard_error) < 0.2
    plain = anneal(model, x[None], chains=100, temperatures=1, generator=make_generator(0))
    assert float(plain.estimate) < known.log_marginal - 1  # importance sampling from the prior


def test_the_mean_weight_is_p_x_though_the_steps_are_coarse() -> None:
    # Unbiased at any schedule: 40 000 chains of four temperatures.
    model = tiny.build("vae", scale=1.5)
    x = tiny.all_data(model)[[1, 6]]
    found = anneal(
        model, x, chains=40_000, temperatures=4, leapfrog_steps=2, generator=make_generator(3)
    )
    off = (found.estimate - truth(model, x)) / found.standard_error
    assert bool((off.abs() < 3.5).all())
    assert float(found.standard_error.max()) < 0.02


def test_bounds_from_both_sides_hold_the_truth_between_them() -> None:
    model = tiny.build("vae", scale=2.0, activation="tanh")
    found = bidirectional(
        model, 150, chains=4, temperatures=3, leapfrog_steps=2, generator=make_generator(1)
    )
    exact = truth(model, found.x)
    below, above = exact - found.lower.estimate, found.upper.estimate - exact
    for name, side in (("lower", below), ("upper", above)):
        error = float(side.std()) / math.sqrt(len(side))
        print(f"{name}: off by {float(side.mean()):.3f} ± {error:.3f}")
        assert float(side.mean()) > 3 * error  # so short a schedule leaves a gap on both sides
    assert float(found.gap.mean()) == pytest.approx(float((below + above).mean()))


def test_more_temperatures_bring_the_bounds_together() -> None:
    model = tiny.build("vae", scale=2.0, activation="tanh")
    gaps = [
        float(
            bidirectional(
                model,
                40,
                chains=4,
                temperatures=temperatures,
                leapfrog_steps=3,
                generator=make_generator(2),
            ).gap.mean()
        )
        for temperatures in (3, 12, 100)
    ]
    print("gaps: " + ", ".join(f"{gap:.4f}" for gap in gaps))
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2] > 0
    assert gaps[2] < 0.05


def test_reverse_weights_have_the_mean_of_one_over_p_x() -> None:
    model, x, known = linear_gaussian(1, 0.7)
    count = 2000  # the same item over and over, each from an exact draw of its own
    scale = known.covariance.sqrt()
    noise = torch.randn(count, 1, dtype=torch.float64, generator=make_generator(5))
    posterior = known.mean + noise * scale
    found = anneal(
        model,
        x.expand(count, -1),
        chains=1,
        temperatures=5,
        leapfrog_steps=3,
        posterior=posterior,
        generator=make_generator(6),
    )
    assert found.reverse
    relative = (found.log_weights[0] + known.log_marginal).exp()
    error = float(relative.std()) / math.sqrt(count)
    assert abs(float(relative.mean()) - 1) < 3.5 * error
    assert error < 0.05


def test_the_observed_pixels_alone_have_the_marginal_of_the_closed_form() -> None:
    model, x, _ = linear_gaussian(2, 0.5)
    observed = torch.tensor([True, False, True, False])
    covariance = (model.loadings @ model.loadings.T).detach() + 0.25 * torch.eye(4).double()
    part = torch.distributions.MultivariateNormal(
        torch.zeros(2).double(), covariance[observed][:, observed]
    )
    hidden = x.where(observed, torch.nan)
    found = anneal(
        model,
        hidden[None].nan_to_num(99.0),
        chains=200,
        temperatures=30,
        observed=observed[None],
        generator=make_generator(0),
    )
    off = float(found.estimate) - float(part.log_prob(x[observed]))
    assert abs(off) < 3 * float(found.standard_error)


def test_standard_errors_are_the_spread_over_repeated_runs() -> None:
    model, x, _ = linear_gaussian(2, 0.5)
    runs = [
        anneal(
            model,
            x[None],
            chains=50,
            temperatures=10,
            leapfrog_steps=3,
            generator=make_generator(seed),
        )
        for seed in range(40)
    ]
    spread = float(torch.cat([run.estimate for run in runs]).std())
    claimed = float(torch.cat([run.standard_error for run in runs]).square().mean().sqrt())
    assert abs(math.log(spread / claimed)) < math.log(1.4)


def test_annealing_sees_what_a_poor_recognition_hides() -> None:
    model, x, known = linear_gaussian(2, 0.1)
    model.shift, model.wider = 6.0, 0.5
    bound = k_curve(model, x, (1000,), repetitions=4, generator=make_generator(0)).bound[0]
    found = anneal(model, x[None], chains=32, temperatures=100, generator=make_generator(0))
    assert float(bound) < known.log_marginal - 1
    assert abs(float(found.estimate) - known.log_marginal) < 0.6


def test_chunks_of_items_are_put_together_and_progress_is_whole(monkeypatch) -> None:
    model = tiny.build("vae")
    x = tiny.all_data(model)
    monkeypatch.setattr("engine.evaluation.ais.CHUNK_ROWS", 12)
    seen: list[int] = []
    found = anneal(
        model,
        x,
        chains=4,
        temperatures=20,
        leapfrog_steps=2,
        generator=make_generator(0),
        progress=seen.append,
    )
    assert found.estimate.shape == found.standard_error.shape == found.acceptance.shape == (8,)
    assert sum(seen) == trajectories(8, chains=4, temperatures=20)
    assert float((found.estimate - truth(model, x)).abs().max()) < 0.3


def test_bad_arguments_are_refused() -> None:
    model, x = tiny.build("vae"), torch.zeros(2, 3, dtype=torch.float64)
    generator = make_generator(0)
    with pytest.raises(ValueError, match=r"must have Gaussian latents.* of SBN are bernoulli"):
        anneal(tiny.build("sbn-1"), torch.zeros(1, 4).double(), generator=generator)
    with pytest.raises(ValueError, match="must have Gaussian latents"):
        bidirectional(tiny.build("sbn-1"), 2, generator=generator)
    with pytest.raises(ValueError, match=r"`x` must be \(items, 3\).* got \(2, 4\)"):
        anneal(model, torch.zeros(2, 4), generator=generator)
    with pytest.raises(ValueError, match=r"`posterior` must be \(2, 2\); got \(3, 2\)"):
        anneal(model, x, posterior=torch.zeros(3, 2).double(), generator=generator)
    with pytest.raises(ValueError, match=r"`observed` must be bool and \(2, 3\)"):
        anneal(model, x, observed=torch.ones(2, 3), generator=generator)
    for name in ("chains", "temperatures", "leapfrog_steps"):
        with pytest.raises(ValueError, match=f"`{name}` must be a whole number, at least 1"):
            anneal(model, x, generator=generator, **{name: 0})
