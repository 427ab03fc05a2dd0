"""Every estimator of the ELBO against its exact gradient, by 100 000 random draws."""

from __future__ import annotations

import pytest
import torch

from engine.estimators import ESTIMATORS, GradientEstimator, build_estimator
from engine.evaluation import exact
from engine.models import LatentVariableModel
from engine.random import make_generator
from tests.engine.estimators.exact import Gradients, bits, exact_gradient, measured, tiny
from tests.engine.estimators.grids import grid_elbo, grid_iwae, vae

PLAIN = {"centring": False, "input_baseline": False, "normalise": False}
OPTIONS = {
    "concrete": [{}, {"density": "mass"}],
    "nvil": [{"normalise": False, "hidden": 3}, {**PLAIN, "local_signals": False}],
    "relax": [{"hidden": 3}],
    "rezende": [{"form": "hessian"}, {"form": "noise"}],
    "dreg": [{"samples": 2}],
    "iwae": [{"samples": 2}],
}
OTHER = {"vimco", "wake-sleep", "reweighted-wake-sleep", "mcem", "greedy", "joint"}
"""Objectives of their own; test_multi_sample, test_wake_sleep, test_mcem, test_deep_belief."""


def cases(kind: str) -> list:
    return [
        pytest.param(name, options, id=f"{name}-{index}")
        for name, build in ESTIMATORS.items()
        if kind in build.latent_kinds and name not in OTHER
        for index, options in enumerate(OPTIONS.get(name, [{}]))
    ]


def built(name: str, model: LatentVariableModel, options: dict) -> GradientEstimator:
    """With baselines and control variates somewhere in their training."""
    estimator = build_estimator(name, model=model, **options).double().eval()
    generator = make_generator(9)
    with torch.no_grad():
        for parameter in estimator.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return estimator


def worst(
    model: LatentVariableModel, estimator: GradientEstimator, x: torch.Tensor, truth: Gradients
) -> float:
    """The largest distance from the exact gradient in standard errors."""
    means, errors = measured(model, estimator, x)
    return max(
        float(((means[name] - value).abs() / (errors[name] + 1e-12)).max())
        for name, value in truth.items()
    )


@pytest.mark.parametrize(("name", "options"), cases("bernoulli"))
def test_unbiased_is_said_of_bits_where_it_is_so_and_nowhere_else(name, options) -> None:
    model, x = tiny("sbn", layers=[2, 1]), bits(1)
    estimator = built(name, model, options)
    distance = worst(model, estimator, x, exact_gradient(model, exact.elbo(model, x).mean()))
    assert distance < 5 if estimator.unbiased else distance > 5


@pytest.mark.parametrize(("name", "options"), cases("gaussian"))
def test_unbiased_is_said_of_gaussians_where_it_is_so(name, options) -> None:
    model, x = vae("bernoulli"), bits(1)
    estimator = built(name, model, options)
    bound = grid_iwae if estimator.objective == "iwae-2" else grid_elbo
    assert estimator.unbiased
    assert worst(model, estimator, x, exact_gradient(model, bound(model, x))) < 5


def test_the_check_notices_a_bias_of_two_per_cent() -> None:
    model, x = tiny("sbn", layers=[2, 1]), bits(1)
    truth = exact_gradient(model, exact.elbo(model, x).mean())
    wrong = {name: 1.02 * value for name, value in truth.items()}
    assert worst(model, built("disarm", model, {}), x, wrong) > 5
