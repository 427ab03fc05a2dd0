"""Runs: they learn, they resume bit for bit, they select, they stop where training diverges."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

from engine.checkpoints import save_checkpoint
from engine.errors import CheckpointError, EngineError
from engine.evaluation.likelihood import bounds
from engine.models import build_model
from engine.random import derive_seed, make_generator
from engine.training import loop, state
from engine.training.loop import Run, learning_rate, start_from
from engine.training.settings import Optimiser
from engine.training.step import Stepper

SBN = {"name": "sbn", "layers": [6, 4]}
DLGM = {"name": "dlgm", "layers": [2, 2], "hidden": [8], "covariance": "rank-one"}
KINDS = {
    "vae": {},
    "vae-noise": {
        "model": {
            "name": "vae",
            "latent_dim": 2,
            "hidden": [8],
            "input_noise": "bit-flip",
            "noise_rate": 0.1,
        }
    },
    "vae-shifted": {"training": {"shift_rate": 0.5}},
    "vae-adagrad": {"optimiser": {"name": "adagrad", "learning_rate": 0.05}},
    "dlgm-rmsprop": {
        "model": DLGM,
        "optimiser": {"name": "rmsprop", "learning_rate": 0.01, "weight_prior_variance": 1.0},
    },
    "sbn-nvil": {"model": SBN, "estimator": {"name": "nvil", "hidden": 5}},
}


def with_training(kind: str, **training: float) -> dict[str, dict]:
    """The sections of a kind, with more in [training]."""
    sections: dict[str, dict] = KINDS[kind]
    return {**sections, "training": {**sections.get("training", {}), **training}}


def finish(run: Run) -> Run:
    for _ in run.records():
        pass
    return run


def everything(run: Run) -> dict[str, torch.Tensor]:
    """Weights, averages, buffers, optimiser state, best weights, generator."""
    best = {f"best.{k}": v for k, v in run.best_weights.items()}
    return state._tensors(run.stepper, run.generator) | best


def assert_same(first: Run, second: Run) -> None:
    ours, theirs = everything(first), everything(second)
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        assert torch.equal(value, theirs[key]), key
    for key, column in first.curves.items():
        if key != "seconds":
            assert column == second.curves[key], key
    assert first.progress.best_step == second.progress.best_step
    assert first.progress.samples == second.progress.samples


@pytest.fixture
def every_step(monkeypatch):
    """A record after every step, so that a test can stop a run anywhere."""
    monkeypatch.setattr(loop, "REPORT_STEPS", 1)


# --- learning -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["vae", "dlgm-rmsprop", "sbn-nvil"])
def test_training_improves_the_validation_bound_by_nats(kind, recipe, blobs):
    run = finish(Run(recipe(**with_training(kind, epochs=30)), blobs))
    first, best = run.curves["valid_elbo"][0], max(run.curves["valid_elbo"])
    assert best > first + 0.5
    # the entropy of a prototype's flips alone, 12 * H(0.1), is 3.9 nats
    assert -9 < best < -3.9


def test_an_epoch_takes_every_item_once_in_an_order_of_its_own(recipe, blobs):
    run = Run(recipe(), blobs)
    orders = [run._order(epoch) for epoch in (0, 1)]
    assert all(torch.equal(order.sort().values, torch.arange(230)) for order in orders)
    assert not torch.equal(*orders)
    again = Run(recipe(), blobs)
    assert torch.equal(again._order(1), orders[1])
    other = Run(recipe(training={"seed": 1}), blobs)
    assert not torch.equal(other._order(0), orders[0])


def test_records_count_steps_items_and_points(recipe, blobs):
    run = Run(recipe(training={"epochs": 3, "evaluate_every": 1.4}), blobs)  # 5 steps an epoch
    records = list(run.records())
    assert [record.step for record in records] == [7, 14, 15]
    assert [record.samples for record in records] == [330, 660, 690]
    assert all(record.steps == 15 for record in records)
    assert all(record.point is not None for record in records)
    assert run.curves["step"] == [0, 7, 14, 15]
    assert records[-1].seconds_left == 0
    assert all(np.diff(run.curves["seconds"]) > 0)
    for split in ("train", "valid"):
        parts = (run.curves[f"{split}_{part}"] for part in ("elbo", "reconstruction", "kl"))
        for elbo, reconstruction, kl in zip(*parts, strict=True):
            assert elbo == pytest.approx(reconstruction - kl)


def test_the_variance_is_recorded_between_two_points_of_the_curves_too(recipe, blobs):
    plain = {"plain": {"name": "sgvb-b"}}
    schedule = {"estimators": plain, "minibatches": 2, "batch_size": 5, "draws": 2}
    training = {"epochs": 2, "evaluate_every": 1}
    # 5 steps an epoch
    run = Run(recipe(training=training, variance=schedule | {"epochs": [0, 0.4, 1, 1.6]}), blobs)
    points = [record.step for record in run.records() if record.point is not None]
    assert list(dict.fromkeys(row["step"] for row in run.progress.variance_rows)) == [0, 2, 5, 8]
    assert points == [2, 5, 8, 10]
    assert run.curves["step"] == [0, *points]


def test_runs_of_one_seed_are_the_same_and_leave_the_default_generator_alone(recipe, blobs):
    first, second = Run(recipe(), blobs), Run(recipe(), blobs)
    before = torch.get_rng_state()
    assert_same(finish(first), finish(second))
    assert torch.equal(torch.get_rng_state(), before)
    other = finish(Run(recipe(training={"seed": 1}), blobs))
    assert first.curves["valid_elbo"] != other.curves["valid_elbo"]


# --- resuming -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stop", [3, 13, 24])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(kind, stop, recipe, blobs, tmp_path):
    settings = recipe(**with_training(kind, evaluate_every=2.4))  # saved every 12 steps
    whole = finish(Run(settings, blobs))
    path = tmp_path / "run.state.safetensors"
    killed = Run(settings, blobs, state_path=path)
    records = killed.records()
    while next(records).step < stop:
        pass
    records.close()
    resumed = Run(settings, blobs, state_path=path, resume=True)
    assert resumed.progress.step == stop // 12 * 12
    assert_same(finish(resumed), whole)


@pytest.mark.usefixtures("every_step")
def test_a_resumed_run_draws_the_bits_of_a_dynamic_set_as_the_whole_run_does(
    recipe, blobs, tmp_path
):
    pixels = {split: values * 200 for split, values in blobs.pixels.items()}
    pixels |= {s: (pixels[s] > 0).to(torch.uint8) * 255 for s in ("valid", "test")}
    dynamic = dataclasses.replace(blobs, pixels=pixels, levels=255, dynamic=True)
    path = tmp_path / "run.state.safetensors"
    whole = finish(Run(recipe(), dynamic))
    records = Run(recipe(), dynamic, state_path=path).records()
    while next(records).step < 8:
        pass
    assert_same(finish(Run(recipe(), dynamic, state_path=path, resume=True)), whole)


def test_resuming_a_finished_run_trains_no_further(recipe, blobs, tmp_path):
    path = tmp_path / "run.state.safetensors"
    whole = finish(Run(recipe(), blobs, state_path=path))
    resumed = Run(recipe(), blobs, state_path=path, resume=True)
    assert list(resumed.records()) == []
    assert_same(resumed, whole)


def test_an_interrupted_save_leaves_the_last_state_to_resume_from(
    recipe, blobs, tmp_path, monkeypatch
):
    path = tmp_path / "run.state.safetensors"
    run = Run(recipe(), blobs, state_path=path)
    records = run.records()
    next(records)
    saved = path.read_bytes()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(records)
    assert path.read_bytes() == saved
    assert list(tmp_path.iterdir()) == [path]
    resumed = finish(Run(recipe(), blobs, state_path=path, resume=True))
    assert_same(resumed, finish(Run(recipe(), blobs)))


def test_the_state_of_another_recipe_or_seed_is_refused(recipe, blobs, tmp_path):
    path = tmp_path / "run.state.safetensors"
    next(Run(recipe(), blobs, state_path=path).records())
    for other in ({"training": {"seed": 1}}, {"optimiser": {"learning_rate": 0.02}}):
        with pytest.raises(CheckpointError, match=r"another recipe or seed.*without --resume"):
            Run(recipe(**other), blobs, state_path=path, resume=True)


def test_the_state_of_a_training_on_other_data_is_refused(recipe, blobs, tmp_path):
    path = tmp_path / "run.state.safetensors"
    next(Run(recipe(), blobs, state_path=path).records())
    other = dataclasses.replace(blobs, protocol="the same recipe, other items")
    with pytest.raises(CheckpointError, match=r"other data \(three noisy.*without --resume"):
        Run(recipe(), other, state_path=path, resume=True)


def test_a_state_that_is_missing_truncated_or_something_else_is_refused(recipe, blobs, tmp_path):
    path = tmp_path / "run.state.safetensors"
    run = Run(recipe(), blobs, state_path=path)
    with pytest.raises(CheckpointError, match="not the saved state"):
        Run(recipe(), blobs, state_path=path, resume=True)
    next(run.records())
    whole = path.read_bytes()
    weights = safetensors.torch.save({"a": torch.zeros(2)})
    for content in (b"", whole[: len(whole) // 2], b"\x80\x04N.", weights):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"not the saved state.*without --resume"):
            Run(recipe(), blobs, state_path=path, resume=True)


def test_a_state_with_a_tensor_missing_or_of_another_shape_is_refused(recipe, blobs, tmp_path):
    path = tmp_path / "run.state.safetensors"
    next(Run(recipe(), blobs, state_path=path).records())
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = safetensors.torch.load_file(path)
    key = "optimiser.model.encoder.0.weight.exp_avg"
    for broken in (
        {k: v for k, v in tensors.items() if k != key},
        tensors | {key: torch.zeros(1)},
    ):
        safetensors.torch.save_file(broken, path, metadata=metadata)
        with pytest.raises(CheckpointError, match=r"does not fit.*exp_avg"):
            Run(recipe(), blobs, state_path=path, resume=True)


def test_resuming_needs_a_place_to_resume_from(recipe, blobs):
    with pytest.raises(ValueError, match="`resume` needs `state_path`"):
        Run(recipe(), blobs, resume=True)


# --- selection ----------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [1, 7])
def test_the_weights_kept_are_those_of_the_best_validation_bound(samples, recipe, blobs):
    # a rate so high that the last point is not the best
    settings = recipe(
        training={"select_samples": samples, "epochs": 20}, optimiser={"learning_rate": 0.3}
    )
    run = finish(Run(settings, blobs))
    column = run.curves["valid_bound"]
    best = int(np.argmax(column))
    assert 0 < best < len(column) - 1
    assert run.progress.best_step == run.curves["step"][best]
    assert run.progress.best_bound == column[best]
    run.model.load_state_dict(run.best_weights)
    noise = make_generator(derive_seed(settings.training.seed, loop._VALIDATION))
    again = bounds(run.model, blobs.valid, samples=samples, generator=noise)
    assert float(again.bound.mean()) == column[best]


def test_validation_uses_the_averaged_weights_and_gives_the_last_ones_back(recipe, blobs):
    run = Run(recipe(), blobs)
    records = run.records()
    next(records)
    live = {k: v.clone() for k, v in run.model.state_dict().items()}
    point = run._point()
    assert all(torch.equal(live[k], v) for k, v in run.model.state_dict().items())
    assert run.model.training
    average = {k: v for k, v in run._weights().items() if "weight" in k}
    assert all(not torch.equal(live[k], v) for k, v in average.items())
    run.model.load_state_dict(run._weights())
    noise = make_generator(derive_seed(0, loop._VALIDATION))
    again = bounds(run.model, blobs.valid, samples=1, generator=noise)
    assert point["valid_elbo"] == float(again.elbo.mean())


# --- refusals -----------------------------------------------------------------------------------


def test_a_run_that_diverges_says_so_and_what_to_do(recipe, blobs):
    run = Run(recipe(optimiser={"learning_rate": 1e30}), blobs)
    with pytest.raises(EngineError, match=r"diverged; lower optimiser\.learning_rate"):
        finish(run)


def test_a_likelihood_that_does_not_suit_the_data_is_refused(recipe, blobs):
    model = {"name": "vae", "likelihood": "gaussian"}
    with pytest.raises(ValueError, match=r"model\.likelihood must be 'bernoulli'.*'blobs'"):
        Run(recipe(model=model), blobs)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"model": {"name": "gan"}}, "'gan'"),
        ({"model": {"name": "vae", "hiden": [3]}}, "hiden"),
        ({"model": {"name": "vae", "hidden": 3}}, "`hidden`"),
        ({"estimator": {"name": "magic"}}, "'magic'"),
        ({"estimator": {"name": "sgvb-b", "sample": 3}}, "sample"),
        ({"model": SBN}, "SBN"),
    ],
)
def test_bad_models_and_estimators_are_refused_before_training(section, message, recipe, blobs):
    with pytest.raises(ValueError, match=message):
        Run(recipe(**section), blobs)


# --- starting from other weights ----------------------------------------------------------------


def save(model: torch.nn.Module, name: str, path: Path) -> Path:
    card = {
        "model": name,
        "config": model.config,
        "dataset": "blobs",
        "protocol": "",
        "recipe": {},
        "seed": 0,
        "metrics": [],
        "training": {},
    }
    return save_checkpoint(path, model.state_dict(), card)


def test_a_rank_one_run_starts_from_a_diagonal_checkpoint(recipe, blobs, tmp_path):
    config = {"data_dim": 12, "layers": (2, 2), "hidden": (8,)}
    diagonal = build_model("dlgm", **config)
    path = save(diagonal, "dlgm", tmp_path / "start.safetensors")
    settings = recipe(model=DLGM, training={"start": str(path)})
    run = Run(settings, blobs)
    own = run.model.state_dict()
    for key, value in diagonal.state_dict().items():
        assert torch.equal(own[key], value), key
    assert set(own) - set(diagonal.state_dict()) == {
        f"factor_heads.{layer}.{part}" for layer in (0, 1) for part in ("weight", "bias")
    }
    average = run.stepper.average  # starts there too, not at the random weights
    assert torch.equal(average["decoder.0.weight"], diagonal.decoder[0].weight)


def test_weights_without_a_place_or_of_another_shape_are_refused(tmp_path):
    rank_one = build_model("dlgm", data_dim=12, layers=(2,), hidden=(8,), covariance="rank-one")
    path = save(rank_one, "dlgm", tmp_path / "start.safetensors")
    for other in ({"layers": (2,)}, {"layers": (3,), "covariance": "rank-one"}):
        model = build_model("dlgm", data_dim=12, hidden=(8,), **other)
        with pytest.raises(CheckpointError, match=r"training\.start.*no place for"):
            start_from(model, str(path))


# --- learning rate ------------------------------------------------------------------------------


def test_the_learning_rate_is_held_and_then_falls_linearly():
    settings = Optimiser(learning_rate=1.0, final_learning_rate=0.2, hold=0.5)
    rates = [learning_rate(settings, done) for done in (0, 0.25, 0.5, 0.75, 1)]
    assert rates == pytest.approx([1, 1, 1, 0.6, 0.2])


@pytest.mark.parametrize("options", [{"final_learning_rate": None}, {"hold": 1.0}])
def test_the_learning_rate_stays_without_a_final_one_or_time_to_fall(options):
    settings = Optimiser(**({"learning_rate": 1.0, "final_learning_rate": 0.1} | options))
    assert [learning_rate(settings, done) for done in (0, 0.5, 1)] == [1, 1, 1]


def test_a_run_follows_the_schedule(recipe, blobs, monkeypatch):
    seen = []
    step = Stepper.step

    def spy(self, x, rate, number, generator):
        seen.append((number, rate))
        return step(self, x, rate, number, generator)

    monkeypatch.setattr(Stepper, "step", spy)
    settings = recipe(
        optimiser={"learning_rate": 0.1, "final_learning_rate": 0.0, "hold": 0.5},
        training={"epochs": 2},
    )
    run = finish(Run(settings, blobs))
    expected = [0.1] * 6 + [0.08, 0.06, 0.04, 0.02]
    assert [number for number, _ in seen] == list(range(1, 11))
    assert [rate for _, rate in seen] == pytest.approx(expected)
    assert run.curves["learning_rate"] == pytest.approx([0.1, 0.1, 0.0])
