"""The Latent space page in every state it can be in, and the figure below it."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from dashboard import cache
from dashboard.components.map_pictures import manifold_png
from dashboard.components.map_selection import in_pairs, selection
from tests.dashboard.conftest import Shelf, words

OpenPage = Callable[..., AppTest]


def figure(page: AppTest) -> dict:
    (chart,) = page.get("plotly_chart")
    return json.loads(chart.proto.spec)


def choose(page: AppTest, key: str, value: object) -> dict:
    page.segmented_control(key).set_value(value).run()
    assert not page.exception, page.exception
    return figure(page)


def points(spec: dict) -> int:
    return sum(len(trace["text"]) for trace in spec["data"] if "text" in trace)


def test_latent_space_asks_for_training_when_no_checkpoint_exists(
    shelf: Shelf, open_page: OpenPage
) -> None:
    page = open_page("latent_space")
    assert "no checkpoint with two or more latents" in page.info[0].value
    assert not page.get("plotly_chart")


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
    spec = figure(page)
    assert [trace["name"] for trace in spec["data"]] == [str(digit) for digit in range(10)]
    assert spec["layout"]["xaxis"]["title"]["text"] == "E[z₁ | x] (prior standard deviations)"
    assert "Nothing is selected yet" in words(page)
    total = int(page.selectbox[-1].value)
    assert points(spec) == total

    spec = choose(page, "latent.axes", "quantiles")
    assert spec["layout"]["xaxis"]["range"] == [0, 1]
    assert "Φ(z₁)" in spec["layout"]["xaxis"]["title"]["text"]


def test_images_and_the_manifold_lie_over_the_same_axes(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    page = open_page("latent_space")
    plain = figure(page)["layout"]
    for show in ("images", "manifold"):
        layout = choose(page, "latent.show.False", show)["layout"]
        assert layout["xaxis"]["range"] == plain["xaxis"]["range"]
        (picture,) = layout["images"]
        assert picture["x"] == layout["xaxis"]["range"][0]
        assert picture["y"] == layout["yaxis"]["range"][1]
        assert picture["x"] + picture["sizex"] == pytest.approx(layout["xaxis"]["range"][1])


def test_more_latents_show_the_explained_variance(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=5, hidden=[8])
    title = figure(open_page("latent_space"))["layout"]["xaxis"]["title"]["text"]
    assert title.startswith("principal axis 1: ")
    assert "% of the variance" in title


def test_a_dlgm_offers_its_deepest_layer_first(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("deep", "dlgm", layers=[6, 2], hidden=[8])
    page = open_page("latent_space")
    assert page.segmented_control("latent.layer.deep").value == 1
    title = figure(page)["layout"]["xaxis"]["title"]["text"]
    assert title == "E[z₁ | x], layer 2 (prior standard deviations)"
    assert choose(page, "latent.show.False", "manifold")["layout"]["images"]
    title = choose(page, "latent.layer.deep", 0)["layout"]["xaxis"]["title"]["text"]
    assert "layer 1" in title
    assert "principal axis" in title


def test_an_sbn_has_a_manifold_of_its_bits(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("bits", "sbn", layers=[7, 5])
    page = open_page("latent_space")
    assert "units of probability" in figure(page)["layout"]["xaxis"]["title"]["text"]
    assert choose(page, "latent.show.False", "manifold")["layout"]["images"]


def test_faces_without_data_still_show_what_the_model_draws(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("faces", dataset="frey", latent_dim=2, hidden=[8], likelihood="gaussian")
    page = open_page("latent_space")
    assert "are not on this machine" in page.info[0].value
    assert [title.value for title in page.subheader] == ["The manifold"]
    assert page.image

    shelf.add("more-faces", dataset="frey", latent_dim=4, hidden=[8], likelihood="gaussian")
    page = open_page("latent_space", checkpoint="more-faces")
    assert "A map needs images to place" in words(page)
    assert not page.image


def test_tsne_can_be_started_stopped_and_finishes(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=4, hidden=[8])
    page = open_page("latent_space")
    page.segmented_control("latent.plane").set_value("tsne").run()
    assert not page.get("plotly_chart")
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
    spec = figure(page)
    assert spec["layout"]["xaxis"]["title"]["text"] == "t-SNE 1 (no unit)"
    assert points(spec) == len(run.result)


def test_a_damaged_checkpoint_is_named(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    path = shelf.folder / "vae.safetensors"
    path.write_bytes(path.read_bytes()[:-40])
    page = open_page("latent_space")
    assert page.error or page.info
    assert not page.get("plotly_chart")


def test_selection_tells_points_from_tiles_and_leaves_out_what_is_not_on_the_map() -> None:
    event = {
        "selection": {
            "points": [
                {"customdata": 4},
                {"customdata": [2]},
                {"customdata": 4},
                {"customdata": -1},
                {"customdata": -8},
                {"customdata": 99},
                {"customdata": None},
                {},
            ]
        }
    }
    assert selection(event, 10) == ([4, 2], [0, 7])
    assert selection(None, 10) == ([], [])
    assert selection({}, 10) == ([], [])


def test_the_manifold_picture_is_row_by_row() -> None:
    images = np.zeros((6, 4), dtype=np.float32)
    images[4] = 1.0  # second row, second of three columns
    picture = np.asarray(Image.open(io.BytesIO(manifold_png(images, (2, 2), 3))))
    assert picture.shape == (8, 12)
    assert (picture[4:, 4:8] == 255).all()
    assert picture.sum() == 255 * 16


def test_pairs_stay_together_where_rows_end() -> None:
    images, redrawn = np.arange(3.0)[:, None], np.arange(3.0)[:, None] + 10
    rows = in_pairs(images, redrawn, 2)[:, 0]
    np.testing.assert_array_equal(rows, [0, 1, 10, 11, 2, np.nan, 12, np.nan])
