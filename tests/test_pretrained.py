"""The shipped checkpoints: complete, small enough, as good as they say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import engine
from engine.checkpoints import pretrained_folder
from engine.datasets import find_dataset
from engine.evaluation.likelihood import bounds
from engine.training.recipe import load_recipe

TARGETS = {  # nats per test image: metric, least value
    "vae-20-mnist-static": ("elbo", -98.0),
    "vae-10-frey": ("elbo", 1300.0),
    "dlgm-diagonal-mnist-static": ("L_5000", -88.5),
    "dlgm-rank-one-mnist-static": ("L_5000", -88.5),
    "sbn-200-mnist-static": ("elbo", -115.0),
    "sbn-200-200-mnist-static": ("elbo", -105.0),
    "sbn-200-200-200-mnist-static": ("L_5000", -92.0),
    # A reproduction of Kingma and Welling's Figure 2, read off.
    "vae-3-mnist-static": ("elbo", -141.3),
    "vae-5-mnist-static": ("elbo", -124.4),
    "vae-10-mnist-static": ("elbo", -107.6),
    "vae-200-mnist-static": ("elbo", -99.2),
    "wake-sleep-3-mnist-static": ("elbo", -146.8),
    "wake-sleep-5-mnist-static": ("elbo", -128.0),
    "wake-sleep-10-mnist-static": ("elbo", -113.0),
    "wake-sleep-20-mnist-static": ("elbo", -106.4),
    "wake-sleep-200-mnist-static": ("elbo", -108.0),
}
MISSED = {  # by how much, and what was tried, is in the README
    "dlgm-diagonal-mnist-static": "needs more than the 30 minutes of one core that it had",
    "wake-sleep-5-mnist-static": "still falling when its 100 epochs were over",
    "wake-sleep-20-mnist-static": "still falling when its 170 epochs were over",
    "wake-sleep-200-mnist-static": "its bound stopped rising after 4 million images",
}
SHOWN = ("vae-2-mnist-static", "vae-2-frey", "dlgm-2-mnist-static")
NAMES = engine.list_checkpoints()


def entry(card: dict[str, Any], name: str) -> dict[str, Any]:
    return next(metric for metric in card["metrics"] if metric["name"] == name)


def test_every_promised_checkpoint_is_shipped() -> None:
    assert set(TARGETS) | set(SHOWN) <= set(NAMES)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.xfail(reason=MISSED[name], strict=True))
        if name in MISSED
        else name
        for name in TARGETS
    ],
)
def test_the_card_meets_the_target(name: str) -> None:
    metric, least = TARGETS[name]
    assert entry(engine.read_card(name), metric)["value"] >= least


def test_a_rank_one_precision_is_not_worse_than_a_diagonal_covariance() -> None:
    cards = [engine.read_card(f"dlgm-{kind}-mnist-static") for kind in ("rank-one", "diagonal")]
    rank_one, diagonal = (entry(card, "L_5000") for card in cards)
    error = math.hypot(rank_one["standard_error"], diagonal["standard_error"])
    assert rank_one["value"] >= diagonal["value"] - 2 * error


def test_the_shipped_files_take_at_most_120_megabytes() -> None:
    assert sum(path.stat().st_size for path in pretrained_folder().rglob("*.*")) <= 120e6


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_comes_with_its_recipe_and_its_curves(name: str) -> None:
    checkpoint = engine.load_checkpoint(name)
    assert load_recipe(name).table == checkpoint.card["recipe"]
    assert np.isfinite(checkpoint.curves["valid_elbo"]).all()
    assert (np.diff(checkpoint.curves["samples"]) > 0).all()
    assert checkpoint.curves["samples"][-1] == checkpoint.card["training"]["samples"]
    assert not any(parameter.requires_grad for parameter in checkpoint.model.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_measuring_a_checkpoint_again_gives_the_elbo_of_its_card(name: str) -> None:
    checkpoint = engine.load_checkpoint(name)
    if find_dataset(checkpoint.card["dataset"]) is None:
        pytest.skip(f"the data set {checkpoint.card['dataset']} is not at hand")
    x = engine.load_dataset(checkpoint.card["dataset"]).test
    samples = max(1, 2000 // len(x))
    result = bounds(checkpoint.model, x, samples=samples, generator=engine.make_generator(1))
    said = entry(checkpoint.card, "elbo")
    assert abs(float(result.elbo.mean()) - said["value"]) <= 2 * said["standard_error"]
