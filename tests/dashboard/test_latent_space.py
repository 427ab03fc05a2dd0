"""The Latent space page in every state it can be in, and the messages to its pad."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

import engine
from dashboard import cache
from dashboard.components.image_grid import to_pixels
from dashboard.components.latent_pad import _note
from dashboard.components.map_view import MapView
from dashboard.components.pad_exports import points_table, way_film
from dashboard.embedding import principal_plane, to_quantiles
from dashboard.logic.latent_space.interpolation import journey
from dashboard.logic.latent_space.latent_map import details_message, lay_out, map_message
from dashboard.logic.latent_space.pad_view import PadView, Pin
from dashboard.logic.latent_space.tsne import TsneRun
from dashboard.scripts.latent_space import plane_script, tsne_script, ways_script
from engine.decoding import decode
from tests.dashboard.conftest import Shelf, words
from tests.dashboard.test_blobs import unpack

OpenPage = Callable[..., AppTest]
ROOT = Path(__file__).resolve().parents[2]


def pad(page: AppTest) -> tuple[dict, dict[str, np.ndarray]]:
    """The message to the pad."""
    found = [
        element.proto.bytes
        for element in page.get("bidi_component")
        if "latent_pad" in element.proto.component_name
    ]
    (message,) = found
    return unpack(message)


def details(page: AppTest) -> tuple[dict, dict[str, np.ndarray]]:
    (message,) = [
        element.proto.bytes
        for element in page.get("bidi_component")
        if "latent_details" in element.proto.component_name
    ]
    return unpack(message)


def choose(page: AppTest, key: str, value: object) -> None:
    page.segmented_control(key).set_value(value).run()
    assert not page.exception, page.exception


def test_latent_space_asks_for_training_when_no_checkpoint_exists(
    shelf: Shelf, open_page: OpenPage
) -> None:
    page = open_page("latent_space")
    assert "no checkpoint of images with two latents or more" in page.info[0].value
    assert not page.get("bidi_component")


def test_a_checkpoint_with_a_single_latent_is_not_offered(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("line", latent_dim=1, hidden=[8])
    assert "no checkpoint" in open_page("latent_space").info[0].value


def test_two_latents_are_the_axes_and_the_stand_in_is_told(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    page = open_page("latent_space")
    assert "5000 embedded digits instead" in page.info[0].value
    header, arrays = pad(page)
    assert header["titles"][0] == {
        "name": "E[z₁ | x]", "share": None, "unit": "prior standard deviations"
    }  # fmt: skip
    assert header["quantiles"]
    assert header["names"] == [str(digit) for digit in range(10)]
    assert header["count"] == int(page.selectbox[-1].value) == len(arrays["classes"])
    codes, positions = cache.codes("vae", "digits-mini", "test", 10_000, bits=True)[::-1]
    where = header["centre"] + arrays["coords"].reshape(2, -1).T * header["step"]
    order = np.argsort(arrays["positions"])
    np.testing.assert_array_equal(arrays["positions"][order], positions)
    np.testing.assert_allclose(where[order], codes, atol=header["step"])
    labels = cache.dataset("digits-mini").labels["test"].numpy()
    np.testing.assert_array_equal(arrays["classes"][order], labels[positions])


def test_thumbnails_and_codes_follow_in_the_order_of_the_points(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("vae", latent_dim=5, hidden=[8])
    page = open_page("latent_space")
    header, arrays = pad(page)
    more, data = details(page)
    assert more["token"] == header["token"]
    assert more["images"] == more["codes"] == header["count"]
    x = cache.dataset("digits-mini").test.numpy()[arrays["positions"]]
    images = data["images"].reshape(header["count"], -1)
    if more["packed"]:
        np.testing.assert_array_equal(np.unpackbits(images, axis=1)[:, :784], x)
    else:
        np.testing.assert_array_equal(images, np.rint(x * 255))
    codes = cache.codes("vae", "digits-mini", "test", 10_000, bits=True)
    found = data["codes"].reshape(-1, 5)[np.argsort(arrays["positions"])]
    np.testing.assert_allclose(found, codes[1], atol=2e-3)


def test_more_latents_show_the_explained_variance(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=6, hidden=[8])
    header, arrays = pad(open_page("latent_space"))
    assert [title["name"] for title in header["titles"]] == [
        f"principal axis {index}" for index in range(1, 6)
    ]
    assert all(title["share"].endswith("%") for title in header["titles"])
    axes = arrays["axes"].reshape(5, 6)
    np.testing.assert_allclose(axes @ axes.T, np.eye(5), atol=1e-5)
    assert "other directions are held" in header["note"]


def test_a_dlgm_offers_its_deepest_layer_first(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("deep", "dlgm", layers=[6, 2], hidden=[8])
    page = open_page("latent_space")
    header, _ = pad(page)
    assert header["layer"] == 1
    assert header["titles"][0]["name"] == "E[z₁ | x], layer 2"
    choose(page, "latent.layer.deep", "1")
    header, _ = pad(page)
    assert header["layer"] == 0
    assert header["titles"][0]["name"] == "principal axis 1, layer 1"
    assert page.query_params["layer"] in ("1", ["1"])


def test_an_sbn_says_that_it_decodes_probabilities(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("bits", "sbn", layers=[7, 5])
    header, _ = pad(open_page("latent_space"))
    assert header["titles"][0]["unit"] == "units of probability"
    assert "probabilities of bits" in header["note"]
    assert "drawn 12 times" in header["note"]


def test_faces_without_data_still_show_what_the_model_draws(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("faces", dataset="frey", latent_dim=2, hidden=[8], likelihood="gaussian")
    page = open_page("latent_space")
    assert "are not on this machine" in page.info[0].value
    header, arrays = pad(page)
    assert header["count"] == 0
    assert not header["details"]
    assert header["shape"] == [28, 20]
    assert len(arrays["rest"]) == 2

    shelf.add("more-faces", dataset="frey", latent_dim=4, hidden=[8], likelihood="gaussian")
    page = open_page("latent_space", checkpoint="more-faces")
    assert "A map needs images to place" in words(page)
    assert not page.get("bidi_component")


def test_tsne_can_be_started_stopped_and_finishes(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=4, hidden=[8])
    page = open_page("latent_space")
    choose(page, "latent.plane", "tsne")
    assert not page.get("bidi_component")
    smallest = page.selectbox[-1].options[0]
    page.selectbox[-1].select(smallest).run()

    page.button("latent.tsne.start").click().run()
    assert not page.exception
    page.button("latent.tsne.stop").click().run()
    assert "Stopped" in words(page)

    page.button("latent.tsne.start").click().run()
    (run,) = [cache.tsne_runs().get(key) for key in cache.tsne_runs()._runs]
    deadline = time.monotonic() + 600  # seconds; two where a core is free
    while run.running and time.monotonic() < deadline:
        time.sleep(0.1)
    page.run()
    header, arrays = pad(page)
    assert header["titles"][0] == {"name": "t-SNE 1", "share": None, "unit": "no unit"}
    assert not header["has_plane"]
    assert "axes" not in arrays
    assert header["count"] == len(run.result)
    assert "own code" in header["note"]


def test_a_damaged_checkpoint_is_named(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    path = shelf.folder / "vae.safetensors"
    path.write_bytes(path.read_bytes()[:-40])
    page = open_page("latent_space")
    assert page.error or page.info
    assert not page.get("bidi_component")


def test_a_link_opens_its_view_and_a_damaged_one_says_so(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    link = {"pins": "0.5,-1;1,1@3", "show": "manifold", "grey": "2"}
    page = open_page("latent_space", **link, split="train", count="1000")
    header, _ = pad(page)
    assert not page.warning
    assert header["view"]["pins"] == [
        {"z": [0.5, -1.0], "image": -1},
        {"z": [1.0, 1.0], "image": 3},
    ]
    assert header["view"]["show"] == "manifold"
    assert header["view"]["grey"] == [2]
    assert header["count"] == 1000

    page = open_page("latent_space", pins="a,b", window="1", layer="9", scale="quantiles")
    header, _ = pad(page)
    assert "`pins`" in page.warning[0].value
    assert "`window`" in page.warning[0].value
    assert header["view"]["pins"] == []
    assert header["view"]["window"] is None
    assert header["view"]["scale"] == "quantiles"  # what can be read stays
    page.run()
    assert not page.warning
    assert pad(page)[0]["view"]["scale"] == "quantiles"


def test_another_map_starts_without_the_pins_of_the_last(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("deep", "dlgm", layers=[6, 2], hidden=[8])
    page = open_page("latent_space", pins=",".join(["0.5"] * 8))
    assert len(pad(page)[0]["view"]["pins"]) == 1
    choose(page, "latent.layer.deep", "1")
    assert pad(page)[0]["view"]["pins"] == []
    assert "pins" not in page.query_params


def test_layouts_are_shuffled_the_same_way_each_time() -> None:
    codes = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    first = lay_out(np.arange(50), codes, (4,), 0)
    again = lay_out(np.arange(50), codes, (4,), 0)
    np.testing.assert_array_equal(first.positions, again.positions)
    assert (first.positions != np.arange(50)).any()
    np.testing.assert_array_equal(first.codes, codes[first.positions])
    plane = principal_plane(codes, 5)
    np.testing.assert_allclose(first.where, plane.project(codes)[first.positions])


def test_thumbnails_are_cut_off_where_they_would_cost_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dashboard.logic.latent_space.latent_map.IMAGE_BYTES", 10 * 98)
    monkeypatch.setattr("dashboard.logic.latent_space.latent_map.CODE_VALUES", 4 * 7)
    codes = np.zeros((30, 4), dtype=np.float32)
    codes[:, 0] = np.arange(30)
    found = lay_out(np.arange(30), codes, (4,), 0)
    x = np.random.default_rng(0).integers(0, 2, size=(30, 784)).astype(np.float32)
    header, arrays = unpack(details_message(found, "t", x, bits=True))
    assert (header["images"], header["codes"]) == (10, 7)
    images = np.unpackbits(arrays["images"].reshape(10, 98), axis=1)
    np.testing.assert_array_equal(images, x[found.positions[:10]])
    header, arrays = unpack(details_message(found, "t", x, bits=False))
    assert header["images"] == 1
    assert arrays["images"].tolist() == (x[found.positions[0]] * 255).tolist()


def test_places_survive_sixteen_bits_to_a_screen_pixels_thousandth() -> None:
    codes = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32) * [3, 1]
    found = lay_out(np.arange(500), codes.astype(np.float32), (2,), 0)
    header, arrays = unpack(map_message(found, {}, ({}, {}), labels=None, total=500))
    where = header["centre"] + arrays["coords"].reshape(2, -1).T * header["step"]
    assert np.abs(where - found.where).max() <= header["step"] / 2 * 1.001
    assert header["step"] * 32767 >= np.ptp(found.where[:, 0]) / 2 * 0.999
    assert arrays["classes"].max() == 255 * 499 // 499 or arrays["classes"].max() <= 255


def run_script(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """What a script writes, run as a visitor would run it."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    path = folder / "view.py"
    path.write_text(text)
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=folder, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    picture = folder / "view.png"
    return np.asarray(Image.open(picture)) if picture.exists() else np.empty(0)


def row_of(images: np.ndarray) -> np.ndarray:
    return np.concatenate(list(images), axis=1)


@pytest.mark.parametrize(
    ("kind", "config", "layer"),
    [
        ("vae", {"latent_dim": 3, "hidden": [8]}, 0),
        ("dlgm", {"layers": [6, 2], "hidden": [8]}, 1),
        ("sbn", {"layers": [7]}, 0),
        ("sbn", {"layers": [7, 5]}, 1),
    ],
)
def test_the_code_decodes_pins_and_both_ways(
    kind: str, config: dict, layer: int, shelf: Shelf, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    shelf.add("model", kind, **config)
    model = cache.model("model")
    sizes, bits = model.layer_sizes, model.latent_kind == "bernoulli"
    pins = np.random.default_rng(3).uniform(size=(3, sum(sizes))).astype(np.float32)
    text = ways_script("model", pins, (0, 2), sizes, layer, (28, 28), bits=bits)
    found = run_script(text, tmp_path, monkeypatch)

    def drawn(z: np.ndarray) -> np.ndarray:
        import torch

        return row_of(to_pixels(decode(model, torch.from_numpy(z), layer=layer), (28, 28)))

    assert found.shape == (84, 9 * 28)
    np.testing.assert_allclose(found[:28, : 3 * 28].astype(int), drawn(pins), atol=1)
    for row, way in enumerate(("linear", "spherical"), start=1):
        z = journey(pins[0], pins[2], 9, way, sizes, bits=bits)
        wanted = drawn(z)
        got = found[28 * row : 28 * (row + 1)].astype(int)
        # Bits of deeper layers are drawn: a rounding of the probability may turn one of 24 draws.
        assert np.abs(got - wanted).max() <= (12 if layer and bits else 1)


@pytest.mark.parametrize("quantiles", [False, True])
def test_the_code_decodes_the_window_of_two_latents(
    quantiles: bool, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from statistics import NormalDist

    import torch

    shelf.add("vae", latent_dim=2, hidden=[8])
    window = (0.5, 0.5, 0.25) if quantiles else (0.25, -1.0, 2.0)
    text = plane_script(
        "vae", ("digits-mini", "test", 300, True), (2,), 0, (0, 1), window, (28, 28),
        bits=False, quantiles=quantiles,
    )  # fmt: skip
    found = run_script(text, tmp_path, monkeypatch)
    assert found.shape == (560, 560)
    cx, cy, half = window
    place = np.array([cx - half + 3.5 / 20 * 2 * half, cy + half - 7.5 / 20 * 2 * half])
    if quantiles:
        place = np.array([NormalDist().inv_cdf(value) for value in place])
    z = torch.from_numpy(place[None].astype(np.float32))
    wanted = to_pixels(decode(cache.model("vae"), z), (28, 28))[0]
    np.testing.assert_allclose(found[7 * 28 : 8 * 28, 3 * 28 : 4 * 28].astype(int), wanted, atol=1)


def test_the_code_for_more_latents_finds_the_same_plane(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    shelf.add("bits", "sbn", layers=[7])
    text = plane_script(
        "bits", ("digits-mini", "test", 300, True), (7,), 0, (2, 0), None, (28, 28),
        bits=True, quantiles=False,
    )  # fmt: skip
    found = run_script(text, tmp_path, monkeypatch)
    codes = cache.codes("bits", "digits-mini", "test", 300, bits=True)[1]
    plane = principal_plane(codes, 3)
    where = plane.project(codes)[:, [2, 0]]
    half = np.ptp(where, axis=0).max() * 0.54
    corner = (where.min(0) + where.max(0)) / 2 + half * np.array([-1, 1]) * (1 - 1 / 20)
    z = plane.origin + corner[0] * plane.axes[2] + corner[1] * plane.axes[0]
    z = torch.from_numpy(z.clip(0, 1)[None].astype(np.float32))
    wanted = to_pixels(decode(cache.model("bits"), z), (28, 28))[0]
    np.testing.assert_allclose(found[:28, :28].astype(int), wanted, atol=1)


def test_the_code_for_tsne_finds_the_same_places(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.add("deep", "dlgm", layers=[4, 3], hidden=[8])
    text = tsne_script("deep", ("digits-mini", "test", 80, True), (4, 3), 1)
    run_script(text, tmp_path, monkeypatch)
    positions, codes = cache.codes("deep", "digits-mini", "test", 80, bits=True)
    run = TsneRun(codes[:, 4:])
    deadline = time.monotonic() + 200
    while run.running and time.monotonic() < deadline:
        time.sleep(0.1)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "view.csv").read_text())))
    assert [int(row["image"]) for row in rows] == positions.tolist()
    found = np.array([[float(row["x"]), float(row["y"])] for row in rows])
    np.testing.assert_allclose(found, run.result, rtol=1e-3, atol=1e-3)


def test_a_layer_that_says_nothing_is_told(shelf: Shelf) -> None:
    shelf.add("deep", "dlgm", layers=[6, 2], hidden=[8])
    view = MapView("deep", cache.card("deep"), None, 0, 1, "plane")
    codes = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    assert "does not use it" not in _note(view, lay_out(np.arange(50), codes, (6, 2), 1))
    codes[:, 6:] *= 1e-3
    note = _note(view, lay_out(np.arange(50), codes, (6, 2), 1))
    assert "the model does not use it. Choose another layer" in note


def test_the_table_has_a_line_for_each_point(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    data = cache.dataset("digits-mini")
    from dashboard.components.pickers import Images

    images = Images(
        "digits-mini", "test", data.test, data.labels["test"], data.class_names, (28, 28), True
    )
    view = MapView("vae", cache.card("vae"), images, 200, 0, "plane")
    found = lay_out(*view.codes(), (2,), 0)
    rows = list(csv.DictReader(io.StringIO(points_table(view, PadView(), found).decode())))
    assert len(rows) == 200
    positions, codes = view.codes()
    assert [int(row["image"]) for row in rows] == positions.tolist()
    np.testing.assert_allclose([float(row["y"]) for row in rows], codes[:, 1], rtol=1e-5)
    labels = data.labels["test"].numpy()
    assert [row["class"] for row in rows] == [str(labels[i]) for i in positions]
    rows = list(
        csv.DictReader(io.StringIO(points_table(view, PadView(scale="quantiles"), found).decode()))
    )
    wanted = to_quantiles(codes[:, 0].astype(float))
    np.testing.assert_allclose([float(row["x"]) for row in rows], wanted, rtol=1e-4)


def test_the_film_goes_there_and_back(shelf: Shelf) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    view = MapView("vae", cache.card("vae"), None, 0, 0, "plane")
    pins = (Pin(np.array([-2, 0], np.float32)), Pin(np.array([2, 1], np.float32)))
    with Image.open(io.BytesIO(way_film(view, PadView(pins=pins), "spherical"))) as film:
        assert film.n_frames == 48
        assert film.size == (224, 224)


def test_nothing_but_the_public_interface_stands_in_the_code() -> None:
    text = plane_script(
        "x", ("digits-mini", "test", 9, False), (2,), 0, (0, 1), None, (28, 28),
        bits=False, quantiles=False,
    )  # fmt: skip
    assert "dashboard" not in text
    assert engine.__name__ in text
