"""The Impute page in every state it can be in, with real models, data and uploads."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from streamlit.testing.v1 import AppTest

from dashboard import permalinks
from dashboard.components.chain_player import KEPT, KEY
from dashboard.components.masking import default_mask, read_report
from dashboard.components.tiny_models import comparison_figure
from dashboard.logic.impute.methods import METHODS
from dashboard.logic.impute.playing import CHUNK, FIRST
from dashboard.logic.impute.recording import WARM_UP, Recording
from engine.checkpoints import save_checkpoint
from engine.evaluation.imputation_table import ImputationRow, write_table
from engine.mcmc import suitable_methods
from engine.mcmc.diagnostics import diagnose
from engine.mcmc.tiny import TINY
from engine.models import build_model
from tests.dashboard.conftest import Shelf, words

Open = Callable[..., AppTest]

BRUSH = "impute.brush.28x28"
DIGITS: dict[str, dict[str, Any]] = {
    "dlgm-digits": {"kind": "dlgm", "layers": [4, 3]},
    "sbn-digits": {"kind": "sbn", "layers": [5, 4]},
    "vae-digits": {"kind": "vae", "latent_dim": 3, "hidden": [16]},
}


@pytest.fixture
def digits(shelf: Shelf) -> Path:
    for name, config in DIGITS.items():
        shelf.add(name, data_mean=0.2, **config)
    return shelf.folder


@pytest.fixture
def faces(shelf: Shelf) -> Path:
    config = {"latent_dim": 2, "hidden": [16], "likelihood": "gaussian"}
    shelf.add("vae-faces", dataset="frey", **config)
    return shelf.folder


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Record what was asked for, however busy the machine is."""
    monkeypatch.setattr("dashboard.logic.impute.recording.PATIENCE", 100.0)


@pytest.fixture
def opened(open_page: Callable[..., AppTest]) -> Open:
    return partial(open_page, "impute")


def recording_of(page: AppTest) -> Recording:
    return page.session_state[KEPT].recording


def token_of(page: AppTest) -> str:
    return page.session_state[KEPT].token


def start_of(page: AppTest) -> torch.Tensor:
    """The pixels that the chains are given."""
    recording = recording_of(page)
    return torch.from_numpy(recording.given[~recording.hidden] / 255)


def player_says(page: AppTest, **said: object) -> None:
    """Report as the chain player does."""
    report = {
        "token": token_of(page), "have": 0, "want": False, "step": 0, "pixel": 7, "kind": "means",
    }  # fmt: skip
    page.session_state[KEY] = {"view": {**report, **said}}
    page.run()
    assert not page.exception


def brush_says(page: AppTest, hidden: np.ndarray, **said: object) -> None:
    """Report as the mask brush does."""
    token = page.session_state["impute.mask.28x28.pushed"]
    report = {"token": token, "bits": permalinks.encode_bits(hidden)}
    page.session_state[BRUSH] = {"mask": {**report, **said}}
    page.run()
    assert not page.exception


def captions(page: AppTest) -> list[str]:
    return [caption for image in page.image for caption in image.captions]


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
    assert KEPT not in page.session_state


@pytest.mark.parametrize("name", DIGITS)
def test_every_digit_model_is_recorded_from_its_fill(digits: Path, opened: Open, name: str) -> None:
    page = opened(checkpoint=name)
    recording = recording_of(page)
    assert len(recording) == FIRST
    assert recording.chains == 4
    assert recording.hidden.sum() == 392
    assert recording.votes(0, 1).shape == (1, 4, 10)  # the embedded digits have classes
    assert (recording.images(0, "means")[:, recording.hidden] == 51).all()  # on as often: 0.2


def test_without_its_own_data_the_embedded_digits_take_their_place_as_bits(
    digits: Path, opened: Open
) -> None:
    page = opened()
    assert "5000 embedded digits" in page.info[0].value
    assert set(start_of(page).unique().tolist()) == {0.0, 1.0}


def test_the_player_gets_more_when_it_asks_and_only_then(digits: Path, opened: Open) -> None:
    page = opened()
    before = recording_of(page).means(0, FIRST)
    player_says(page, have=FIRST, step=50)
    assert len(recording_of(page)) == FIRST
    player_says(page, have=FIRST, want=True, step=90)
    assert len(recording_of(page)) == FIRST + CHUNK
    page.run()  # for another reason: the same request is no further one
    assert len(recording_of(page)) == FIRST + CHUNK
    np.testing.assert_array_equal(recording_of(page).means(0, FIRST), before)


def test_forged_reports_change_nothing(digits: Path, opened: Open) -> None:
    page = opened()
    for forged in ({"have": 10**9}, {"step": -1}, {"pixel": 784}, {"kind": "x"}, {"want": "yes"}):
        player_says(page, **{"have": FIRST, "want": True, **forged})
        assert len(recording_of(page)) == FIRST
    player_says(page, token="of other chains", have=FIRST, want=True)
    assert len(recording_of(page)) == FIRST
    page.session_state[KEY] = {"view": "nonsense"}
    page.run()
    assert not page.exception


def test_the_pixel_that_is_reported_is_diagnosed_as_the_engine_does(
    digits: Path, opened: Open
) -> None:
    page = opened()
    recording = recording_of(page)
    pixel = int(np.flatnonzero(recording.hidden)[100])
    player_says(page, have=FIRST, pixel=pixel)
    kept = page.session_state[KEPT]
    assert kept.pixel == pixel
    assert kept.trace.steps[-1] == FIRST - 1
    wanted = diagnose(recording.pixel(pixel)[WARM_UP + 1 :].T)
    np.testing.assert_allclose(kept.trace.values[-1], wanted)
    joint = diagnose(recording.log_joint(WARM_UP + 1, FIRST).T)
    np.testing.assert_allclose(kept.joint.values[-1], joint)


def test_the_mask_is_what_the_brush_reports(digits: Path, opened: Open) -> None:
    page = opened()
    hidden = np.arange(784) % 5 == 0
    brush_says(page, hidden)
    np.testing.assert_array_equal(recording_of(page).hidden, hidden)
    brush_says(page, np.zeros(784, dtype=bool))
    assert any("Nothing is hidden" in note.value for note in page.info)


def test_a_forged_mask_is_refused(digits: Path, opened: Open) -> None:
    page = opened()
    brush_says(page, np.ones(560, dtype=bool))
    brush_says(page, ~default_mask((28, 28)), token="of a mask that the page has replaced")
    brush_says(page, ~default_mask((28, 28)), bits=["bits"])
    np.testing.assert_array_equal(recording_of(page).hidden, default_mask((28, 28)))
    for forged in (None, 7, {"token": "t"}, {"token": "t", "bits": "!"}, {"token": "t", "bits": 3}):
        assert read_report(forged, "t", 784) is None


def test_chains_method_and_seed_make_another_recording(digits: Path, opened: Open) -> None:
    page = opened()
    tokens = {token_of(page)}
    page.select_slider(key="impute.chains").set_value(1).run()
    assert recording_of(page).chains == 1
    tokens.add(token_of(page))
    page.selectbox(key="impute.method").select("metropolis-within-gibbs").run()
    assert recording_of(page).warm_up == 20
    tokens.add(token_of(page))
    page.number_input(key="impute.start").set_value(0).run()
    assert recording_of(page).warm_up == WARM_UP
    tokens.add(token_of(page))
    assert not recording_of(page).accepted(1, FIRST).all()
    page.button(key="impute.another_run").click().run()
    assert page.number_input(key="impute.seed").value == 1
    tokens.add(token_of(page))
    assert len(tokens) == 5


def test_a_link_opens_its_view(digits: Path, opened: Open) -> None:
    hidden = np.arange(784) % 7 == 0
    page = opened(
        checkpoint="sbn-digits", data="digits-mini", split="valid", image="12", chains="2",
        method="metropolis-within-gibbs", start="30", seed="9", mask=permalinks.encode_bits(hidden),
        step="40", pixel="77", show="draws",
    )  # fmt: skip
    assert not page.warning
    recording = recording_of(page)
    np.testing.assert_array_equal(recording.hidden, hidden)
    assert recording.chains == 2
    assert page.number_input(key="impute.index").value == 12
    assert page.session_state[KEPT].pixel == 77
    code = page.code[0].value
    assert "'sbn-digits'" in code
    assert "load_dataset('digits-mini').valid[12:13]" in code
    assert "STEP, WARM_UP = 40, 30\nHEIGHT, WIDTH, CHANNELS = 28, 28, 1" in code
    assert "state.x" in code
    assert "build_kernel('metropolis-within-gibbs', model)" in code


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mask", "!!"), ("mask", "AAAA"), ("step", "2001"), ("step", "1e3"), ("pixel", "784"),
        ("show", "<script>"), ("chains", "9"), ("method", "slice"), ("seed", "-1"),
        ("image", "99999999"), ("data", "cifar"), ("source", "nowhere"),
    ],
)  # fmt: skip
def test_a_malformed_link_gives_a_message_and_the_default(
    digits: Path, opened: Open, name: str, value: str
) -> None:
    page = opened(**{name: value})
    assert f"`{name}` must be" in page.warning[0].value
    assert value not in page.warning[0].value
    recording = recording_of(page)
    assert (len(recording), recording.chains) == (FIRST, 4)
    np.testing.assert_array_equal(recording.hidden, default_mask((28, 28)))


def test_the_bits_of_an_upload_are_in_the_link(digits: Path, opened: Open) -> None:
    bits = np.arange(784) % 3 == 0
    page = opened(source="upload", pixels=permalinks.encode_bits(bits))
    assert "came with the link" in words(page)
    recording = recording_of(page)
    np.testing.assert_array_equal(recording.given > 0, bits)


@pytest.mark.parametrize("name", DIGITS)
def test_every_method_that_suits_the_model_records_chains(
    digits: Path, opened: Open, name: str
) -> None:
    from dashboard import cache

    page = opened(checkpoint=name, chains="2", start="4")
    suitable = suitable_methods(cache.model(name))
    menu = page.selectbox(key="impute.method")
    assert menu.options == [METHODS[method].title for method in suitable]
    for method in suitable[1:]:
        page.selectbox(key="impute.method").select(method).run()
        assert not page.exception
        assert page.query_params["method"] in (method, [method])
        recording = recording_of(page)
        accepted = recording.accepted(1, FIRST)
        assert accepted[:4].all()  # of pseudo-Gibbs
        assert not accepted[4:].all()
        assert METHODS[method].sentence in words(page)
        player_says(page, have=FIRST, step=7)
        assert f"build_kernel({method!r}, model)" in page.code[0].value


def test_a_link_to_hmc_opens_it_where_the_latents_are_real(digits: Path, opened: Open) -> None:
    page = opened(checkpoint="dlgm-digits", method="hmc", start="5")
    assert not page.warning
    assert page.selectbox(key="impute.method").value == "hmc"
    assert recording_of(page).warm_up == 45


def test_a_method_that_does_not_suit_the_model_is_refused_with_a_message(
    digits: Path, opened: Open
) -> None:
    page = opened(checkpoint="sbn-digits", method="hmc")
    assert "`method` must suit the model" in page.warning[0].value
    assert page.selectbox(key="impute.method").value == "pseudo-gibbs"
    assert "method" not in page.query_params
    assert recording_of(page).accepted(1, FIRST).all()


def test_a_visitor_who_goes_on_to_a_model_of_bits_is_told(digits: Path, opened: Open) -> None:
    page = opened(checkpoint="vae-digits", method="hmc")
    page.selectbox(key="checkpoint").select("sbn-digits").run()
    assert not page.exception
    assert any("needs latents that are real numbers" in note.value for note in page.info)
    assert page.selectbox(key="impute.method").value == "pseudo-gibbs"
    assert "method" not in page.query_params
    assert not page.warning


@pytest.mark.parametrize("name", ["bars", "blob"])
def test_the_tiny_models_compare_every_method_with_the_exact_answer(
    digits: Path, opened: Open, name: str
) -> None:
    from dashboard import cache

    page = opened(tiny=name)
    page.toggle(key="impute.tiny_run").set_value(True).run()
    assert not page.exception
    comparison = cache.tiny_comparison(name)
    exact, metropolis = (
        comparison.exact.numpy(),
        comparison.methods["metropolis-within-gibbs"],
    )
    figure = comparison_figure(name, comparison)
    suitable = suitable_methods(TINY[name]().model)
    assert len(suitable) == {"bars": 3, "blob": 4}[name]
    assert [bar.name for bar in figure.data] == [
        "Exact", *(METHODS[method].title for method in suitable),
    ]  # fmt: skip
    # Only pseudo-Gibbs is far from the truth.
    off = {method: comparison.methods[method].total_variation for method in suitable}
    assert off.pop("pseudo-gibbs") > 3 * max(off.values())
    order = np.argsort(-exact, kind="stable")[:12]
    np.testing.assert_allclose(figure.data[0].y, exact[order])
    np.testing.assert_allclose(figure.data[2].y, metropolis.frequencies.numpy()[order])
    errors = np.nan_to_num(metropolis.standard_errors.numpy())[order]
    np.testing.assert_allclose(figure.data[2].error_y.array, 2 * errors)
    assert f"{metropolis.total_variation:.3f}" in words(page)


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
    recording = recording_of(page)
    assert recording.hidden.sum() == 280
    assert recording.votes(0, 1) is None
    first = start_of(page)
    page.button(key="impute.another_sample").click().run()
    assert not torch.equal(first, start_of(page))


def test_a_models_sample_of_digits_is_bits(digits: Path, opened: Open) -> None:
    page = opened(checkpoint="dlgm-digits", source="sample", sample="3")
    assert page.number_input(key="impute.sample").value == 3
    assert set(start_of(page).unique().tolist()) <= {0.0, 1.0}


def test_an_upload_shows_its_way_and_becomes_the_image(digits: Path, opened: Open) -> None:
    page = opened()
    page.segmented_control(key="impute.source.data").select("upload").run()
    assert any("once there is an image" in note.value for note in page.info)
    page.file_uploader(key="impute.image").set_value(png(drawn_seven())).run()
    assert not page.exception
    assert captions(page)[:6] == [
        "As uploaded", "Cropped", "Scaled to 28 × 28", "Inverted", "Full contrast", "Binarised",
    ]  # fmt: skip
    assert "part of this page's address" in words(page)
    ink = start_of(page).mean()
    page.slider(key="impute.threshold").set_value(0.95).run()
    assert start_of(page).mean() < ink
    page.segmented_control(key="impute.invert.digits").select("no").run()
    assert "Inverted" not in captions(page)


def test_an_uploaded_face_keeps_its_grey_values_and_stays_out_of_the_link(
    faces: Path, opened: Open
) -> None:
    page = opened()
    page.segmented_control(key="impute.source.sample").select("upload").run()
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, 200).astype(np.uint8), (280, 1)))
    page.file_uploader(key="impute.image").set_value(png(ramp)).run()
    assert captions(page)[:3] == ["As uploaded", "Cropped", "Scaled to 20 × 28"]
    assert "Binarised" not in captions(page)
    assert len(start_of(page).unique()) > 15
    assert "not in this page's address" in words(page)
    assert "pixels" not in page.query_params


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
    assert len(recording_of(page)) == FIRST


def test_an_uploaded_mask_hides_what_is_dark_and_can_be_painted_on(
    digits: Path, opened: Open
) -> None:
    page = opened()
    page.file_uploader(key="impute.mask_file").set_value(png(half_white())).run()
    assert "White stays" in captions(page)
    hidden = recording_of(page).hidden
    assert hidden.sum() == 392
    assert not hidden[: 14 * 28].any()
    painted = hidden.copy()
    painted[:28] = True
    brush_says(page, painted)
    np.testing.assert_array_equal(recording_of(page).hidden, painted)
    page.run()  # the file is still there, and was taken already
    np.testing.assert_array_equal(recording_of(page).hidden, painted)


def test_images_of_another_size_have_a_mask_of_their_own(
    digits: Path, faces: Path, opened: Open
) -> None:
    hidden = np.arange(784) % 5 == 0
    page = opened(checkpoint="vae-digits", mask=permalinks.encode_bits(hidden))
    page.selectbox(key="checkpoint").select("vae-faces").run()
    assert not page.exception
    assert not page.warning
    assert recording_of(page).hidden.sum() == 280
    page.selectbox(key="checkpoint").select("vae-digits").run()
    np.testing.assert_array_equal(recording_of(page).hidden, hidden)


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
    assert KEPT not in page.session_state
    page.selectbox(key="checkpoint").select("vae-digits").run()
    assert not page.error
    assert len(recording_of(page)) == FIRST


def test_the_shared_model_is_not_changed_by_a_visit(digits: Path, opened: Open) -> None:
    from dashboard import cache

    before = {k: v.clone() for k, v in cache.model("vae-digits").state_dict().items()}
    page = opened(checkpoint="vae-digits")
    player_says(page, have=FIRST, want=True)
    model = cache.model("vae-digits")
    assert not model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


# --- how good the completions are ----------------------------------------------------------------


def measured(**changes: Any) -> ImputationRow:
    known = ImputationRow(
        "vae-digits", "mnist-static", "test", "80", 0.8, "pseudo-gibbs", 6, 2, 20, 30, 40, 500, 0,
        -50.25, 1.5, "bit_error", 0.08, 0.004, 0.0, 0.0, 0.07, 0.003, 1.4, 0.05, 1.0, 0.0,
    )  # fmt: skip
    return replace(known, **changes)


TABLE = [
    measured(),
    measured(method="hmc", error=0.06, change=-0.02, change_se=0.004, calibration=1.02),
    measured(checkpoint="sbn-digits", log_conditional=-61.5),
    measured(checkpoint="sbn-digits", method="ac-mwg", error=0.1, change=0.02, change_se=0.005),
    measured(mask="half", error=0.11),
    measured(checkpoint="vae-faces", dataset="frey", mask="half", quantity="rmse", error=0.05),
]


def test_without_a_table_the_page_says_how_to_measure_one(digits: Path, opened: Open) -> None:
    page = opened()
    assert any("python -m engine impute-table measure" in note.value for note in page.info)


def test_the_recorded_table_is_shown_for_the_picked_images_and_mask(
    digits: Path, opened: Open
) -> None:
    write_table(digits / "imputation.csv", TABLE)
    page = opened(quality_mask="80", quality="calibration")
    models, methods = (frame.value for frame in page.dataframe)
    assert list(models["Model"]) == ["vae-digits", "sbn-digits"]
    assert list(models.iloc[:, 1]) == ["−50.2 ± 1.5", "−61.5 ± 1.5"]
    assert list(methods["Method"]) == [
        METHODS[row.method].title for row in TABLE if row.mask == "80"
    ]
    assert methods["Wrong hidden pixels (%)"][1] == "6.00 ± 0.40 %"
    assert list(methods["Against pseudo-Gibbs"]) == ["", "−2.00 ± 0.40 %", "", "2.00 ± 0.50 %"]
    told = words(page)
    assert "Hamiltonian (HMC) on vae-digits has the smallest error: 6.00 ± 0.40 %" in told
    assert "better is Hamiltonian (HMC) on vae-digits; worse is Adaptive collapsed" in told
    assert "6 test images, 80 % of the pixels hidden; 2 chains each" in told
    page.selectbox(key="impute.quality.data").select("frey").run()
    assert not page.exception
    models, methods = (frame.value for frame in page.dataframe)
    assert list(methods["Root mean square error (pixel value)"]) == ["0.0500 ± 0.0040"]
    assert page.query_params["quality_data"] in ("frey", ["frey"])


def test_a_damaged_table_is_told_and_the_chains_go_on(digits: Path, opened: Open) -> None:
    (digits / "imputation.csv").write_text("checkpoint,mask\na,80\n")
    page = opened()
    assert "impute-table measure" in page.error[0].value
    assert len(recording_of(page)) == FIRST
