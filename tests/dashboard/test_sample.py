"""The Sample page in every state it can be in, for each kind of model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.components.layer_state import bars_picture, bits_picture
from tests.dashboard.conftest import Shelf, words

OpenPage = Callable[..., AppTest]


def pictures(page: AppTest) -> list[str]:
    """The address of every picture on the page, which is made from its content."""
    return [image.url for element in page.image for image in element.proto.imgs]


def captions(page: AppTest) -> str:
    return "\n".join(image.caption for element in page.image for image in element.proto.imgs)


def test_sample_asks_for_training_when_no_checkpoint_exists(
    shelf: Shelf, open_page: OpenPage
) -> None:
    page = open_page("sample")
    assert "There is no checkpoint of images yet" in page.info[0].value
    assert not page.slider


def test_a_slider_changes_the_picture_and_what_the_others_do(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    page = open_page("sample")
    assert [slider.label for slider in page.slider] == ["z₁", "z₂"]
    assert [title.value for title in page.subheader] == ["Turn the latents", "Draws from the prior"]
    before = pictures(page)
    page.slider[0].set_value(2.0).run()
    after = pictures(page)
    assert after[0] != before[0]
    assert after[1] != before[1]
    assert after[2] == before[2]  # the prior's draws are none of the slider's business


def test_a_prior_draw_sets_the_sliders_by_its_seed(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=3, hidden=[8])
    page = open_page("sample")
    page.segmented_control("sample.start.True.False").set_value("prior").run()
    first = [slider.value for slider in page.slider]
    assert any(first)
    page.number_input("sample.seed").set_value(1).run()
    assert [slider.value for slider in page.slider] != first
    page.number_input("sample.seed").set_value(0).run()
    assert [slider.value for slider in page.slider] == first


def test_a_test_image_gives_its_code_and_says_that_the_digits_stand_in(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("vae", latent_dim=3, hidden=[8])
    page = open_page("sample")
    page.segmented_control("sample.start.True.False").set_value("image").run()
    assert not page.exception
    assert "5000 embedded digits instead" in page.info[0].value
    first = [slider.value for slider in page.slider]
    page.number_input("sample.image").set_value(5).run()
    assert [slider.value for slider in page.slider] != first


def test_principal_axes_start_at_zero_and_tell_their_share(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("vae", latent_dim=4, hidden=[8])
    page = open_page("sample")
    page.segmented_control("sample.directions").set_value("axes").run()
    assert not page.exception
    assert [slider.value for slider in page.slider] == [0.0] * 4
    assert page.slider[0].label.startswith("axis 1 (")
    before = pictures(page)
    page.slider[0].set_value(-2.0).run()
    assert pictures(page)[0] != before[0]


def test_of_many_latents_one_picks_which_to_turn(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=20, hidden=[8])
    page = open_page("sample")
    assert len(page.slider) == 8
    page.multiselect[0].set_value([3, 11]).run()
    assert [slider.label for slider in page.slider] == ["z₄", "z₁₂"]
    page.multiselect[0].set_value([]).run()
    assert not page.exception
    assert not page.slider


def test_faces_without_data_are_turned_all_the_same(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("faces", dataset="frey", latent_dim=2, hidden=[8], likelihood="gaussian")
    page = open_page("sample")
    assert page.segmented_control("sample.start.False.False").options == ["Zero", "Prior draw"]
    before = pictures(page)
    page.slider[1].set_value(1.5).run()
    assert pictures(page)[0] != before[0]


def test_a_dlgm_keeps_a_locked_layer_and_draws_the_others(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("deep", "dlgm", layers=[6, 2], hidden=[8])
    page = open_page("sample")
    assert "Layer by layer" in [title.value for title in page.subheader]
    before = page.session_state["sample.layers.state"]["z"].copy()
    page.toggle("sample.lock.deep.1").set_value(True).run()
    assert "Layer 2 as shown, the rest drawn afresh." in captions(page)
    page.button("sample.layers.draw").click().run()
    after = page.session_state["sample.layers.state"]["z"]
    np.testing.assert_array_equal(after[6:], before[6:])
    assert not np.array_equal(after[:6], before[:6])
    assert page.number_input("sample.layers.seed").value == 1

    page.toggle("sample.lock.deep.0").set_value(True).run()
    page.button("sample.layers.draw").click().run()
    np.testing.assert_array_equal(page.session_state["sample.layers.state"]["z"], after)


def test_an_sbn_has_switches_and_layers_of_bits(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("bits", "sbn", layers=[12, 30])
    page = open_page("sample")
    assert not page.slider
    assert page.subheader[0].value == "Switch the bits"
    pills = page.get("button_group")
    switches = next(group for group in pills if group.proto.id.find("sample.bits") >= 0)
    assert len(switches.options) == 24  # of 30: those that change the image most
    z = page.session_state["sample.layers.state"]["z"]
    assert set(np.unique(z)) <= {0.0, 1.0}
    before = pictures(page)
    switches.set_value([]).run()
    assert not page.exception
    assert pictures(page)[:2] != before[:2]
    assert "bits on" in captions(page)


def test_prior_draws_follow_their_seed(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    page = open_page("sample")
    before = pictures(page)
    page.button("sample.prior.draw").click().run()
    assert page.number_input("sample.prior.seed").value == 1
    assert pictures(page)[:2] == before[:2]
    assert pictures(page)[2] != before[2]
    page.number_input("sample.prior.seed").set_value(0).run()
    assert pictures(page) == before
    page.segmented_control("sample.prior.show").set_value("pixels").run()
    assert pictures(page)[2] != before[2]


def test_visitors_do_not_move_each_others_layers(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("deep", "dlgm", layers=[6, 2], hidden=[8])
    one, other = open_page("sample"), open_page("sample")
    other.button("sample.layers.draw").click().run()
    one.run()
    assert one.session_state["sample.layers.state"]["seed"] == 0
    assert other.session_state["sample.layers.state"]["seed"] == 1


def test_the_page_says_what_to_try(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    assert "Turn one latent at a time" in words(open_page("sample"))


def test_bits_are_lit_where_they_are_on() -> None:
    bits = np.zeros(200)
    bits[[0, 199]] = 1
    picture = bits_picture(bits)
    lit = picture[..., 3] == 255  # the others are faint, and the gaps empty
    assert lit[0, 0]
    assert lit.sum() == 2 * lit[:10, :10].sum()
    assert (picture[..., 3] > 0).sum() == 200 * lit[:10, :10].sum()
    with pytest.raises(ValueError, match="at least one value"):
        bits_picture(np.zeros(0))


def test_bars_rise_and_fall_from_the_middle() -> None:
    picture = bars_picture(np.array([3.0, -3.0, 0.0]), 3.0)
    middle = len(picture) // 2
    opaque = picture[..., 3] == 255
    columns = np.flatnonzero(opaque[:middle].any(0))
    assert opaque[:middle, columns].all()  # a bar of full reach
    assert len(columns) == len(np.flatnonzero(opaque[middle + 1 :].any(0)))
    assert columns.max() < np.flatnonzero(opaque[middle + 1 :].any(0)).min()
    with pytest.raises(ValueError, match="`reach` positive"):
        bars_picture(np.ones(3), 0.0)
