"""The quality of imputations beside sums over every completion."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from engine.distributions import DiagonalNormal
from engine.evaluation.completion_bound import PRIOR_SHARE, _mixture_draws, conditional_bound
from engine.evaluation.conditional import exact_conditional
from engine.evaluation.imputation import Accuracy, quality, summary
from engine.mcmc.tiny import TINY
from engine.random import make_generator
from tests.engine.evaluation.closed_form import linear_gaussian
from tests.engine.models import tiny


def expected(model, x: Tensor, observed: Tensor) -> dict[str, float]:
    """What a chain with the exact law would have, for one item."""
    law = exact_conditional(model, x, observed)
    missing = ~observed
    truth = (law.completions == x).all(-1).double() @ law.probabilities
    mean = (law.probabilities @ law.completions.double())[missing]
    hidden = x[missing].double()
    return {
        "log_conditional": float(truth.log()),
        "error": float(((mean > 0.5) != (hidden > 0.5)).double().mean()),
        "draw_error": float((mean - hidden).abs().mean()),
        "square": float((mean - hidden).square().mean()),
        "variance": float((mean * (1 - mean)).mean()),
    }


@pytest.mark.parametrize(
    ("name", "method"), [("bars", "ac-mwg"), ("bars", "metropolis-within-gibbs"), ("blob", "hmc")]
)
def test_every_number_is_that_of_the_exact_law(name: str, method: str) -> None:
    model, x, observed = TINY[name]()
    items = torch.stack([x.where(observed, 0), x.where(observed, 1)])
    found = quality(
        model,
        items,
        observed.expand(2, -1),
        method=method,
        chains=64,
        warm_up=50,
        transitions=300,
        samples=20_000,
        generator=make_generator(0),
    )
    for index, item in enumerate(items):
        for key, value in expected(model, item, observed).items():
            tolerance = 0.06 if key == "log_conditional" else 0.012
            assert float(getattr(found, key)[index]) == pytest.approx(value, abs=tolerance), key


def test_pseudo_gibbs_is_seen_to_be_off() -> None:
    model, x, observed = TINY["bars"]()
    item = x.where(observed, 1)
    found = quality(
        model,
        item[None],
        observed[None],
        method="pseudo-gibbs",
        chains=64,
        transitions=200,
        generator=make_generator(0),
    )
    assert abs(float(found.draw_error) - expected(model, item, observed)["draw_error"]) > 0.05


@pytest.mark.parametrize("name", ["sbn-2", "vae"])
def test_the_bound_of_the_observed_pixels_is_near_their_log_probability(name: str) -> None:
    model = tiny.build(name)
    x = tiny.all_data(model)
    observed = torch.tensor([True, False, True]).expand(8, -1)
    every = tiny.marginal(model, x).detach()
    # The two completions of an item differ in the second bit.
    order = torch.arange(8)
    log_seen = torch.logaddexp(every, every[order ^ 2])
    bad = torch.rand(3, 8, 3, generator=make_generator(0), dtype=torch.float64).round()
    guides = torch.where(observed, x, bad)
    found = conditional_bound(
        model, x, observed, guides, samples=50_000, generator=make_generator(1)
    )
    torch.testing.assert_close(found, log_seen, atol=0.06, rtol=0)
    # Of few samples it lies below, on average over many runs: it is a bound.
    many = conditional_bound(
        model,
        x[:1].expand(4000, -1),
        observed[:1].expand(4000, -1),
        guides[:, :1].expand(-1, 4000, -1),
        samples=2,
        generator=make_generator(2),
    )
    error = float(many.std()) / math.sqrt(len(many))
    assert float(many.mean()) < float(log_seen[0]) - 4 * error
    # ... and unbiased before the logarithm.
    weights = (many - log_seen[0]).exp()
    assert abs(float(weights.mean()) - 1) < 4 * float(weights.std()) / math.sqrt(len(weights))


def test_the_mixture_is_drawn_from_in_the_shares_of_its_density() -> None:
    # Components so far apart that a draw tells which it came from.
    apart = [DiagonalNormal(torch.full((2, 1), 100.0 * k), torch.zeros(1)) for k in (1, 2, 3)]
    prior = DiagonalNormal(torch.zeros(1), torch.zeros(1))
    z = _mixture_draws(apart, prior, 20_000, 2, make_generator(0))
    assert z.shape == (20_000, 2, 1)
    shares = torch.bincount((z / 100).round().long().flatten()) / z.numel()
    rest = (1 - PRIOR_SHARE) / 3
    expected = torch.tensor([PRIOR_SHARE, rest, rest, rest])
    error = (expected * (1 - expected) / z.numel()).sqrt()
    assert float(((shares - expected) / error).abs().max()) < 4


def test_grey_values_have_the_error_and_spread_of_the_closed_form() -> None:
    model, _, _ = linear_gaussian(2, 0.3)
    loadings = model.loadings.detach()
    x = torch.randn(60, 2, generator=make_generator(0), dtype=torch.float64) @ loadings.T
    x = x + 0.3 * torch.randn(60, 4, generator=make_generator(1), dtype=torch.float64)
    observed = torch.tensor([True, True, False, False])
    covariance = loadings @ loadings.T + 0.09 * torch.eye(4).double()
    gain = covariance[2:, :2] @ covariance[:2, :2].inverse()
    spread = covariance[2:, 2:] - gain @ covariance[:2, 2:]
    mean = x[:, :2] @ gain.T
    log_conditional = torch.distributions.MultivariateNormal(mean, spread).log_prob(x[:, 2:])
    found = quality(
        model,
        x,
        observed.expand(60, -1),
        method="ac-mwg",
        chains=16,
        warm_up=50,
        transitions=200,
        samples=2000,
        generator=make_generator(2),
    )
    assert not found.bernoulli
    torch.testing.assert_close(found.log_conditional, log_conditional, atol=0.2, rtol=0)
    torch.testing.assert_close(found.error.square(), found.square)
    truth = (mean - x[:, 2:]).square().mean(-1)
    torch.testing.assert_close(found.square, truth, atol=0.06, rtol=0.25)
    ratio = found.variance / spread.diagonal().mean()
    assert float(ratio.mean()) == pytest.approx(1, abs=0.05)
    rows = {row["name"]: row for row in summary(found)}
    calibration = rows["calibration"]
    assert abs(calibration["value"] - 1) < 3 * calibration["standard_error"] + 0.05
    assert list(rows) == ["log_conditional", "rmse", "rmse_of_draws", "acceptance", "calibration"]


def test_calibration_and_its_error_are_those_of_a_ratio_of_means() -> None:
    generator = make_generator(0)

    def made(items: int) -> Accuracy:
        variance = torch.rand(items, generator=generator).double() + 0.5
        square = 1.3 * variance * (1 + 0.5 * torch.randn(items, generator=generator).double())
        zeros = torch.zeros(items).double()
        return Accuracy(zeros, zeros, square, variance, zeros, True)

    rows = [summary(made(200))[-1] for _ in range(300)]
    values = torch.tensor([row["value"] for row in rows])
    claimed = torch.tensor([row["standard_error"] for row in rows]).mean()
    assert abs(float(values.mean()) - 1.3) < 0.02
    assert float(values.std() / claimed) == pytest.approx(1, abs=0.15)


def test_what_cannot_be_measured_is_refused() -> None:
    model, x, observed = TINY["bars"]()
    generator = make_generator(0)
    with pytest.raises(ValueError, match="must miss a pixel of every item; one misses none"):
        quality(model, x[None], torch.ones(1, 9, dtype=torch.bool), generator=generator)
    with pytest.raises(ValueError, match="`transitions` must be a whole number, at least 1; got 0"):
        quality(model, x[None], observed[None], transitions=0, generator=generator)
    with pytest.raises(ValueError, match="'hmc' needs a `model` with Gaussian latents"):
        quality(model, x[None], observed[None], method="hmc", generator=generator)
    one = quality(
        model,
        x[None],
        observed[None],
        warm_up=1,
        transitions=2,
        samples=2,
        generator=generator,
    )
    with pytest.raises(ValueError, match="at least 2 items; got 1"):
        summary(one)
