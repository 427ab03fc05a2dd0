"""Recorded chains, what is said about them, and their files: without Streamlit."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import engine
from dashboard.logic.impute.class_mix import NEIGHBOURS, ClassMix
from dashboard.logic.impute.imputation import (
    HIDDEN_COLOUR,
    MOST_FRAMES,
    chain_frames,
    given_picture,
    spread_colours,
    state_picture,
    traces_csv,
)
from dashboard.logic.impute.methods import METHODS
from dashboard.logic.impute.playing import CAP, CHUNK, FIRST, Report, message, read_report
from dashboard.logic.impute.recording import WARM_UP, Recording, identify, window
from dashboard.logic.impute.running import Running, diagnosed_steps
from dashboard.scripts import impute as script
from engine.mcmc import PixelMoments, build_kernel, suitable_methods
from engine.mcmc.diagnostics import diagnose
from engine.models import LatentVariableModel, build_model
from engine.random import make_generator

ROOT = Path(__file__).resolve().parents[2]
PIXELS = 784


def small(kind: str = "vae", **config: Any) -> LatentVariableModel:
    sizes = {"vae": {"latent_dim": 2, "hidden": (8,)}, "sbn": {"layers": (5, 4)}}
    model = build_model(kind, data_dim=12, **(sizes[kind] | config)).eval()
    model.reset_parameters(make_generator(0))
    return model


def example() -> tuple[torch.Tensor, torch.Tensor]:
    x = (torch.arange(12) % 3 == 0).float()[None]
    observed = (torch.arange(12) % 2 == 0)[None]
    return x, observed


def recorded(
    length: int = 31,
    *,
    chains: int = 3,
    method: str = "pseudo-gibbs",
    kind: str = "vae",
    **config: Any,
) -> Recording:
    recording = Recording(small(kind, **config), *example(), method=method, chains=3, seed=3)
    recording.extend(length, patience=100)
    return recording


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("kind", "config"), [("vae", {}), ("vae", {"likelihood": "gaussian"}), ("sbn", {})]
)
def test_a_recording_is_what_the_engine_draws_with_the_same_seed(
    method: str, kind: str, config: dict[str, Any]
) -> None:
    if method not in suitable_methods(small(kind, **config)):
        with pytest.raises(ValueError, match="needs a `model` with Gaussian latents"):
            recorded(12, method=method, kind=kind, **config)
        return
    recording = recorded(12, method=method, kind=kind, **config)
    x, observed = example()
    states = engine.impute(
        small(kind, **config), x, observed, method=method, chains=3, generator=make_generator(3)
    )
    hidden = ~observed[0].numpy()
    joint, accepted = recording.log_joint(0, 12), recording.accepted(0, 12)
    for step, state in enumerate(islice(states, 11), start=1):
        mean = (state.mean[:, 0].clamp(0, 1).numpy() * 255).round()
        np.testing.assert_array_equal(recording.means(step, step + 1)[0], mean[:, hidden])
        draw = (state.x[:, 0].clamp(0, 1).numpy() * 255).round()
        np.testing.assert_array_equal(recording.images(step, "draws"), draw)
        np.testing.assert_array_equal(joint[step], state.log_joint[:, 0])
        np.testing.assert_array_equal(accepted[step], state.accepted[:, 0])


def test_a_recording_made_in_parts_is_the_same_and_starts_at_the_fill() -> None:
    parts = Recording(small(), *example(), method="pseudo-gibbs", chains=3, seed=3)
    assert len(parts) == 1
    x, observed = example()
    fill = build_kernel("pseudo-gibbs", small()).init(
        x, observed, chains=3, generator=make_generator(3)
    )
    np.testing.assert_array_equal(parts.images(0, "draws"), fill.x[:, 0].numpy() * 255)
    for length in (4, 4, 19, 31):
        parts.extend(length, patience=100)
        assert len(parts) == length
    whole = recorded(31)
    np.testing.assert_array_equal(parts.means(0, 31), whole.means(0, 31))
    np.testing.assert_array_equal(parts.log_joint(0, 31), whole.log_joint(0, 31))


def test_another_method_goes_on_from_pseudo_gibbs() -> None:
    x, observed = example()
    options = {"chains": 3, "seed": 3}
    first = Recording(small(), x, observed, method="pseudo-gibbs", **options)
    method = "metropolis-within-gibbs"
    second = Recording(small(), x, observed, method=method, start=8, **options)
    for recording in (first, second):
        recording.extend(41, patience=100)
    assert second.warm_up == 8
    np.testing.assert_array_equal(first.means(0, 9), second.means(0, 9))
    assert not np.array_equal(first.means(9, 41), second.means(9, 41))
    assert second.accepted(0, 9).all()
    assert not second.accepted(9, 41).all()


def test_the_tuning_of_the_step_size_counts_as_warm_up() -> None:
    x, observed = example()
    recording = Recording(small(), x, observed, method="hmc", chains=3, seed=3, start=8)
    assert (recording.tuned, recording.warm_up) == (48, 48)
    recording.extend(51, patience=100)
    later = recording.means(49, 51).reshape(-1, 6) / 255
    np.testing.assert_allclose(recording.moments(50)[0][recording.hidden], later.mean(0))
    for method in ("pseudo-gibbs", "ac-mwg"):
        other = Recording(small(), x, observed, method=method, chains=3, seed=3, start=8)
        assert other.tuned == other.start


def test_patience_ends_a_long_request_after_a_step() -> None:
    recording = recorded(1)
    recording.extend(2000, patience=0)
    assert len(recording) == 2


@pytest.mark.parametrize("step", [0, 3, WARM_UP, WARM_UP + 1, 30])
def test_mean_and_spread_are_the_engines_without_the_warm_up(step: int) -> None:
    recording = recorded(31)
    x, observed = example()
    kernel, generator = build_kernel("pseudo-gibbs", small()), make_generator(3)
    state = kernel.init(x, observed, chains=3, generator=generator)
    moments = PixelMoments.empty(state)
    if step == 0:
        moments = moments.add(state)
    for _ in range(step):
        state = kernel.step(state, generator=generator)
        if state.step == WARM_UP + 1:
            moments = PixelMoments.empty(state)
        moments = moments.add(state)
    mean, spread = recording.moments(step)
    # bytes are within half a level of the means
    np.testing.assert_allclose(mean, moments.mean[0].numpy(), atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(spread, moments.spread[0].numpy(), atol=1 / 255)
    first, last = window(step, WARM_UP)
    assert moments.count == 3 * (last - first)


def test_r_hat_and_sample_sizes_are_the_engines_at_each_step() -> None:
    recording = recorded(121)
    running = Running(WARM_UP)
    running.update(recording.log_joint(0, 40))  # in two parts, as a recording grows
    running.update(recording.log_joint(0, 121))
    assert running.steps == diagnosed_steps(120, WARM_UP)
    assert running.steps == [*range(10, 50, 5), *range(50, 100, 10), 100]
    for step, values in zip(running.steps, running.values, strict=True):
        wanted = diagnose(recording.log_joint(WARM_UP + 1, step + 1).T)
        np.testing.assert_allclose(values, wanted)
    shown = running.message()
    assert shown["r_hat"][-1] == pytest.approx(running.values[-1][0], abs=1e-4)


def test_a_given_pixel_has_no_diagnosis() -> None:
    running = Running(WARM_UP)
    running.update(recorded(31).pixel(0))
    assert set(running.message()["r_hat"]) == {None}


def test_votes_count_the_classes_of_the_nearest_codes() -> None:
    near = np.random.default_rng(0).normal(0, 0.1, (NEIGHBOURS + 3, 2))
    codes = np.concatenate([near, near + 5, near[:3] - 5]).astype(np.float32)
    labels = np.array([0] * len(near) + [1] * len(near) + [2] * 3)
    mix = ClassMix(codes, labels, ("four", "nine", "one"))
    votes = mix.count(np.array([[0.0, 0], [5, 5], [-5, -5]]))
    np.testing.assert_array_equal(votes, [[10, 0, 0], [0, 10, 0], [7, 0, 3]])


def test_a_recording_votes_by_the_code_of_each_completion() -> None:
    model = small()
    x, observed = example()
    with torch.no_grad():
        codes = model.recognition(torch.cat([x, 1 - x])).mean.numpy().repeat(NEIGHBOURS, axis=0)
    mix = ClassMix(codes, np.repeat([0, 1], NEIGHBOURS), ("a", "b"))
    recording = Recording(model, x, observed, method="pseudo-gibbs", chains=2, seed=0, classes=mix)
    recording.extend(20, patience=100)
    votes = recording.votes(0, 20)
    assert votes is not None
    draws = recording.draws(0, 20)
    for step in range(20):
        images = torch.from_numpy(recording.images(step, "draws") / 255).float()
        np.testing.assert_array_equal(votes[step], mix.votes(model, images))
    assert (votes.sum(-1) == NEIGHBOURS).all()
    assert draws.shape == (20, 2, 6)


def test_the_token_changes_with_whatever_the_chains_start_from() -> None:
    x, observed = example()
    tokens = {
        identify("a", x, observed, "pseudo-gibbs", 2, 0, 0),
        identify("b", x, observed, "pseudo-gibbs", 2, 0, 0),
        identify("a", 1 - x, observed, "pseudo-gibbs", 2, 0, 0),
        identify("a", x, ~observed, "pseudo-gibbs", 2, 0, 0),
        identify("a", x, observed, "metropolis-within-gibbs", 2, 0, 0),
        identify("a", x, observed, "pseudo-gibbs", 3, 0, 0),
        identify("a", x, observed, "pseudo-gibbs", 2, 1, 0),
        identify("a", x, observed, "pseudo-gibbs", 2, 0, 20),
    }
    assert len(tokens) == 8
    assert identify("a", x.clone(), observed.clone(), "pseudo-gibbs", 2, 0, 0) in tokens


# --- what comes from the browser -----------------------------------------------------------------

SAID = {"token": "t", "have": 101, "want": True, "step": 60, "pixel": 5, "kind": "means"}


def test_a_report_says_how_many_steps_are_wanted() -> None:
    assert read_report(SAID, "t", PIXELS) == Report(101, True, 60, 5, "means")
    assert Report(101, True, 60, 5, "means").wanted == 101 + CHUNK
    assert Report(101, False, 60, 5, "means").wanted == FIRST
    assert Report(CAP, True, CAP - 1, 5, "means").wanted == CAP


@pytest.mark.parametrize(
    "forged",
    [
        None, 7, "view", [], {}, {**SAID, "token": "another"}, {**SAID, "have": -1},
        {**SAID, "have": CAP + 1}, {**SAID, "have": 10**12}, {**SAID, "have": 1.5},
        {**SAID, "have": True}, {**SAID, "have": "101"}, {**SAID, "want": 1},
        {**SAID, "step": CAP}, {**SAID, "step": float("nan")}, {**SAID, "pixel": PIXELS},
        {**SAID, "pixel": -1}, {**SAID, "pixel": [5]}, {**SAID, "kind": "<b>"},
        {**SAID, "kind": ["means"]}, {k: v for k, v in SAID.items() if k != "step"},
    ],
)  # fmt: skip
def test_a_forged_report_counts_as_none(forged: object) -> None:
    assert read_report(forged, "t", PIXELS) is None


def test_a_message_holds_the_new_steps_alone() -> None:
    recording = recorded(31)
    whole, rest = (message(recording, {}, first=first, density=False) for first in (0, 30))
    assert len(whole) > len(rest) + 29 * 3 * 6
    assert b'"first":30,"length":31' in rest
    nothing = message(recording, {}, first=CAP, density=False)
    assert b'"first":31,"length":31' in nothing


# --- files ---------------------------------------------------------------------------------------


def test_hidden_pixels_are_orange_and_the_others_their_own_grey() -> None:
    x = np.array([0, 255, 128, 0], dtype=np.uint8)
    picture = given_picture(x, np.array([False, False, True, True]), (2, 2))
    assert picture[0].tolist() == [[0, 0, 0], [255, 255, 255]]
    assert (picture[1] == HIDDEN_COLOUR).all()


def test_spread_colours_rise_in_brightness() -> None:
    picture = spread_colours(np.linspace(0, 0.5, 50), 0.5, (1, 50))
    brightness = picture[0].astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(brightness) > 0).all()
    above = spread_colours(np.array([9.0]), 0.5, (1, 1))
    assert np.array_equal(above[0, 0], picture[0, -1])


def test_a_long_chain_becomes_a_film_of_bounded_length() -> None:
    recording = recorded(31)
    frames = chain_frames(recording, (3, 4), 30, "draws")
    assert frames.shape == (31, 3, 12)
    np.testing.assert_array_equal(frames[7][:, 4:8].ravel(), recording.images(7, "draws")[1])
    recording.extend(2 * MOST_FRAMES + 2, patience=100)
    assert len(chain_frames(recording, (3, 4), 2 * MOST_FRAMES, "means")) <= MOST_FRAMES


def test_the_table_has_a_row_for_each_step_and_chain() -> None:
    recording = recorded(31)
    rows = list(csv.DictReader(io.StringIO(traces_csv(recording, 20, 1).decode())))
    assert len(rows) == 21 * 3
    row = rows[3 * 7 + 2]
    assert (row["step"], row["chain"]) == ("7", "3")
    assert float(row["log_joint_nats"]) == pytest.approx(
        float(recording.log_joint(7, 8)[0, 2]), abs=1e-3
    )
    assert float(row["mean_of_pixel_1"]) == pytest.approx(recording.pixel(1)[7, 2], abs=1e-3)


@pytest.mark.parametrize(
    ("method", "start", "step", "kind", "image"),
    [
        ("pseudo-gibbs", 0, 17, "means", "sample"),
        ("metropolis-within-gibbs", 0, 8, "draws", "bits"),
        ("metropolis-within-gibbs", 7, 12, "means", "bits"),
        ("pseudo-gibbs", 0, 0, "means", "greys"),
        ("ac-mwg", 5, 12, "draws", "bits"),
        ("hmc", 3, 50, "means", "sample"),
    ],
)
def test_the_code_for_the_view_makes_the_same_picture(
    method: str, start: int, step: int, kind: str, image: str, tmp_path: Path
) -> None:
    name, shape = "vae-2-mnist-static", (28, 28)
    model = engine.load_checkpoint(name).model.eval().requires_grad_(False)
    if image == "sample":
        z = model.prior().sample((1,), generator=make_generator(5))
        x = model.likelihood(z).mean.round()
        code = script.sample_image(5, bits=True)
    else:
        pixels = np.random.default_rng(0).random(PIXELS).astype(np.float32)
        pixels = (pixels > 0.8).astype(np.float32) if image == "bits" else pixels
        x = torch.from_numpy(pixels)[None]
        code = script.literal_image(pixels, bits=image == "bits")
    hidden = np.arange(PIXELS) >= 400
    recording = Recording(
        model, x, torch.from_numpy(~hidden)[None], method=method, chains=2, seed=4, start=start
    )
    recording.extend(step + 1, patience=100)
    text = script.view(
        checkpoint=name, image=code, image_shape=shape, hidden=hidden, method=method, chains=2,
        seed=4, start=start, step=step, kind=kind, top=0.5,
        warm_up=recording.warm_up,
    )  # fmt: skip
    (tmp_path / "view.py").write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "view.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = np.asarray(Image.open(tmp_path / "view.png")).astype(int)
    wanted = state_picture(recording, shape, step, kind, top=0.5).astype(int)
    assert found.shape == wanted.shape
    images = slice(0, 28 * 3)  # given and chains: to a level of rounding
    assert np.abs(found[:, images] - wanted[:, images]).max() <= 1
    assert np.abs(found - wanted).max() <= 6  # spread in colours: a byte's rounding, stretched
    assert str(round(float(recording.log_joint(step, step + 1)[0, 0]), 2)) in done.stdout
