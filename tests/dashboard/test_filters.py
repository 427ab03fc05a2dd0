"""The weights as pictures: which there are, what they say, and how the page shows them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from dashboard import cache, cards
from dashboard.components.image_grid import rgba
from dashboard.components.pickers import suitable
from dashboard.components.unit_wall import OpenWall, follow_wall
from dashboard.logic.filters.picture import (
    NEGATIVE,
    POSITIVE,
    ordered,
    scales,
    signed_pixels,
)
from dashboard.pages.filters import importance, weights_of
from dashboard.scripts.filters import filters_script
from engine.filters import banks_of
from engine.models import build_model
from tests.dashboard.conftest import Shelf, words
from tests.dashboard.running import picture_of
from tests.engine.test_filters import KINDS

OpenPage = Callable[..., AppTest]


def test_units_come_by_the_size_of_their_weights_or_by_number() -> None:
    sizes = np.array([0.02, 9.0, 2.0])
    assert ordered(sizes, "size").tolist() == [1, 2, 0]
    assert ordered(sizes, "number").tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="must be one of"):
        ordered(sizes, "name")


def test_components_come_by_how_often_they_are_drawn_and_others_by_their_weights() -> None:
    model = build_model("mixture", data_dim=4, components=3).requires_grad_(False)
    model.prior_logits.copy_(torch.tensor([0.0, 2.0, 1.0]))
    shares = importance(np.zeros((3, 4), np.float32), banks_of(model)["components"])
    assert ordered(shares, "size").tolist() == [1, 2, 0]
    weights = np.array([[1.0, 1.0], [-3.0, 0.0]], dtype=np.float32)
    machine = build_model("rbm", data_dim=2, hidden=2, particles=1).requires_grad_(False)
    assert importance(weights, banks_of(machine)["couplings"]).tolist() == [2.0, 9.0]


def test_colours_are_vermilion_above_and_blue_below_zero() -> None:
    weights = np.array([[2.0, -1.0, 0.0, 9.0]], dtype=np.float32)
    pixels = signed_pixels(weights, np.array([2.0]), (2, 2))[0].reshape(4, 4)
    assert pixels[0].tolist() == [*POSITIVE, 255]
    assert pixels[1].tolist() == [*NEGATIVE, 128]
    assert pixels[2, 3] == 0
    assert pixels[3, 3] == 255  # larger ones are cut
    colour = signed_pixels(np.array([[1.0, -1.0, 0.0]]), np.array([1.0]), (1, 1, 3))
    assert colour[0, 0, 0].tolist() == [255, 0, 128, 255]


def test_a_scale_is_common_or_each_units_own_and_never_zero() -> None:
    weights = np.array([[1.0, -2.0], [0.0, 0.0]])
    assert scales(weights, own=True).tolist() == [2.0, 1e-12]
    common = scales(weights, own=False)
    assert common[0] == common[1] > 1


WALL = OpenWall("wall", first=0, times=2, chosen=0)


def pressed(unit: object, number: object = 1, stamp: str = "wall 2") -> dict[str, object]:
    return {"unit": unit, "number": number, "stamp": stamp}


@pytest.mark.parametrize("unit", [None, "2", 4, -1, True, 1.5])
def test_what_is_no_unit_is_not_taken_for_one(unit: object) -> None:
    assert follow_wall(WALL, "wall", 0, pressed(unit), 4) is WALL
    assert follow_wall(WALL, "wall", 0, pressed(3), 4) == replace(WALL, chosen=3, heard=1)


@pytest.mark.parametrize("report", [[3], {"unit": 3}, pressed(3, stamp="wall 1"), pressed(3, "1")])
def test_a_report_of_another_wall_or_without_a_number_is_no_choice(report: object) -> None:
    assert follow_wall(WALL, "wall", 0, report, 4) is WALL


def test_a_choice_counts_though_the_address_has_not_heard_of_the_one_before() -> None:
    once = follow_wall(WALL, "wall", 0, pressed(1, 1), 9)
    twice = follow_wall(once, "wall", 0, pressed(2, 2), 9)  # the address still says 0
    assert (twice.chosen, twice.stamp) == (2, WALL.stamp)
    assert follow_wall(twice, "wall", 2, pressed(2, 2), 9) is twice


def test_another_address_without_a_choice_opens_the_wall_anew() -> None:
    chosen = follow_wall(WALL, "wall", 0, pressed(3), 9)
    back = follow_wall(chosen, "wall", 0, pressed(3), 9)  # what was reported is still there
    assert back == OpenWall("wall", first=0, times=3, chosen=0)
    assert follow_wall(back, "wall", 0, pressed(3), 9) is back


def test_a_wall_that_was_left_opens_anew_with_what_was_chosen() -> None:
    chosen = follow_wall(WALL, "wall", 0, pressed(3), 9)
    assert follow_wall(chosen, "wall", 3, None, 9) == OpenWall("wall", 3, 3, 3)
    assert follow_wall(WALL, "wall", 0, None, 9) is WALL  # nothing was reported of it yet


@pytest.mark.parametrize("kept", [None, ("wall", 3), WALL])
def test_another_wall_opens_with_the_unit_of_the_address(kept: object) -> None:
    opened = follow_wall(kept, "other", 5, pressed(3), 9)
    assert (opened.key, opened.first, opened.chosen, opened.heard) == ("other", 5, 5, 0)


# The page


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_shows_each_kind_of_model(shelf: Shelf, open_page: OpenPage, kind: str) -> None:
    config, keys = KINDS[kind]
    shelf.add("it", kind, data_mean=0.1, **config)
    for key in keys:
        page = open_page("filters", checkpoint="it", weights=key)
        assert not page.error
        assert not page.warning
        assert re.fullmatch(r"(Latent|Hidden unit|Component|Pixel) \d+", page.subheader[0].value)
        assert page.get("bidi_component")


def test_a_unit_of_the_address_is_shown_with_what_it_answers_to(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("it", "sbn", layers=[4, 3], data_mean=0.1)
    page = open_page("filters", checkpoint="it", weights="layer-2", unit="2")
    assert page.subheader[0].value == "Latent 2"
    assert "Images with the largest answers" in words(page)
    assert page.get("plotly_chart")
    broken = open_page("filters", checkpoint="it", unit="9")
    assert "`unit` must be a whole number from 1 to 4" in broken.warning[0].value


def test_another_kind_of_weights_begins_with_its_first_unit(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("it", "sbn", layers=[4, 3], data_mean=0.1)
    page = open_page("filters", checkpoint="it", unit="4", order="number")
    assert page.query_params["unit"] == "4"
    page.selectbox("filters.bank.it").set_value("layer-2").run()
    assert not page.exception
    assert "unit" not in page.query_params
    assert page.subheader[0].value == "Latent 1"


def test_weights_that_another_model_lacks_are_left_behind_without_a_word(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("belief", "sbn", layers=[4, 3], data_mean=0.1)
    shelf.add("estimator", "nade", hidden_dim=4)
    page = open_page("filters", checkpoint="belief", weights="layer-2", unit="2")
    page.selectbox("checkpoint").set_value("estimator").run()
    assert not page.exception
    assert not page.warning
    assert page.selectbox("filters.bank.estimator").value == "inputs"
    assert not {"weights", "unit"} & set(page.query_params)


def test_what_a_page_does_not_ask_is_checked_in_a_link_all_the_same(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("it", "mixture", components=3)
    page = open_page("filters", checkpoint="it", colours="nonsense", part="97")
    told = page.warning[0].value
    assert "`colours`" in told
    assert "`part`" in told
    assert not {"colours", "part"} & set(page.query_params)


def test_a_unit_stays_chosen_in_another_order(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("it", "rbm", hidden=9, particles=2)
    first = open_page("filters", checkpoint="it").subheader[0].value
    page = open_page("filters", checkpoint="it", unit=first.split()[-1])
    page.segmented_control("filters.order").set_value("number").run()
    assert page.subheader[0].value == first


def test_pictures_of_another_shape_are_not_stood_in_for(shelf: Shelf) -> None:
    for shape in ([14, 56], [28, 28], [28, 20], [10, 56]):
        config = {"data_dim": shape[0] * shape[1]}
        card = {"model": "vae", "dataset": "own-set", "config": config, "image_shape": shape}
        assert bool(suitable(card)) is (shape in ([28, 28], [28, 20]))


def test_many_units_are_shown_in_parts(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("it", "nade", hidden_dim=100)
    page = open_page("filters", checkpoint="it", order="number", part="97")
    assert page.subheader[0].value == "Hidden unit 97"
    assert not page.warning


@pytest.mark.parametrize("key", ["couplings", "components"])
def test_the_script_draws_the_pictures_of_the_page(shelf: Shelf, tmp_path: Path, key: str) -> None:
    kind = {"couplings": "rbm", "components": "mixture"}[key]
    shelf.add("it", kind, **KINDS[kind][0])
    shape = cards.picture_shape(cache.card("it"))
    bank = banks_of(cache.model("it"))[key]
    weights = weights_of("it", key, bank)
    code = filters_script("it", key, [2, 0, 1], shape, columns=2)
    written = picture_of(code, tmp_path)
    assert written.shape == (56, 56)
    expected = weights[2].reshape(28, 28)
    if bank.signed:
        expected = 0.5 + 0.5 * expected / scales(weights, own=False)[0]
    grey = (expected.clip(0, 1) * 255).round()
    assert np.abs(written[:28, :28].astype(int) - grey.astype(int)).max() <= 1


def test_grey_pictures_get_their_four_channels() -> None:
    assert rgba(np.full((1, 1, 1), 7, np.uint8)).tolist() == [[[[7, 7, 7, 255]]]]
    assert rgba(np.full((1, 1, 1, 3), 7, np.uint8)).tolist() == [[[[7, 7, 7, 255]]]]
