"""The Sample page in every state it can be in, for each kind of model: what Python does of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from tests.dashboard.conftest import Shelf, words

OpenPage = Callable[..., AppTest]


def pictures(page: AppTest) -> list[str]:
    """The address of every picture on the page, which is its content."""
    return [image.url for element in page.image for image in element.proto.imgs]


def code(page: AppTest) -> str:
    """The first script that the page offers."""
    return page.code[0].value


def address(page: AppTest) -> dict[str, str]:
    return {
        name: values if isinstance(values, str) else values[0]
        for name, values in page.query_params.items()
    }


def test_sample_asks_for_training_when_no_checkpoint_exists(
    shelf: Shelf, open_page: OpenPage
) -> None:
    page = open_page("sample")
    assert "There is no checkpoint of images yet" in page.info[0].value
    assert not page.header


def test_a_vae_is_turned_and_has_no_layers_to_play(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    page = open_page("sample")
    assert [title.value for title in page.header] == ["Turn the latents", "Draws from the prior"]
    assert len(page.code) == 1


def test_a_prior_draw_starts_from_its_seed(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=3, hidden=[8])
    page = open_page("sample")
    zero = code(page)
    page.segmented_control("sample.start.True.False").set_value("prior").run()
    first = code(page)
    assert first != zero
    page.number_input("sample.seed").set_value(1).run()
    assert code(page) != first
    assert address(page)["seed"] == "1"
    page.number_input("sample.seed").set_value(0).run()
    assert code(page) == first


def test_a_test_image_gives_its_code_and_says_that_the_digits_stand_in(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("vae", latent_dim=3, hidden=[8])
    page = open_page("sample")
    page.segmented_control("sample.start.True.False").set_value("image").run()
    assert not page.exception
    assert "5000 embedded digits instead" in page.info[0].value
    first = code(page)
    page.number_input("sample.image").set_value(5).run()
    assert code(page) != first
    again = open_page("sample", **address(page))
    assert code(again) == code(page)


def test_principal_axes_need_images(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=4, hidden=[8])
    page = open_page("sample", directions="axes", units="1", z="1.5")
    assert page.segmented_control("sample.directions").value == "axes"
    assert "test images' codes" in words(page)
    assert code(page) != code(open_page("sample", directions="axes"))


def test_faces_without_data_are_turned_all_the_same(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("faces", dataset="frey", latent_dim=2, hidden=[8], likelihood="gaussian")
    page = open_page("sample")
    assert page.segmented_control("sample.start.False.False").options == ["Zero", "Prior draw"]
    assert "KL averaged" not in words(page)
    page = open_page("sample", units="2", z="1.5")
    assert "0, 1.5," in code(page)


def test_a_link_turns_the_latents_that_it_names(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=40, hidden=[8])
    page = open_page("sample", units="3,40", z="0.35,-2.5")
    assert "0, 0, 0.34999999, 0," in code(page)
    assert "-2.5," in code(page)
    assert address(page)["units"] == "3,40"
    assert address(page)["z"] == "0.35,-2.5"
    assert not page.warning


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({"units": "3", "z": "1,2"}, "z"),
        ({"units": "3"}, "z"),
        ({"units": "99", "z": "1"}, "units"),
        ({"units": "3,3", "z": "1,1"}, "units"),
        ({"units": "1", "z": "1e9"}, "z"),
        ({"units": "1", "z": "nan"}, "z"),
        ({"start": "nowhere"}, "start"),
        ({"layer": "3"}, "layer"),
        ({"below": "up"}, "below"),
    ],
)
def test_a_broken_link_says_what_is_wrong_and_shows_the_default(
    shelf: Shelf, open_page: OpenPage, query: dict[str, str], wrong: str
) -> None:
    shelf.add("vae", latent_dim=4, hidden=[8])
    default = code(open_page("sample"))
    page = open_page("sample", **query)
    assert f"`{wrong}`" in page.warning[0].value
    assert code(page) == default
    assert not set(address(page)) - {"checkpoint"}


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({"step": "-1"}, "step"),
        ({"step": "5", "locks": "6.1"}, "locks"),
        ({"step": "5", "locks": "2.9"}, "locks"),
        ({"step": "5", "locks": "x"}, "locks"),
        ({"step": "5", "locks": "4.1-2.0"}, "locks"),
        ({"layers_seed": "one"}, "layers_seed"),
        ({"show": "both"}, "show"),
    ],
)
def test_a_broken_link_to_draws_says_what_is_wrong(
    shelf: Shelf, open_page: OpenPage, query: dict[str, str], wrong: str
) -> None:
    shelf.add("deep", "dlgm", layers=[6, 2], hidden=[8])
    page = open_page("sample", **query)
    assert f"`{wrong}`" in page.warning[0].value


def test_another_checkpoint_begins_with_nothing_turned(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("one", latent_dim=4, hidden=[8])
    shelf.add("two", "dlgm", layers=[6, 2], hidden=[8])
    page = open_page("sample", checkpoint="one", units="3", z="1.5")
    page.selectbox("checkpoint").set_value("two").run()
    assert not page.exception
    assert not page.warning
    assert "units" not in address(page)
    assert "1.5" not in code(page)


def test_a_dlgm_and_an_sbn_have_layers_to_play(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("deep", "dlgm", layers=[6, 2], hidden=[8])
    page = open_page("sample", step="7", locks="3.2")
    assert "Layer by layer" in [title.value for title in page.header]
    assert "Draw 7 of the layers of deep" in page.code[1].value
    shelf.add("bits", "sbn", layers=[12, 30])
    page = open_page("sample", checkpoint="bits")
    assert page.header[0].value == "Switch the bits"
    assert "BITS" in code(page)
    assert "each bit at mean field given those that it depends on" in words(page)


def test_prior_draws_follow_their_seed(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    page = open_page("sample")
    before = pictures(page)
    page.button("sample.grid.draw").click().run()
    assert page.number_input("sample.grid.seed").value == 1
    assert pictures(page) != before
    page.number_input("sample.grid.seed").set_value(0).run()
    assert pictures(page) == before
    page.segmented_control("sample.grid.show").set_value("pixels").run()
    assert pictures(page) != before
    assert pictures(open_page("sample", grid="pixels")) == pictures(page)


def test_the_page_says_what_to_try(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    assert "Turn one at a time" in words(open_page("sample"))
