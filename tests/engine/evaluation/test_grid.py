"""Grids and exact conditionals beside closed forms and plain sums."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.evaluation.conditional import MAX_MISSING, exact_conditional
from engine.evaluation.exact import all_bits
from engine.evaluation.grid import RESOLVED, grid_posterior, prior_grid
from engine.models import LatentVariableModel, build_model
from engine.random import make_generator
from tests.engine.evaluation.closed_form import linear_gaussian
from tests.engine.models import tiny

ON_A_GRID = sorted(name for name in tiny.GAUSSIANS if not name.startswith("dlgm-2"))


def smooth(name: str) -> LatentVariableModel:
    """Without the kinks of relu, on which no rule of quadrature is exact."""
    return tiny.build(name, **({"activation": "tanh"} if name in tiny.GAUSSIANS else {}))


@pytest.mark.parametrize("name", ON_A_GRID)
@torch.no_grad()
def test_log_marginals_and_moments_agree_with_quadrature(name: str) -> None:
    model = smooth(name)
    z, log_weights = tiny.quadrature(2)
    for x in tiny.all_data(model):
        found = grid_posterior(model, x)
        log_joint = model.log_joint(x[None], z[:, None])[:, 0] + log_weights
        probs = log_joint.softmax(0)
        mean = probs @ z
        centred = z - mean
        assert found.log_marginal == pytest.approx(float(log_joint.logsumexp(0)), abs=1e-6)
        assert found.error < 1e-6
        torch.testing.assert_close(found.mean, mean, atol=1e-6, rtol=0)
        torch.testing.assert_close(
            found.covariance, (centred * probs[:, None]).T @ centred, atol=1e-5, rtol=0
        )


@pytest.mark.parametrize("name", ["dlgm-2-diagonal", "dlgm-2-rank-one"])
@torch.no_grad()
def test_three_latents_agree_with_quadrature_as_well(name: str) -> None:
    model = smooth(name)
    for x in tiny.all_data(model)[[2, 7]]:
        found = grid_posterior(model, x)
        assert found.log_density.shape == (41, 41, 41)
        expected = float(tiny.marginal(model, x[None]))
        assert found.log_marginal == pytest.approx(expected, abs=1e-3)
        assert found.error < RESOLVED


@pytest.mark.parametrize("scale", [1.0, 0.1, 0.01])
def test_a_narrow_posterior_of_three_latents_is_found(scale: float) -> None:
    model, x, truth = linear_gaussian(3, scale)
    found = grid_posterior(model, x)
    assert found.error < RESOLVED
    assert found.log_marginal == pytest.approx(truth.log_marginal, abs=RESOLVED)


@pytest.mark.parametrize("scale", [1.0, 0.1, 0.01, 0.002])
@pytest.mark.parametrize("latents", [1, 2])
def test_a_posterior_however_narrow_is_found(scale: float, latents: int) -> None:
    model, x, truth = linear_gaussian(latents, scale)
    found = grid_posterior(model, x)
    assert found.log_marginal == pytest.approx(truth.log_marginal, abs=1e-5 / scale)
    assert found.error < 1e-3
    torch.testing.assert_close(found.mean, truth.mean, atol=1e-4 * scale**0.5, rtol=1e-3)
    torch.testing.assert_close(found.covariance, truth.covariance, atol=0, rtol=1e-2)
    assert ((found.peak - truth.mean) / truth.covariance.diagonal().sqrt()).abs().max() < 0.5


def test_an_error_that_is_small_is_to_be_believed_even_on_narrow_ridges() -> None:
    # Two latents that do nearly the same: ridges 30 times as long as wide, across the axes.
    believed = 0
    for seed in range(20):
        generator = make_generator(seed)
        one, other = torch.randn(2, 4, generator=generator, dtype=torch.float64)
        loadings = torch.stack([one, 0.7 * one + 0.16 * other], dim=1)
        model, x, truth = linear_gaussian(2, 0.005, loadings=loadings)
        found = grid_posterior(model, x)
        if found.error < RESOLVED:
            believed += 1
            assert found.log_marginal == pytest.approx(truth.log_marginal, abs=RESOLVED)
    assert believed > 10


@torch.no_grad()
def test_given_limits_are_kept_and_the_density_integrates_to_one_within_them() -> None:
    model = tiny.build("vae")
    x = tiny.all_data(model)[3]
    limits = [(-1.0, 1.0), (0.0, 3.0)]
    found = grid_posterior(model, x, limits=limits, size=51)
    assert [(float(axis[0]), float(axis[-1])) for axis in found.axes] == limits
    assert found.log_density.shape == (51, 51)
    cell = (2 / 50) * (3 / 50)
    assert float(found.log_density.exp().sum() * cell) == pytest.approx(1)
    point = torch.tensor([[float(found.axes[0][7]), float(found.axes[1][11])]]).double()
    expected = float(model.log_joint(x[None], point)) - found.log_marginal
    assert float(found.log_density[7, 11]) == pytest.approx(expected)
    assert found.log_marginal < grid_posterior(model, x).log_marginal - 0.1  # a part of it all


def test_a_grid_that_is_too_coarse_says_so() -> None:
    model, x, _ = linear_gaussian(2, 0.01)
    assert grid_posterior(model, x, limits=[(-4, 4), (-4, 4)], size=21).error > 0.1


def plain_conditional(model, x: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    """By the definition: log p of every whole picture that agrees, divided by their sum."""
    every = all_bits(model.data_dim, dtype=torch.float64)
    every = every[(every[:, observed] == x[observed]).all(-1)]
    return every, tiny.marginal(model, every).softmax(0)


@pytest.mark.parametrize("name", sorted(tiny.BITS) + ON_A_GRID)
@torch.no_grad()
def test_exact_conditionals_are_those_of_whole_pictures(name: str) -> None:
    model = smooth(name)
    x = tiny.all_data(model)[5]
    observed = torch.zeros(model.data_dim, dtype=torch.bool)
    observed[1] = True
    found = exact_conditional(model, x.where(observed, torch.nan), observed)
    completions, probabilities = plain_conditional(model, x, observed)
    assert torch.equal(found.completions, completions)
    torch.testing.assert_close(found.probabilities, probabilities, atol=1e-6, rtol=0)


def test_the_prior_grid_integrates_polynomials_of_the_prior() -> None:
    points, log_weights = prior_grid(tiny.build("vae"))
    weights = log_weights.exp()
    assert float(weights.sum()) == pytest.approx(1)
    torch.testing.assert_close(weights @ points, torch.zeros(2).double(), atol=1e-12, rtol=0)
    expected = torch.tensor([3.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(weights @ points**4, expected, atol=1e-5, rtol=0)


def test_what_has_no_grid_or_no_list_is_refused() -> None:
    x = torch.zeros(3, dtype=torch.float64)
    with pytest.raises(ValueError, match="one to 3 Gaussian latents for a grid; got 4 gaussian"):
        grid_posterior(tiny.build("vae", latent_dim=4), x)
    with pytest.raises(ValueError, match="one to 2 Gaussian latents for a grid; got 3 gaussian"):
        prior_grid(tiny.build("dlgm-2-diagonal"))
    with pytest.raises(ValueError, match="one to 3 Gaussian latents for a grid; got 5 bern"):
        grid_posterior(tiny.build("sbn-2"), x)
    model = tiny.build("vae")
    with pytest.raises(ValueError, match=r"`x` must be one item of 3 pixels; got \(2, 3\)"):
        grid_posterior(model, x.expand(2, -1))
    with pytest.raises(ValueError, match="`size` must be at least 3 points an axis; got 2"):
        grid_posterior(model, x, size=2)
    with pytest.raises(ValueError, match=r"`limits` must be 2 pairs \(low, high\)"):
        grid_posterior(model, x, limits=[(0, 1), (1, 1)])

    observed = torch.zeros(3, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"`x` and `observed` must be \(3,\); got \(1, 3\)"):
        exact_conditional(model, x[None], observed[None])
    with pytest.raises(ValueError, match=f"must miss 1 to {MAX_MISSING} pixels; got 0"):
        exact_conditional(model, x, ~observed)
    grey = build_model("vae", data_dim=3, latent_dim=2, likelihood="gaussian").double()
    with pytest.raises(ValueError, match="must have bits as pixels; its are gaussian"):
        exact_conditional(grey, x, observed)
