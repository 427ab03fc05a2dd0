"""What the papers say of the estimators' variances, at the shipped belief network."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

import engine
from engine.estimators.variants import build_variant
from engine.evaluation.variance import fixed_minibatches, measure, prepare

pytestmark = pytest.mark.slow

KEYS = ("score-function", "nvil-c", "nvil-c-idb", "nvil-c-idb-vn", "leave-one-out", "disarm")
LAYERS = ("recognition 1", "recognition 2")


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, str], dict[str, Any]]:
    """200 draws on each of 5 minibatches of 20, the embedded digits as bits."""
    torch.set_num_threads(1)
    model = engine.load_checkpoint("sbn-200-200-mnist-static").model
    data = engine.load_dataset("digits-mini")
    built = {key: build_variant(key, model) for key in KEYS}
    for estimator in built.values():
        prepare(model, estimator, data, batch_size=20)
    found = measure(model, built, fixed_minibatches(data, 5, 20), draws=200)
    return {(row["estimator"], row["layer"]): row for row in found}


def below(one: dict[str, Any], other: dict[str, Any], *, at_cost: bool = False) -> bool:
    """Whether the trace of `one` is the smaller by more than five standard errors."""
    weights = [row["evaluations"] if at_cost else 1 for row in (one, other)]
    a, b = (weight * row["trace"] for weight, row in zip(weights, (one, other), strict=True))
    errors = (w * row["trace_se"] for w, row in zip(weights, (one, other), strict=True))
    return b - a > 5 * math.hypot(*errors)


@pytest.mark.parametrize("layer", LAYERS)
def test_variance_falls_from_the_score_function_to_centring_to_baselines(rows, layer) -> None:
    assert below(rows["nvil-c", layer], rows["score-function", layer])
    assert below(rows["nvil-c-idb", layer], rows["nvil-c", layer])
    assert rows["nvil-c-idb", layer]["trace"] < 0.1 * rows["score-function", layer]["trace"]


def test_normalisation_shortens_the_gradient_and_clears_nothing(rows) -> None:
    # In one layer: with one signal for all, both are divided by the same number.
    for layer in LAYERS:
        plain, scaled = rows["nvil-c-idb", layer], rows["nvil-c-idb-vn", layer]
        assert below(scaled, plain)
        ratios = [row["mean_square"] / row["trace"] for row in (plain, scaled)]
        assert ratios[0] == pytest.approx(ratios[1], rel=1e-3)
        assert plain["snr"] == pytest.approx(scaled["snr"], rel=1e-3)


@pytest.mark.parametrize("layer", LAYERS)
def test_pairs_lie_below_nvil_at_equal_cost(rows, layer) -> None:
    for key in ("leave-one-out", "disarm"):
        assert below(rows[key, layer], rows["nvil-c-idb", layer], at_cost=True)
