"""Weighted draws against enumeration, quadrature and closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from engine.evaluation import exact
from engine.evaluation.grid import grid_posterior
from engine.evaluation.importance import (
    CHUNK_ROWS,
    bounds_of_weights,
    draw,
    importance_posterior,
    k_curve,
)
from engine.random import make_generator
from tests.engine.evaluation.closed_form import linear_gaussian
from tests.engine.models import tiny


def test_the_curve_rises_from_the_elbo_to_log_p() -> None:
    model, x, truth = linear_gaussian(2, 0.5)
    ks = (1, 10, 100, 1000)
    curve = k_curve(model, x, ks, repetitions=20, generator=make_generator(0))
    assert curve.ks == ks
    assert (curve.bound.diff() > 0).all()  # each K divides the next: always
    assert abs(curve.bound[0] - truth.elbo) < 4 * curve.standard_error[0]
    gap = truth.log_marginal - curve.bound
    assert (gap > -4 * curve.standard_error).all()
    assert gap[0] > 0.3
    assert gap[-1] < 0.01


@pytest.mark.parametrize("name", ["sbn-2", "vae"])
@torch.no_grad()
def test_two_samples_have_the_bound_of_its_definition(name: str) -> None:
    # E log((w_1 + w_2) / 2), from pairs drawn for it alone.
    model = tiny.build(name)
    x = tiny.all_data(model)[2:3]
    curve = k_curve(model, x, (1, 2), repetitions=20_000, generator=make_generator(0))
    q = model.recognition(x)
    pairs = q.sample((20_000, 2), generator=make_generator(1))[:, :, 0]
    log_weights = model.log_joint(x, pairs) - q.log_prob(pairs)
    values = log_weights.logsumexp(1) - math.log(2)
    error = math.hypot(float(values.std()) / 20_000**0.5, float(curve.standard_error[1]))
    assert abs(float(values.mean() - curve.bound[1])) < 4 * error
    assert float(curve.bound[1] - curve.bound[0]) > 10 * error  # not those of one sample


def test_bounds_are_means_over_groups_with_the_spread_of_the_groups() -> None:
    weights = torch.randn(3, 10, generator=make_generator(0)).double()
    curve = bounds_of_weights(weights, [1, 4, 10])
    groups = [row[start : start + 4] for row in weights for start in (0, 4)]
    values = torch.stack([group.exp().mean().log() for group in groups])
    torch.testing.assert_close(curve.bound[1], values.mean())
    torch.testing.assert_close(curve.standard_error[1], values.std() / 6**0.5)
    torch.testing.assert_close(curve.bound[0], weights.mean())
    torch.testing.assert_close(curve.bound[2], weights.exp().mean(1).log().mean())


def test_standard_errors_are_the_spread_over_repeated_measurements() -> None:
    model, x, _ = linear_gaussian(2, 0.5)
    runs = [
        k_curve(model, x, (1, 20), repetitions=10, generator=make_generator(seed))
        for seed in range(60)
    ]
    spread = torch.stack([run.bound for run in runs]).std(0)
    claimed = torch.stack([run.standard_error for run in runs]).square().mean(0).sqrt()
    assert ((spread / claimed).log().abs() < math.log(1.4)).all()


def test_chunks_change_no_draw_and_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x, _ = linear_gaussian(2, 0.5)
    q = model.recognition(x[None])
    whole = draw(model, x[None], q, 100, generator=make_generator(0))
    monkeypatch.setattr("engine.evaluation.importance.CHUNK_ROWS", 30)
    seen: list[int] = []
    parts = draw(model, x[None], q, 100, generator=make_generator(0), progress=seen.append)
    assert seen == [30, 30, 30, 10]
    assert CHUNK_ROWS > 100
    assert parts.z.shape == whole.z.shape
    torch.testing.assert_close(
        parts.log_joint - parts.log_densities[0],
        (model.log_joint(x, parts.z[:, None]) - q.log_prob(parts.z[:, None]))[:, 0].detach(),
    )


@pytest.mark.parametrize("name", ["sbn-1", "sbn-2", "sbn-3"])
@torch.no_grad()
def test_unit_probabilities_are_those_of_enumeration(name: str) -> None:
    model = tiny.build(name)
    x = tiny.all_data(model)[1:2]
    found = importance_posterior(model, x, 50_000, generator=make_generator(0))
    states = exact.all_bits(sum(model.layer_sizes), dtype=torch.float64)
    expected = exact.posterior(model, x)[:, 0] @ states
    assert ((found.mean - expected).abs() < 4 * found.standard_error).all()
    assert found.standard_error.max() < 0.02
    variances = found.mean * (1 - found.mean)
    torch.testing.assert_close(found.covariance.diagonal(), variances)


def test_gaussian_moments_are_those_of_the_closed_form_and_of_the_grid() -> None:
    model, x, truth = linear_gaussian(2, 0.5)
    found = importance_posterior(model, x, 100_000, generator=make_generator(0))
    off_centre = (model.recognition(x[None]).mean[0] - truth.mean).abs()
    assert ((found.mean - truth.mean).abs() < 4 * found.standard_error).all()
    assert (off_centre > 20 * found.standard_error).all()
    torch.testing.assert_close(found.covariance, truth.covariance, rtol=0.05, atol=0)
    torch.testing.assert_close(
        found.covariance, grid_posterior(model, x).covariance, rtol=0.05, atol=0
    )


def test_the_effective_size_is_all_draws_for_the_posterior_and_few_for_a_wrong_q() -> None:
    model, x, _ = linear_gaussian(1, 0.5)
    for shift, wider, low, high in [(0, 1, 999.9, 1000.1), (0.3, 1.5, 300, 900), (8, 1, 1, 20)]:
        model.shift, model.wider = shift, wider
        found = importance_posterior(model, x, 1000, generator=make_generator(0))
        assert low < found.ess < high
        assert found.samples == 1000


def test_bad_arguments_are_refused() -> None:
    model, x, _ = linear_gaussian(2, 0.5)
    with pytest.raises(ValueError, match=r"`x` must be one item of 4 pixels; got \(2, 4\)"):
        k_curve(model, x.expand(2, -1), generator=make_generator(0))
    with pytest.raises(ValueError, match="`ks` must list at least one"):
        k_curve(model, x, (), generator=make_generator(0))
    with pytest.raises(ValueError, match="`ks` must be a whole number, at least 1; got 0"):
        k_curve(model, x, (1, 0), generator=make_generator(0))
    with pytest.raises(ValueError, match="`repetitions` must be a whole number, at least 2"):
        k_curve(model, x, repetitions=1, generator=make_generator(0))
    with pytest.raises(ValueError, match="`samples` must be a whole number, at least 1; got 0"):
        importance_posterior(model, x, 0, generator=make_generator(0))
