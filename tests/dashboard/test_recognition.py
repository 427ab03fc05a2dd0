"""The Recognition page: what it shows of the gap, what it takes from browsers and addresses."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from dashboard.components.anatomy import gap_sentences, nats
from dashboard.embedding import latent_plane
from dashboard.logic.recognition.gap_files import curve_csv, gap_csv
from dashboard.logic.recognition.gap_runs import GapRun
from dashboard.logic.recognition.microscope_picture import microscope_png
from dashboard.logic.recognition.posteriors import (
    MASSES,
    covariance,
    mass_levels,
    plane_normal,
    true_posterior,
)
from dashboard.logic.recognition.recognition import View, checked_view, decode_image, encode_image
from dashboard.logic.runs import Runs
from dashboard.scripts.recognition import recognition_script
from engine.distributions import DiagonalNormal, IndependentLayers, RankOneNormal
from engine.evaluation import exact
from engine.evaluation.gap import anatomy
from engine.models import LatentVariableModel, build_model
from engine.random import make_generator
from tests.dashboard.conftest import Shelf, words

ROOT = Path(__file__).resolve().parents[2]
OpenPage = Callable[..., AppTest]


def made(kind: str = "vae", **config: object) -> LatentVariableModel:
    model = build_model(kind, **{"data_dim": 784, **config})
    model.reset_parameters(make_generator(0))
    return model.eval().requires_grad_(False)


def small() -> LatentVariableModel:
    return made(latent_dim=2, hidden=[8])


@pytest.fixture
def image() -> torch.Tensor:
    return (torch.rand(784, generator=make_generator(3)) < 0.2).float()


# ---------------------------------------------------------------- images as text


@pytest.mark.parametrize("bits", [True, False])
def test_an_image_survives_its_text(bits: bool) -> None:
    levels = torch.randint(256, (560,), generator=make_generator(0)).numpy()
    x = (levels > 127).astype(np.float32) if bits else levels.astype(np.float32) / np.float32(255)
    text = encode_image(x, bits=bits)
    np.testing.assert_array_equal(decode_image(text, 560, bits=bits), x)
    assert re.fullmatch(r"[\w-]+", text)


@pytest.mark.parametrize("text", ["", "A" * 130, "A" * 132, "é" * 131, "*" * 131, "A" * 10**6])
def test_text_that_is_no_image_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="784 bits") as caught:
        decode_image(text, 784, bits=True)
    assert len(str(caught.value)) < 100


BLANK = encode_image(np.zeros(784, dtype=np.float32), bits=True)
GOOD = {"token": "t", "image": BLANK, "start": "blank", "seed": 3}


def test_a_report_of_the_browser_becomes_a_view() -> None:
    assert checked_view(GOOD, "t", 784, bits=True) == View(BLANK, "blank", 3)


@pytest.mark.parametrize(
    "forged",
    [
        None,
        "text",
        {},
        {**GOOD, "token": "of another image"},
        {**GOOD, "image": 7},
        {**GOOD, "image": BLANK[:-1]},
        {**GOOD, "start": "<b>"},
        {**GOOD, "seed": -1},
        {**GOOD, "seed": 1.5},
        {**GOOD, "seed": float("nan")},
        {**GOOD, "seed": float("inf")},
        {**GOOD, "seed": True},
        {**GOOD, "seed": 10**9},
    ],
)
def test_a_forged_report_is_ignored(forged: object) -> None:
    assert checked_view(forged, "t", 784, bits=True) is None


# ---------------------------------------------------------------- the true posterior


def test_the_lines_of_a_normal_density_hold_what_its_ellipses_hold() -> None:
    axis = np.linspace(-6, 6, 241)
    log_density = -(axis[:, None] ** 2 + axis[None, :] ** 2) / 2
    # one and two standard deviations away the density is down by a half and by two nats
    np.testing.assert_allclose(mass_levels(log_density), [-0.5, -2.0], atol=0.02)
    assert pytest.approx((0.3935, 0.8647), abs=1e-4) == MASSES


def test_covariances_are_those_of_many_draws() -> None:
    generator = make_generator(1)
    loc, factor = torch.randn(2, 1, 4, generator=generator)
    q = IndependentLayers(
        [DiagonalNormal(loc, loc * 0.3), RankOneNormal(loc, torch.zeros(1, 4), factor)]
    )
    draws = q.sample((200_000,), generator=generator)[:, 0].double()
    np.testing.assert_allclose(covariance(q), np.cov(draws.numpy().T), atol=0.03)


def test_an_enumerated_posterior_and_weighted_draws_agree(image: torch.Tensor) -> None:
    model = made("sbn", layers=[6])
    found = true_posterior(model, image, None, samples=10, seed=0)
    assert "all 64 states" in found.words
    wanted = (exact.posterior(model, image[None])[:, 0] @ exact.all_bits(6)).numpy()
    np.testing.assert_allclose(found.mean, wanted, atol=1e-6)


def test_two_latents_get_a_grid_and_more_an_ellipse_with_its_worth(image: torch.Tensor) -> None:
    grid = true_posterior(small(), image, latent_plane(), samples=10, seed=0)
    assert grid.header["grid"]["columns"] ** 2 == grid.arrays["log_density"].size
    model = made(latent_dim=3, hidden=[8])
    from dashboard.logic.recognition.recognition import plane_of

    plane = plane_of(np.random.default_rng(0).normal(size=(50, 3)))
    weighted = true_posterior(model, image, plane, samples=500, seed=0)
    assert set(weighted.header["normal"]) == {"x", "y", "covariance"}
    assert re.search(r"500 weighted draws of q, worth \d+", weighted.words)


# ---------------------------------------------------------------- runs


def test_a_run_gives_the_engines_numbers_and_tells_how_far_it_is(image: torch.Tensor) -> None:
    run = GapRun(small(), image, 100, 5)
    assert run.wait(60)
    assert run.error is None
    assert run.result is not None
    assert run.share == 1.0
    wanted = anatomy(small(), image, samples=100, generator=make_generator(5))
    assert run.result.elbo == wanted.elbo
    assert run.result.local_elbo == wanted.local_elbo
    assert run.result.log_marginal == wanted.log_marginal


def test_a_stopped_run_ends_at_once_without_a_result(image: torch.Tensor) -> None:
    run = GapRun(made(latent_dim=20, hidden=[500]), image, 50_000, 0)
    time.sleep(0.2)
    run.stop()
    began = time.monotonic()
    assert run.wait(20)
    assert time.monotonic() - began < 5
    assert run.error == "stopped"
    assert run.result is None


def test_no_more_than_two_runs_at_once(image: torch.Tensor) -> None:
    runs: Runs[GapRun] = Runs()
    model = made(latent_dim=20, hidden=[500])

    def long() -> GapRun:
        return GapRun(model, image, 50_000, 0)

    started = [runs.start(key, long) for key in (1, 2)]
    assert runs.start(1, long) is started[0]
    assert runs.start(3, long) is None
    for run in started:
        assert run is not None
        run.stop()
        assert run.wait(20)
    last = runs.start(3, lambda: GapRun(small(), image, 10, 3))
    assert last is not None
    assert last.wait(60)


def test_the_files_hold_the_numbers(image: torch.Tensor) -> None:
    found = anatomy(small(), image, samples=20, steps=20, generator=make_generator(0))
    curve = np.genfromtxt(io.BytesIO(curve_csv(found)), delimiter=",", skip_header=1)
    assert curve[:, 0].tolist() == list(found.curve.ks)
    np.testing.assert_allclose(curve[:, 1], found.curve.bound, atol=1e-5)
    rows = dict(
        line.rsplit(",", 2)[:2] for line in gap_csv(found).decode().strip().splitlines()[1:]
    )
    assert float(rows["gap of amortisation"]) == pytest.approx(
        found.amortisation_gap.value, abs=1e-5
    )
    assert float(rows["log p(x) by grid"]) == pytest.approx(found.log_marginal.value, abs=1e-5)


def test_the_sentences_say_what_was_measured(image: torch.Tensor) -> None:
    found = anatomy(small(), image, samples=20, steps=50, generator=make_generator(0))
    amortised, family = gap_sentences(found, {"model": "vae", "config": {}})
    assert f"{found.amortisation_gap.value:.1f}" in amortised
    assert "a Gaussian with independent latents" in family


@pytest.mark.parametrize("kind", ["sbn", "fdarn", "darn"])
def test_the_gap_of_linked_bits_is_taken_apart(kind: str) -> None:
    config = {"layers": [4], "recognition": "autoregressive"}
    model = build_model(kind, data_dim=6, **config).eval().requires_grad_(False)
    generator = make_generator(2)
    for parameter in model.parameters():
        parameter.normal_(0, 0.8, generator=generator)
    x = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    found = anatomy(model, x, samples=200, steps=60, generator=make_generator(0))
    assert found.source == "enumeration"
    assert found.log_marginal.value == pytest.approx(
        float(exact.log_marginal(model, x[None])), abs=1e-4
    )
    for gap in (found.amortisation_gap, found.family_gap):
        assert gap.value > -5 * gap.standard_error
    _, family = gap_sentences(found, {"model": kind, "config": config})
    assert "links that the network of q has" in family


def test_the_picture_shows_image_posterior_and_what_is_redrawn(image: torch.Tensor) -> None:
    model = small()
    q = model.recognition(image[None])
    posterior = true_posterior(model, image, latent_plane(), samples=1, seed=0)
    normal = plane_normal(q, latent_plane())
    redrawn = model.likelihood(q.mean).mean[0].numpy()
    data = microscope_png(image.numpy(), redrawn, (28, 28), normal, posterior, normal)
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    first = pixels[30 + 7 : 30 + 392 : 14, 24 + 7 : 24 + 392 : 14, 0]
    np.testing.assert_array_equal(first > 127, image.view(28, 28).numpy() > 0)
    colours = {tuple(pixel) for pixel in pixels[30:422, 440:832].reshape(-1, 3).tolist()}
    assert {(0, 114, 178), (213, 94, 0), (0, 158, 115)} <= colours


# ---------------------------------------------------------------- the code for this view


def test_the_script_prints_the_pages_numbers_for_the_very_image(
    shelf: Shelf, image: torch.Tensor
) -> None:
    shelf.add("tiny", latent_dim=2, hidden=[8])
    run = GapRun(small(), image, 50, 4)
    assert run.wait(60)
    assert run.result is not None
    code = recognition_script(
        "tiny",
        encode_image(image.numpy(), bits=True),
        bits=True,
        pixels=784,
        samples=50,
        repetitions=4,
        steps=300,
        seed=4,
    )
    done = subprocess.run(
        [sys.executable, "-"],
        input=code,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "HELMHOLTZ_PRETRAINED": str(shelf.folder), "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    found = run.result
    assert printed["ELBO"] == f"{found.elbo.value:.4f} +- {found.elbo.standard_error:.4f}"
    for name, gap in (
        ("gap of amortisation", found.amortisation_gap),
        ("gap of the family", found.family_gap),
    ):
        assert printed[name] == f"{gap.value:.4f} +- {gap.standard_error:.4f}"
    assert float(printed["L_50"].split()[0]) == pytest.approx(
        float(found.curve.bound[-1]), abs=1e-3
    )


# ---------------------------------------------------------------- the page


def address(page: AppTest, name: str) -> str:
    value = page.query_params[name]
    return value[0] if isinstance(value, list) else value


def taken_apart(page: AppTest) -> AppTest:
    """The page after its button was pressed and the run has come to its end."""
    page.button("recognition.gap.start").click().run()
    deadline = time.monotonic() + 60
    while "Amortisation" not in words(page):
        assert time.monotonic() < deadline
        time.sleep(0.2)
        page.run()
    assert not page.exception
    return page


def test_the_page_shows_the_engines_numbers(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("tiny", latent_dim=2, hidden=[8])
    x = torch.zeros(784)
    x[200:230] = 1
    text = encode_image(x.numpy(), bits=True)
    page = taken_apart(open_page("recognition", drawn=text, draws="100", seed="5"))
    found = anatomy(small(), x, samples=100, generator=make_generator(5))
    said = words(page)
    for wanted in (found.elbo, found.local_elbo, found.log_marginal):
        assert nats(wanted) in said
    assert f"Amortisation, {nats(found.amortisation_gap)}" in said
    assert f"Family, {nats(found.family_gap)}" in said
    assert "(exact)" in said
    assert address(page, "drawn") == text


def test_a_damaged_link_gives_a_message_and_the_image_as_it_is(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("tiny", latent_dim=2, hidden=[8])
    page = open_page("recognition", drawn="<b>", start="nowhere", seed="-3", draws="7", image="x")
    (warning,) = page.warning
    for name in ("drawn", "start", "seed", "draws", "image"):
        assert f"`{name}`" in warning.value
    assert "<b>" not in warning.value
    assert "drawn" not in page.query_params


def test_another_image_drops_the_drawing_from_the_address(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("tiny", latent_dim=2, hidden=[8])
    page = open_page("recognition", drawn=BLANK)
    assert address(page, "drawn") == BLANK
    page.button("recognition.another").click().run()
    assert not page.exception
    assert "drawn" not in page.query_params
    assert address(page, "image").isdigit()


def test_a_drawing_that_is_the_image_itself_needs_no_place_in_the_address(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("tiny", latent_dim=2, hidden=[8])
    page = open_page("recognition")
    assert "drawn" not in page.query_params


def test_faces_without_data_start_blank(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("faces", dataset="frey", latent_dim=2, hidden=[8], likelihood="gaussian")
    page = open_page("recognition", draws="100")
    assert "not on this machine" in words(page)
    assert "ELBO" in words(taken_apart(page))


def test_bits_are_enumerated_where_they_are_few(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("belief", "sbn", layers=[4, 3])
    said = words(taken_apart(open_page("recognition", draws="100")))
    assert "by summing over all states" in said
    assert "independent bits within each layer" in said


def test_one_latent_is_not_offered(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("line", latent_dim=1, hidden=[8])
    assert "There is no checkpoint of images with two latents" in words(open_page("recognition"))


def test_a_broken_checkpoint_is_an_error_in_words(shelf: Shelf, open_page: OpenPage) -> None:
    path = shelf.add("tiny", latent_dim=2, hidden=[8])
    path.write_bytes(path.read_bytes()[:-100])
    page = open_page("recognition")
    assert page.error or page.info
