"""The Impute page in every state it can be in, with real models, data and uploads."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from streamlit.testing.v1 import AppTest

from dashboard.imputation import (
    HIDDEN_COLOUR,
    STRIP_STEPS,
    WARM_UP,
    Run,
    given_picture,
    identify,
    scale_bar,
    spread_colours,
    strip_picture,
)
from engine.checkpoints import save_checkpoint
from engine.models import build_model
from engine.random import make_generator
from tests.dashboard.conftest import Shelf

Open = Callable[..., AppTest]

DIGITS: dict[str, dict[str, Any]] = {
    "dlgm-digits": {"kind": "dlgm", "layers": [4, 3]},
    "sbn-digits": {"kind": "sbn", "layers": [5, 4]},
    "vae-digits": {"kind": "vae", "latent_dim": 3, "hidden": [16]},
}


@pytest.fixture
def digits(shelf: Shelf) -> Path:
    for name, config in DIGITS.items():
        shelf.add(name, **config)
    return shelf.folder


@pytest.fixture
def faces(shelf: Shelf) -> Path:
    config = {"latent_dim": 2, "hidden": [16], "likelihood": "gaussian"}
    shelf.add("vae-faces", dataset="frey", **config)
    return shelf.folder


@pytest.fixture
def opened(open_page: Callable[..., AppTest]) -> Callable[..., AppTest]:
    return partial(open_page, "impute")


def summary(page: AppTest) -> str:
    return next(m.value for m in page.markdown if m.value.startswith("**Step"))


def run_of(page: AppTest) -> Run:
    return page.session_state["impute.run"]


def captions(page: AppTest) -> list[str]:
    return [caption for image in page.image for caption in image.captions]


def shown(page: AppTest, caption: str) -> str:
    """The address of a picture: it is made from the picture's content."""
    return next(i.value[0] for i in page.image if list(i.captions) == [caption])


def png(image: Image.Image) -> tuple[str, bytes, str]:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return "picture.png", buffer.getvalue(), "image/png"


def drawn_seven() -> Image.Image:
    image = Image.new("L", (320, 400), 240)
    ImageDraw.Draw(image).line([(80, 90), (220, 90), (130, 300)], fill=20, width=26)
    return image


def half_white() -> Image.Image:
    image = Image.new("L", (90, 90), 255)
    image.paste(0, (0, 45, 90, 90))
    return image


def test_without_checkpoints_the_page_says_how_to_train_one(shelf: Shelf, opened: Open) -> None:
    page = opened()
    assert "python -m engine train" in page.info[0].value
    assert not page.image


@pytest.mark.parametrize("name", DIGITS)
def test_every_digit_model_steps_from_a_fill_at_step_zero(
    digits: Path, opened: Open, name: str
) -> None:
    page = opened(checkpoint=name)
    assert summary(page).startswith("**Step 0** · 470 of 784 pixels hidden")
    assert captions(page) == [
        "The whole image", "What the chains get", "4 chains now", "Mean, 0 to 1",
        "Spread, 0 to 0.5", "Fill", "Steps 1 to 5", "Steps 6 to 10", "Steps 11 to 15",
    ]  # fmt: skip
    before = {caption: shown(page, caption) for caption in captions(page)}

    page.button(key="impute.step").click().run()
    assert summary(page).startswith("**Step 1** ")
    after = {caption: shown(page, caption) for caption in captions(page)}
    changed = {caption for caption in before if before[caption] != after[caption]}
    assert changed == {"4 chains now", "Mean, 0 to 1", "Spread, 0 to 0.5", "Steps 1 to 5"}


def test_without_its_own_data_the_embedded_digits_take_their_place_as_bits(
    digits: Path, opened: Open
) -> None:
    page = opened()
    assert "5000 embedded digits" in page.info[0].value
    assert set(run_of(page).state.x.unique().tolist()) == {0.0, 1.0}


def test_observed_pixels_are_the_images_own_at_every_step(digits: Path, opened: Open) -> None:
    page = opened(checkpoint="sbn-digits")
    page.segmented_control(key="impute.stride").select(25).run()
    start = run_of(page).state
    page.button(key="impute.step").click().run()
    now = run_of(page).state
    assert now.step == 25
    assert torch.equal(now.x[:, start.observed], start.x[:, start.observed])
    assert not torch.equal(now.x, start.x)


def test_reset_goes_back_to_another_fill_of_the_same_image(digits: Path, opened: Open) -> None:
    page = opened()
    first = run_of(page).state.x
    page.button(key="impute.step").click().run()
    page.button(key="impute.reset").click().run()
    assert summary(page).startswith("**Step 0** ")
    again = run_of(page).state
    assert torch.equal(again.x[:, again.observed], first[:, again.observed])
    assert not torch.equal(again.x, first)


def test_playing_steps_at_every_run_and_pausing_stops(digits: Path, opened: Open) -> None:
    page = opened()
    page.button(key="impute.play").click().run()
    assert page.button(key="impute.play").label == "Pause"
    assert page.button(key="impute.step").disabled
    step = run_of(page).state.step
    page.run()
    assert run_of(page).state.step == step + 1
    page.button(key="impute.play").click().run()
    assert page.button(key="impute.play").label == "Play"
    step = run_of(page).state.step
    page.run()
    assert run_of(page).state.step == step


def test_a_forgotten_tab_stops_playing(
    digits: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.pages.impute.LONGEST_PLAY", 25)
    page = opened()
    page.segmented_control(key="impute.stride").select(25).run()
    page.button(key="impute.play").click().run()
    assert page.button(key="impute.play").label == "Play"
    assert run_of(page).state.step == 25


@pytest.mark.parametrize(
    ("kind", "hidden"), [("60", 470), ("80", 627), ("square", 196), ("half", 392)]
)
def test_each_mask_hides_its_number_of_pixels(
    digits: Path, opened: Open, kind: str, hidden: int
) -> None:
    page = opened()
    page.segmented_control(key="impute.mask").select(kind).run()
    assert not page.exception
    assert f"{hidden} of 784 pixels hidden" in summary(page)


def test_square_half_and_pattern_follow_their_widgets(digits: Path, opened: Open) -> None:
    page = opened()
    before = run_of(page).state.observed
    page.button(key="impute.another_pattern").click().run()
    assert not torch.equal(run_of(page).state.observed, before)
    page.segmented_control(key="impute.mask").select("square").run()
    page.slider(key="impute.square.28").set_value(6).run()
    assert "36 of 784" in summary(page)
    page.segmented_control(key="impute.mask").select("half").run()
    page.segmented_control(key="impute.half").select("left").run()
    observed = run_of(page).state.observed.view(28, 28)
    assert not observed[:, :14].any()
    assert observed[:, 14:].all()


def test_a_step_made_is_lost_only_when_what_it_started_from_changes(
    digits: Path, opened: Open
) -> None:
    page = opened()
    page.button(key="impute.step").click().run()
    page.segmented_control(key="impute.show").select("draws").run()
    page.segmented_control(key="impute.stride").select(5).run()
    assert run_of(page).state.step == 1
    page.slider(key="impute.chains").set_value(1).run()
    assert run_of(page).state.x.shape == (1, 1, 784)
    assert run_of(page).state.step == 0
    assert "1 chain now" in captions(page)


def test_another_image_and_a_class_are_drawn_on_demand(digits: Path, opened: Open) -> None:
    page = opened()
    assert page.number_input(key="impute.index").value == 0
    page.button(key="impute.another").click().run()
    first = page.number_input(key="impute.index").value
    page.button(key="impute.another").click().run()
    assert page.number_input(key="impute.index").value != first

    from dashboard import cache

    page.selectbox(key="impute.class").select("7").run()
    labels = cache.dataset("digits-mini").labels
    assert labels is not None
    assert labels["test"][page.number_input(key="impute.index").value] == 7


def test_an_index_beyond_a_smaller_split_goes_back_to_its_first_image(
    digits: Path, opened: Open
) -> None:
    page = opened()
    sizes = {}
    for split in ("train", "valid", "test"):
        page.selectbox(key="impute.data.split").select(split).run()
        sizes[split] = int(page.number_input(key="impute.index").max)
    large, small = max(sizes, key=lambda s: sizes[s]), min(sizes, key=lambda s: sizes[s])
    page.selectbox(key="impute.data.split").select(large).run()
    page.number_input(key="impute.index").set_value(sizes[large]).run()
    page.selectbox(key="impute.data.split").select(small).run()
    assert not page.exception
    assert page.number_input(key="impute.index").value == 0


def test_faces_without_data_start_from_the_models_own_sample(faces: Path, opened: Open) -> None:
    page = opened(checkpoint="vae-faces")
    assert "Frey faces" in page.info[0].value
    assert "336 of 560 pixels hidden, root mean square error" in summary(page)
    assert "Spread, 0 to 0.2" in captions(page)
    first = run_of(page).state.x[:, run_of(page).state.observed]
    page.button(key="impute.step").click().run()
    assert run_of(page).state.step == 1
    page.button(key="impute.another_sample").click().run()
    assert run_of(page).state.step == 0
    other = run_of(page).state.x[:, run_of(page).state.observed]
    assert not torch.equal(first, other)


def test_a_models_sample_of_digits_is_bits(digits: Path, opened: Open) -> None:
    page = opened(checkpoint="dlgm-digits")
    page.segmented_control(key="impute.source.data").select("sample").run()
    assert set(run_of(page).state.x.unique().tolist()) <= {0.0, 1.0}


def test_an_upload_shows_its_way_and_becomes_the_image(digits: Path, opened: Open) -> None:
    page = opened()
    page.segmented_control(key="impute.source.data").select("upload").run()
    assert "once there are an image and a mask" in page.info[-1].value
    assert not page.image
    page.file_uploader(key="impute.image").set_value(png(drawn_seven())).run()
    assert not page.exception
    assert captions(page)[:6] == [
        "As uploaded", "Cropped", "Scaled to 28 × 28", "Inverted", "Full contrast", "Binarised",
    ]  # fmt: skip
    ink = run_of(page).state.x[0, 0][run_of(page).state.observed[0]].mean()
    page.slider(key="impute.threshold").set_value(0.95).run()
    assert run_of(page).state.x[0, 0][run_of(page).state.observed[0]].mean() < ink
    page.segmented_control(key="impute.invert.digits").select("no").run()
    assert "Inverted" not in captions(page)
    page.button(key="impute.step").click().run()
    assert summary(page).startswith("**Step 1** ")


def test_an_uploaded_face_keeps_its_grey_values(faces: Path, opened: Open) -> None:
    page = opened()
    page.segmented_control(key="impute.source.sample").select("upload").run()
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, 200).astype(np.uint8), (280, 1)))
    page.file_uploader(key="impute.image").set_value(png(ramp)).run()
    assert captions(page)[:3] == ["As uploaded", "Cropped", "Scaled to 20 × 28"]
    assert "Binarised" not in captions(page)
    seen = run_of(page).state.x[0, 0][run_of(page).state.observed[0]]
    assert len(seen.unique()) > 15


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"not a picture", "not a PNG or JPEG"),
        (png(drawn_seven())[1][:300], "not a PNG or JPEG"),
        (png(Image.new("L", (50, 50), 9))[1], "one brightness"),
    ],
    ids=["text", "cut", "blank"],
)
def test_a_file_that_cannot_be_used_is_explained(
    digits: Path, opened: Open, data: bytes, message: str
) -> None:
    page = opened()
    page.segmented_control(key="impute.source.data").select("upload").run()
    page.file_uploader(key="impute.image").set_value(("a.png", data, "image/png")).run()
    assert not page.exception
    assert message in page.error[0].value
    page.file_uploader(key="impute.image").set_value(png(drawn_seven())).run()
    assert not page.error
    assert summary(page).startswith("**Step 0** ")


def test_an_uploaded_mask_hides_what_is_dark(digits: Path, opened: Open) -> None:
    page = opened()
    page.segmented_control(key="impute.mask").select("upload").run()
    assert "once there are an image and a mask" in page.info[-1].value
    page.file_uploader(key="impute.mask_file").set_value(png(half_white())).run()
    assert "392 of 784 pixels hidden" in summary(page)
    assert "White stays" in captions(page)
    assert run_of(page).state.observed[0, : 14 * 28].all()
    white = png(Image.new("L", (30, 30), 255))
    page.file_uploader(key="impute.mask_file").set_value(white).run()
    assert "Nothing is hidden" in page.info[-1].value


def test_a_checkpoint_that_does_not_fit_its_card_is_an_error_with_a_next_step(
    digits: Path, opened: Open
) -> None:
    model = build_model("vae", data_dim=784, latent_dim=3, hidden=[16])
    card = {
        "format": 1, "model": "vae", "config": {**model.config, "latent_dim": 4},
        "dataset": "mnist-static", "protocol": "test", "recipe": {}, "seed": 0, "metrics": [],
        "training": {},
    }  # fmt: skip
    save_checkpoint(digits / "bent.safetensors", model.state_dict(), card)
    page = opened(checkpoint="bent")
    assert "train it again" in page.error[0].value
    assert not page.image
    page.selectbox(key="checkpoint").select("vae-digits").run()
    assert not page.error
    assert summary(page).startswith("**Step 0** ")


def test_the_shared_model_is_not_changed_by_a_visit(digits: Path, opened: Open) -> None:
    from dashboard import cache

    before = {k: v.clone() for k, v in cache.model("vae-digits").state_dict().items()}
    page = opened(checkpoint="vae-digits")
    page.segmented_control(key="impute.stride").select(25).run()
    page.button(key="impute.step").click().run()
    model = run_of(page).kernel.model  # type: ignore[attr-defined]
    assert not model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


# --- the pictures and the run, without Streamlit ------------------------------------------------


def small_run(chains: int = 3) -> Run:
    model = build_model("vae", data_dim=6, latent_dim=2, hidden=(8,)).eval()
    model.reset_parameters(make_generator(0))
    x, observed = torch.tensor([[0, 1, 0, 1.0, 0, 1]]), torch.tensor([[True] * 2 + [False] * 4])
    return Run.start(identify("m", x, observed, chains), model, x, observed, chains, seed=3)


def test_frames_stop_after_the_strip_and_moments_leave_the_warm_up_out() -> None:
    run = small_run()
    np.testing.assert_allclose(run.mean(), [0, 1, 0.5, 0.5, 0.5, 0.5])
    assert (run.spread() == 0).all()
    run.advance(WARM_UP)
    assert run.completions == 3 * WARM_UP
    run.advance(1)
    assert run.completions == 3
    run.advance(30)
    assert run.completions == 3 * 31
    assert len(run.frames) == STRIP_STEPS + 1
    assert run.frame().draws.shape == (3, 6)
    assert set(np.unique(run.frame().draws)) <= {0, 255}


def test_a_run_is_repeated_exactly_by_its_seed() -> None:
    first, second = small_run(), small_run()
    first.advance(7)
    second.advance(3)
    second.advance(4)
    assert torch.equal(first.state.x, second.state.x)
    assert np.array_equal(first.mean(), second.mean())


def test_the_key_of_a_run_changes_with_whatever_it_starts_from() -> None:
    x, observed = torch.zeros(1, 6), torch.ones(1, 6, dtype=torch.bool)
    keys = {
        identify("a", x, observed, 2), identify("b", x, observed, 2),
        identify("a", x, observed, 3), identify("a", x + 1, observed, 2),
        identify("a", x, ~observed, 2),
    }  # fmt: skip
    assert len(keys) == 5
    assert identify("a", x.clone(), observed.clone(), 2) in keys


def test_hidden_pixels_are_orange_and_the_others_their_own_grey() -> None:
    x, observed = np.array([0, 1, 0.5, 0], dtype=np.float32), np.array([True, True, False, False])
    picture = given_picture(x, observed, (2, 2), scale=3)
    assert picture.shape == (6, 6, 3)
    assert picture[0, 0].tolist() == [0, 0, 0]
    assert picture[2, 5].tolist() == [255, 255, 255]
    assert (picture[3:] == HIDDEN_COLOUR).all()


def test_spread_colours_rise_in_brightness_and_match_their_scale() -> None:
    values = np.linspace(0, 0.5, 50, dtype=np.float32)
    picture = spread_colours(values, 0.5, (1, 50), scale=1)
    assert np.array_equal(picture, scale_bar(50, 1, colours=True))
    brightness = picture[0].astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(brightness) > 0).all()
    above = spread_colours(np.array([9.0], dtype=np.float32), 0.5, (1, 1), scale=1)
    assert np.array_equal(above[0, 0], picture[0, -1])


def test_the_strip_keeps_its_size_while_it_fills() -> None:
    column = np.full((2, 6), 200, dtype=np.uint8)
    empty = strip_picture([], 3, (2, 3), chains=2, scale=2)
    some = strip_picture([column, column], 3, (2, 3), chains=2, scale=2)
    assert empty.shape == some.shape == (2 * 4 + 2, 3 * 6 + 4, 4)
    assert (some[:4, :6] == (200, 200, 200, 255)).all()
    assert (some[:, 6:8, 3] == 0).all()
    assert (some[:4, 16:, 3] < 255).all()
    with pytest.raises(ValueError, match="`columns` must be at most 1; got 2"):
        strip_picture([column, column], 1, (2, 3), chains=2, scale=2)
