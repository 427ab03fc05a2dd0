"""The shipped checkpoints: complete, small enough, as good as they say."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

import engine
from engine.checkpoints import pretrained_folder
from engine.datasets import find_dataset
from engine.evaluation.likelihood import bounds, standard_error, subset
from engine.evaluation.partition import anneal_partition, machine_of
from engine.evaluation.validation import energy_likelihoods, log_likelihoods
from engine.leaderboard import leaderboard
from engine.mcmc.imputation import impute, suitable_methods
from engine.models import RBM, LatentVariableModel, TractableModel
from engine.training.recipe import load_recipe
from engine.training.run import stored

FLOORS = {  # what checkpoints of ours reached before their row's target: metric, least value
    "vae-20-mnist-static": ("elbo", -98.0),
    "vae-10-frey": ("elbo", 1300.0),
    "dlgm-diagonal-mnist-static": ("L_5000", -87.5),
    "dlgm-rank-one-mnist-static": ("L_5000", -87.5),
    "sbn-200-mnist-static": ("elbo", -112.0),
    "sbn-200-200-mnist-static": ("elbo", -99.0),
}
SHOWN = ("vae-2-mnist-static", "vae-2-frey", "dlgm-2-mnist-static")
NAMES = engine.list_checkpoints()
CARDS = {name: engine.read_card(name) for name in NAMES}
ROWS = {row.system.key: row for row in leaderboard(CARDS)}
COMPLETING = [
    name
    for name, card in CARDS.items()
    if card["dataset"] == "mnist-static"
    and card["recipe"]["model"]["name"] in ("vae", "dlgm", "sbn", "fdarn")
]
DENSITIES = 10_000
"""Of tractable models, computed again."""

MISSED = {  # rows whose checkpoints are short of the solid target: by how much is in the README
    "wake-sleep-200": "by 3 nats: the bound of wake-sleep itself stands there, not its steps",
    "sbn-200-200-ar": "by 0.8 nats: moved images and 12 million more took half a nat",
    "darn-500": "by 0.1 nats: the weights of its decoder over-fit",
}


def entry(card: dict[str, Any], name: str) -> dict[str, Any]:
    return next(metric for metric in card["metrics"] if metric["name"] == name)


def test_every_promised_checkpoint_is_shipped() -> None:
    assert set(FLOORS) | set(SHOWN) <= set(NAMES)


@pytest.mark.parametrize("name", FLOORS)
def test_a_checkpoint_is_as_good_as_it_was(name: str) -> None:
    metric, least = FLOORS[name]
    assert entry(CARDS[name], metric)["value"] >= least


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(
            key, marks=[pytest.mark.xfail(reason=MISSED[key], strict=True)] if key in MISSED else []
        )
        for key, row in ROWS.items()
        if row.entries and any(target.value is not None for target in row.system.solid)
    ],
)
def test_a_row_of_the_tables_meets_its_solid_target(key: str) -> None:
    assert ROWS[key].solid is True


def test_six_rows_of_the_tables_meet_their_moonshot() -> None:
    assert sum(row.moonshot is True for row in ROWS.values()) >= 6


def test_a_rank_one_precision_is_not_worse_than_a_diagonal_covariance() -> None:
    cards = [engine.read_card(f"dlgm-{kind}-mnist-static") for kind in ("rank-one", "diagonal")]
    rank_one, diagonal = (entry(card, "L_5000") for card in cards)
    error = math.hypot(rank_one["standard_error"], diagonal["standard_error"])
    assert rank_one["value"] >= diagonal["value"] - 2 * error


def test_the_shipped_files_take_at_most_106_megabytes() -> None:
    assert sum(path.stat().st_size for path in pretrained_folder().rglob("*.*")) <= 106e6


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_comes_with_its_recipe_and_its_curves(name: str) -> None:
    checkpoint = engine.load_checkpoint(name)
    assert load_recipe(name).table == checkpoint.card["recipe"]
    assert np.isfinite(checkpoint.curves["valid_elbo"]).all()
    assert (np.diff(checkpoint.curves["samples"]) > 0).all()
    assert checkpoint.curves["samples"][-1] == checkpoint.card["training"]["samples"]
    assert not any(parameter.requires_grad for parameter in checkpoint.model.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_measuring_a_checkpoint_again_gives_the_number_of_its_card(name: str) -> None:
    torch.set_num_threads(1)
    model, card = engine.load_checkpoint(name).model, CARDS[name]
    if find_dataset(card["dataset"]) is None:
        pytest.skip(f"the data set {card['dataset']} is not at hand")
    x = engine.load_dataset(card["dataset"]).test
    if isinstance(model, LatentVariableModel):
        said, samples = entry(card, "elbo"), max(1, 2000 // len(x))
        values = bounds(model, x, samples=samples, generator=engine.make_generator(1)).elbo
    else:
        said = entry(card, "log_likelihood")
        x = subset(x, said["items"])
        if isinstance(model, TractableModel):
            x = subset(x, min(len(x), DENSITIES // said["samples"]))
            values = log_likelihoods(model, x, terms=said["samples"])
        else:
            assert isinstance(model, RBM)
            values = energy_likelihoods(model, x)
    if len(x) == said["items"] and not isinstance(model, LatentVariableModel):
        assert float(values.mean()) == pytest.approx(said["value"], abs=0.01)  # nothing is drawn
        return
    error = said["standard_error"] * math.sqrt(max(1.0, said["items"] / len(x)))
    # One draw an item scatters more than the hundred of the card where q has draws far off.
    error = max(error, float(values.std()) / math.sqrt(len(values)))
    assert abs(float(values.mean()) - said["value"]) <= 2 * error


@pytest.mark.parametrize("name", COMPLETING)
def test_chains_from_a_random_fill_find_back_to_digits(name: str) -> None:
    torch.set_num_threads(1)
    if find_dataset("mnist-static") is None:
        pytest.skip("the data set mnist-static is not at hand")
    model = engine.load_checkpoint(name).model.eval()
    assert suitable_methods(model)
    x, generator = engine.load_dataset("mnist-static").test[::500], engine.make_generator(0)
    observed = torch.rand(x.shape, generator=generator) < 0.4
    chain = impute(model, x, observed, generator=generator)
    completed = next(itertools.islice(chain, 40, None)).x[0]
    wrong = (completed != x)[~observed].float().mean()
    assert wrong < 0.2  # a blank has 0.13; of a chain that is lost 0.8 are wrong


@pytest.mark.parametrize("name", ["vae-3-hundred-50000-mnist-static", "dlgm-2-mnist-static"])
def test_weights_of_16_bits_move_the_bound_by_less_than_a_hundredth_of_a_nat(name: str) -> None:
    torch.set_num_threads(1)
    model, card = engine.load_checkpoint(name).model, CARDS[name]
    assert card["recipe"]["training"].get("storage", "float32") == "float32"
    if find_dataset(card["dataset"]) is None:
        pytest.skip(f"the data set {card['dataset']} is not at hand")
    x = engine.load_dataset(card["dataset"]).test[::20]

    def elbo() -> torch.Tensor:
        return bounds(model, x, samples=20, generator=engine.make_generator(0)).elbo

    before = elbo()
    model.load_state_dict({k: v.float() for k, v in stored(model.state_dict(), "float16").items()})
    change = elbo() - before  # by the same draws
    assert (change != 0).any()
    assert abs(float(change.mean())) + 2 * standard_error(change) < 0.01


def test_annealing_again_from_below_gives_the_log_z_of_every_machine() -> None:
    torch.set_num_threads(1)
    for name in NAMES:
        machine = machine_of(engine.load_checkpoint(name).model)
        if machine is None:
            continue
        generator = engine.make_generator(1)
        again = anneal_partition(machine, chains=50, temperatures=1000, generator=generator)
        below, above = (entry(CARDS[name], f"log_partition{end}") for end in ("", "_upper"))
        assert below["value"] == pytest.approx(float(machine.log_partition), abs=1e-2)
        # Few temperatures may leave the estimate too low, and no more than that.
        error = math.hypot(again.standard_error, above["standard_error"])
        assert again.estimate <= above["value"] + 4 * error
        assert again.estimate >= below["value"] - 1 - 4 * again.standard_error
