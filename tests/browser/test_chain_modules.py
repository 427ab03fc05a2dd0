"""The modules of chain player and mask brush against Python, in a blank tab."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page

from dashboard import permalinks
from dashboard.logic.impute.class_mix import ClassMix
from dashboard.logic.impute.imputation import given_picture, spread_colours
from dashboard.logic.impute.playing import message
from dashboard.logic.impute.recording import Recording
from engine.datasets.masks import half_mask, square_mask
from engine.models import build_model
from engine.random import make_generator
from tests.browser.modules import load, numbers, send

pytestmark = pytest.mark.browser

SHAPE, STEPS, CHAINS = (7, 5), 40, 3
HEADER: dict[str, Any] = {"token": "t"}


@pytest.fixture(scope="module")
def blank(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.goto("about:blank")
    load(page, "blob", "recorded", "masks", "class_bands", "chain_numbers", "playback", "pictures")
    load(page, "dom")
    yield page
    context.close()


@pytest.fixture(params=["bernoulli", "gaussian", "colour"])
def recording(request: pytest.FixtureRequest, blank: Page) -> Recording:
    """A recording that the tab got in three messages, as `recorded`."""
    density = request.param != "bernoulli"
    channels = 3 if request.param == "colour" else 1
    model = build_model(
        "vae",
        data_dim=35 * channels,
        latent_dim=2,
        hidden=(8,),
        likelihood="gaussian" if density else "bernoulli",
    )
    model.eval().reset_parameters(make_generator(0))
    x = (torch.arange(35 * channels) % 3 == 0).float()[None]
    observed = (torch.arange(35) % 4 == 0).repeat_interleave(channels)[None]
    mix = ClassMix(np.eye(2, dtype=np.float32)[[0, 1] * 10], np.array([0, 1] * 10), ("a", "b"))
    recording = Recording(
        model, x, observed, method="metropolis-within-gibbs", chains=CHAINS, seed=1, start=9,
        classes=mix, channels=channels,
    )  # fmt: skip
    parts = []
    for first, length in ((0, 11), (11, 30), (25, STEPS)):  # the last tells five steps again
        recording.extend(length, patience=100)
        parts.append(message(recording, HEADER, first=first, density=density))
    for index, part in enumerate(parts):
        send(blank, f"part{index}", part)
    blank.evaluate(
        """() => {
            globalThis.recorded = new modules.recorded.Recorded(messages.part0);
            globalThis.moments = new modules.recorded.Moments(recorded);
            globalThis.out = new Uint8Array(recorded.given.length);
            recorded.append(messages.part1);
            recorded.append(messages.part2);
        }"""
    )
    return recording


def test_the_browser_has_every_step_as_it_was_recorded(blank: Page, recording: Recording) -> None:
    assert blank.evaluate("() => recorded.length") == STEPS
    for step in (0, 10, 11, 29, 30, STEPS - 1):
        for kind in ("means", "draws"):
            found = [
                numbers(blank, f"recorded.picture('{kind}', {step}, {chain}, out)")
                for chain in range(CHAINS)
            ]
            np.testing.assert_array_equal(found, recording.images(step, kind))
        joint = numbers(blank, f"[0, 1, 2].map((chain) => recorded.logJoint({step}, chain))")
        np.testing.assert_array_equal(joint, recording.log_joint(step, step + 1)[0])
        votes = numbers(blank, f"recorded.votes({step}, 1)")
        known = recording.votes(step, step + 1)
        assert known is not None
        np.testing.assert_array_equal(votes, known[0, 1])
        for pixel in (0, 5):
            values = numbers(
                blank, f"[0, 1, 2].map((chain) => recorded.pixel({pixel}, {step}, chain))"
            )
            np.testing.assert_allclose(values, recording.pixel(pixel)[step])


def test_steps_that_do_not_follow_are_refused(blank: Page, recording: Recording) -> None:
    found = blank.evaluate(
        """() => {
            const fresh = new modules.recorded.Recorded(messages.part0);
            const other = {...messages.part1, header: {...messages.part1.header, token: "u"}};
            return [fresh.append(messages.part2), fresh.append(other), fresh.length];
        }"""
    )
    assert found == [False, False, 11]


def test_mean_spread_and_acceptance_are_the_servers_at_every_step_and_back(
    blank: Page, recording: Recording
) -> None:
    blank.evaluate("() => { globalThis.heat = new Float32Array(35); }")
    for step in (0, 3, 9, 10, 39, 20, 10, 39, 4, 0):
        blank.evaluate(f"() => moments.moveTo(...recorded.window({step}))")
        mean, spread = recording.moments(step)
        np.testing.assert_allclose(numbers(blank, "moments.mean(out)"), mean * 255, atol=0.5001)
        whole = np.sqrt(np.square(spread).reshape(35, -1).mean(-1))  # of a pixel's values
        np.testing.assert_allclose(
            numbers(blank, "moments.spread(0.5, heat)"), whole / 0.5, atol=1e-6
        )
    for step in (10, 25):
        taken = recording.accepted(recording.start + 1, step + 1).mean()
        assert blank.evaluate(f"() => recorded.acceptance({step})") == pytest.approx(taken)
    assert blank.evaluate("() => Number.isNaN(recorded.acceptance(9))")


def test_shares_are_over_chains_and_steps(blank: Page, recording: Recording) -> None:
    votes = recording.votes(4, 12)
    assert votes is not None
    wanted = votes.sum((0, 1)) / votes.sum()
    np.testing.assert_allclose(
        numbers(blank, "modules.class_bands.shares(recorded, 4, 11)"), wanted
    )
    words = blank.evaluate("() => modules.class_bands.inWords(['a', 'b', 'c'], [0.3, 0.68, 0.02])")
    assert words == "b: 68 %, a: 30 %"


def test_colours_are_those_of_the_files(blank: Page) -> None:
    values = np.linspace(0, 1.2, 35)
    bytes_ = np.arange(35, dtype=np.uint8) * 7
    hidden = np.arange(35) % 2 == 0
    painted = """(name, ...values) => {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [5, 7];
        modules.pictures[name](canvas, ...values);
        return canvas.getContext("2d").getImageData(0, 0, 5, 7).data.filter((_, i) => i % 4 < 3);
    }"""
    heat = numbers(blank, f"({painted})('paintHeat', argument)", values.tolist())
    wanted = spread_colours(values, 1.0, SHAPE).ravel()
    assert np.abs(np.array(heat) - wanted).max() <= 3  # a table of 256
    given = numbers(
        blank,
        f"({painted})('paintHidden', argument[0], argument[1])",
        [bytes_.tolist(), hidden.astype(int).tolist()],
    )
    np.testing.assert_array_equal(given, given_picture(bytes_, hidden, SHAPE).ravel())
    colours = np.arange(105, dtype=np.uint8) * 2
    given = numbers(
        blank,
        f"({painted})('paintHidden', argument[0], argument[1])",
        [colours.tolist(), hidden.astype(int).tolist()],
    )
    wanted = given_picture(colours, hidden.repeat(3), (*SHAPE, 3))
    np.testing.assert_array_equal(given, wanted.ravel())


@pytest.mark.parametrize("channels", [1, 3])
def test_values_are_painted_grey_or_in_colour(blank: Page, channels: int) -> None:
    values = np.linspace(-0.1, 1.1, 35 * channels)
    found = numbers(
        blank,
        """(() => {
            const canvas = modules.dom.imageCanvas(5, 7, "");
            modules.dom.paint(canvas, Float32Array.from(argument));
            return canvas.getContext("2d").getImageData(0, 0, 5, 7).data;
        })()""",
        values.tolist(),
    )
    pixels = np.array(found).reshape(35, 4)
    wanted = np.tile(np.rint(values.clip(0, 1) * 255).reshape(35, channels), 3 // channels)
    assert np.abs(pixels[:, :3] - wanted).max() <= 1
    assert (pixels[:, 3] == 255).all()


@pytest.mark.parametrize("shape", [(28, 28), (28, 20), (7, 5)])
def test_masks_are_the_engines_and_their_text_is_read_by_python(
    blank: Page, shape: tuple[int, int]
) -> None:
    height, width = shape
    for side in ("top", "bottom", "left", "right"):
        found = np.array(numbers(blank, f"modules.masks.halfMask({height}, {width}, '{side}')"))
        np.testing.assert_array_equal(found == 0, half_mask(shape, side)[0].numpy())
    found = np.array(numbers(blank, f"modules.masks.squareMask({height}, {width}, 4)"))
    np.testing.assert_array_equal(found == 0, square_mask(shape, 4)[0].numpy())
    call = f"modules.masks.randomMask({height}, {width}, 0.6, argument)"
    masks = [np.array(numbers(blank, call, seed)) for seed in (3, 3, 4)]
    assert masks[0].sum() == round(0.6 * height * width)
    np.testing.assert_array_equal(masks[0], masks[1])
    assert (masks[0] != masks[2]).any()
    text = blank.evaluate(f"() => modules.masks.toText({call.replace('argument', '3')})")
    np.testing.assert_array_equal(permalinks.decode_bits(text, height * width), masks[0] == 1)


def test_the_last_diagnosis_before_a_step_is_shown_and_its_r_hat_judged(blank: Page) -> None:
    place = "modules.chain_numbers.placeOf([10, 15, 20], step)"
    found = numbers(blank, f"[0, 9, 10, 14, 15, 99].map((step) => {place})")
    assert found == [-1, -1, 0, 0, 1, 2]
    for value, text, high in (
        ("1.004", "1.004", False), ("1.02", "1.020", True), ("null", "–", False),
        ("'inf'", "∞", True), ("1e12", "over 100", True),
    ):  # fmt: skip
        assert blank.evaluate(f"() => modules.chain_numbers.rHatText({value})") == text
        assert blank.evaluate(f"() => modules.chain_numbers.isHigh({value})") is high


def test_a_complete_recording_ends_and_starts_over(blank: Page) -> None:
    found = blank.evaluate(
        """() => new Promise((resolve) => {
            const steps = [];
            const player = new modules.playback.Playback({
                shown: (step) => steps.push(step), changed() {}, rested: () => finish(),
            });
            const finish = () => setTimeout(() => resolve([steps, player.playing]), 0);
            player.speed = modules.playback.SPEEDS.length - 1;
            player.complete = true;
            player.grow(20);
            player.step = 19;
            player.play();
        })"""
    )
    steps, playing = found
    assert steps[0] == 0
    assert steps[-1] == 19
    assert not playing
