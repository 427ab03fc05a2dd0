"""Pictures in colour: what pages show of them, and what visitors take along."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from dashboard.components.chain_player import KEPT
from dashboard.logic.impute.imputation import (
    HIDDEN_COLOUR,
    chain_frames,
    given_picture,
    spread_colours,
    state_picture,
)
from dashboard.logic.impute.recording import Recording
from dashboard.logic.recognition.microscope_picture import GAP, HEAD, microscope_png
from dashboard.logic.recognition.posteriors import Posterior
from dashboard.logic.sample.browser_draws import as_in_browser, view_image
from dashboard.logic.sample.sample_files import image_png, to_bytes
from dashboard.scripts import impute as impute_script
from dashboard.scripts.latent_space import plane_script, ways_script
from dashboard.scripts.sample import image_script
from engine.checkpoints import load_checkpoint, save_checkpoint
from engine.models import LatentVariableModel, build_model
from engine.random import make_generator
from tests.dashboard.conftest import Shelf, words
from tests.dashboard.running import picture_of

SHAPE, SMALL = (32, 32, 3), (2, 2, 3)
NAME = "colour"


@pytest.fixture
def model(shelf: Shelf) -> LatentVariableModel:
    """A model on the shelf whose pictures have colours of their own."""
    config = {"layers": [4, 3], "hidden": [6], "likelihood": "gaussian"}
    path = shelf.add(NAME, "dlgm", dataset="cifar10-small", **config)
    made = load_checkpoint(path)
    with torch.no_grad():
        made.model.decoder[-1].weight.mul_(20)
    save_checkpoint(path, made.model.state_dict(), made.card)
    return load_checkpoint(path).model.eval().requires_grad_(False)


def small_recording() -> Recording:
    """Chains on two by two pixels of which the first is hidden, in all its values."""
    model = build_model("vae", data_dim=12, latent_dim=2, hidden=(8,), likelihood="gaussian")
    model.eval().reset_parameters(make_generator(0))
    x = torch.linspace(0, 1, 12)[None]
    observed = torch.arange(12)[None] >= 3
    recording = Recording(model, x, observed, method="pseudo-gibbs", chains=2, seed=0, channels=3)
    recording.extend(9, patience=100)
    return recording


def test_a_pixel_is_followed_by_the_mean_of_its_values() -> None:
    recording = small_recording()
    means = recording.means(0, 9)
    assert means.shape == (9, 2, 3)
    np.testing.assert_allclose(recording.pixel(0), means.mean(-1) / 255)
    given = np.rint(np.linspace(0, 1, 12)[3:6] * 255).mean() / 255
    np.testing.assert_allclose(recording.pixel(1), np.full((9, 2), given))


def test_chains_are_shown_in_colour_with_the_hidden_pixels_in_orange() -> None:
    recording = small_recording()
    given = given_picture(recording.given, recording.hidden, SMALL)
    assert given[0, 0].tolist() == list(HIDDEN_COLOUR)
    np.testing.assert_array_equal(given.reshape(-1)[3:], recording.given[3:])
    row = state_picture(recording, SMALL, 8, "draws", top=0.1)
    assert row.shape == (2, 2 * (2 + 3), 3)
    np.testing.assert_array_equal(row[:, 2:4].reshape(-1), recording.images(8, "draws")[0])
    frames = chain_frames(recording, SMALL, 8, "means")
    assert frames.shape == (9, 2, 4, 3)
    np.testing.assert_array_equal(frames[3][:, :2].reshape(-1), recording.images(3, "means")[0])


def test_the_spread_of_a_colour_is_the_root_mean_square_of_its_values() -> None:
    values = np.array([0.3, 0.4, 0.0])
    grey = spread_colours(np.array([np.sqrt((0.3**2 + 0.4**2) / 3)]), 0.5, (1, 1))
    np.testing.assert_array_equal(spread_colours(values, 0.5, (1, 1, 3)), grey)


def test_the_code_of_the_impute_page_makes_its_picture(
    model: LatentVariableModel, tmp_path: Path
) -> None:
    hidden = np.arange(32 * 32) >= 600
    z = model.prior().sample((1,), generator=make_generator(5))
    x = model.likelihood(z).mean
    observed = torch.from_numpy(~hidden.repeat(3))[None]
    method = "metropolis-within-gibbs"
    recording = Recording(model, x, observed, method=method, chains=2, seed=4, start=3, channels=3)
    recording.extend(13, patience=100)
    code = impute_script.view(
        checkpoint=NAME, image=impute_script.sample_image(5, bits=False), image_shape=SHAPE,
        hidden=hidden, method=method, chains=2, seed=4, start=3, step=12, kind="means", top=0.1,
        warm_up=recording.warm_up,
    )  # fmt: skip
    shown = state_picture(recording, SHAPE, 12, "means", top=0.1)
    written = picture_of(code, tmp_path)
    assert np.abs(written[:, :-32].astype(int) - shown[:, :-32]).max() <= 1
    # colours of spreads from bytes and from numbers
    assert np.abs(written[:, -32:].astype(int) - shown[:, -32:]).mean() < 3


def test_the_code_of_the_sample_page_makes_its_picture(
    model: LatentVariableModel, tmp_path: Path
) -> None:
    code = model.prior().sample((1,), generator=make_generator(5)).numpy()
    shown = to_bytes(view_image(as_in_browser(model), code[0], 1, 1), SHAPE)
    assert shown.shape == SHAPE
    written = picture_of(image_script(NAME, code, SHAPE, what="A test", bits=False), tmp_path)
    assert np.abs(written.astype(int) - shown).max() <= 2
    assert np.ptp(shown, axis=2).max() > 20  # it has colours
    assert image_png(shown.reshape(-1) / 255, SHAPE).startswith(b"\x89PNG")


def test_the_code_of_the_latent_space_page_makes_its_pictures(
    model: LatentVariableModel, tmp_path: Path
) -> None:
    pins = model.prior().sample((2,), generator=make_generator(5)).numpy()
    script = ways_script(NAME, pins, (0, 1), (4, 3), 1, SHAPE, bits=False)
    ways = picture_of(script, tmp_path)
    assert ways.shape == (3 * 32, 9 * 32, 3)
    shown = to_bytes(model.likelihood(torch.from_numpy(pins[:1])).mean[0].numpy(), SHAPE)
    assert np.abs(ways[:32, :32].astype(int) - shown).max() <= 1
    assert (ways[:32, 64:] == 0).all()  # two pins above nine steps
    plane = plane_script(
        NAME, ("", "", 0, False), (4, 2), 1, (0, 1), None, SHAPE, bits=False, quantiles=False
    )
    assert "SHAPE = (32, 32, 3)" in plane


def test_the_picture_of_the_recognition_page_is_in_colour() -> None:
    image = np.zeros(SHAPE)
    image[..., 0] = 1
    normal = {"x": 0.0, "y": 0.0, "covariance": [1.0, 0.0, 1.0]}
    posterior = Posterior({}, {}, "", np.zeros(2))
    made = microscope_png(image.reshape(-1), image.reshape(-1), SHAPE, normal, posterior, None)
    with Image.open(io.BytesIO(made)) as picture:
        assert picture.getpixel((GAP + 5, HEAD + 5)) == (255, 0, 0)


@pytest.mark.parametrize("page", ["latent_space", "sample", "recognition", "impute"])
def test_every_page_opens_on_real_pictures(
    page: str,
    shelf: Shelf,
    model: LatentVariableModel,
    open_page: Callable[..., AppTest],
    data_root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HELMHOLTZ_DATA", str(data_root))
    opened = open_page(page, checkpoint=NAME)
    assert not opened.error
    assert not opened.warning
    assert "not on this machine" not in words(opened)


def test_chains_start_from_an_upload_in_colour(
    shelf: Shelf, model: LatentVariableModel, open_page: Callable[..., AppTest]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    page = open_page("impute", checkpoint=NAME, source="upload")
    assert "Crop, invert, binarise" not in [expander.label for expander in page.expander]
    page.file_uploader("impute.image").set_value(("view.png", buffer.getvalue(), "image/png")).run()
    assert not page.exception
    recording = page.session_state[KEPT].recording
    assert recording.channels == 3
    np.testing.assert_array_equal(recording.given, pixels.reshape(-1))
    hidden = recording.hidden.reshape(SHAPE)
    assert (hidden == hidden[..., :1]).all()  # all values of a pixel, or none
    assert "not in this page's address" in words(page)
