"""The Overview page in every state it can be in."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from dashboard import navigation, state
from tests.dashboard.conftest import Shelf, words

OpenPage = Callable[..., AppTest]


def test_overview_asks_for_a_training_when_there_is_no_checkpoint(
    shelf: Shelf, open_page: OpenPage
) -> None:
    page = open_page("overview")
    assert "There is no trained model yet" in page.info[0].value
    assert "python -m engine train" in page.info[0].value
    assert not page.metric


def test_overview_shows_a_card_with_samples_numbers_and_errors_for_each_checkpoint(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("vae-2-digits", latent_dim=2, hidden=[8])
    shelf.add("sbn-digits", "sbn", layers=[6, 5], recipe={"estimator": {"name": "nvil"}})
    shelf.add("vae-faces", dataset="frey", latent_dim=2, hidden=[8], likelihood="gaussian")
    page = open_page("overview")
    read = words(page)
    for name in ("vae-2-digits", "sbn-digits", "vae-faces"):
        assert f"#### {name}" in read
    assert len(page.image) == 3
    assert [metric.label for metric in page.metric] == ["ELBO", "L₅₀₀₀"] * 3
    assert page.metric[0].value == "−98.21 ± 0.13"
    assert "5000 draws" in page.metric[1].help
    assert "10\u202f000 test images" in read
    assert "trained with NVIL, 12.3 million images, 34 min, CPU" in read


def test_overview_says_that_a_checkpoint_has_not_been_evaluated(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("fresh", latent_dim=2, hidden=[8], metrics=())
    page = open_page("overview")
    assert not page.metric
    assert "Not evaluated yet" in words(page)


def test_overview_leaves_out_a_damaged_checkpoint_and_names_it(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("good", latent_dim=2, hidden=[8])
    (shelf.folder / "torn.safetensors").write_bytes(b"\x10\x00\x00\x00 no header")
    page = open_page("overview")
    assert "`torn` is left out" in page.warning[0].value
    assert "#### good" in words(page)


def test_overview_reports_weights_that_do_not_fit_their_card(
    shelf: Shelf, open_page: OpenPage
) -> None:
    path = shelf.add("cut", latent_dim=2, hidden=[8])
    content = bytearray(path.read_bytes())
    path.write_bytes(content[:-400])
    page = open_page("overview")
    assert "cut" in words(page)
    assert page.warning or page.error


def test_draw_again_draws_other_samples_and_the_same_seed_draws_the_same(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    page = open_page("overview")
    first = page.image[0].proto.imgs[0].url
    page.button("overview.draw").click().run()
    assert not page.exception
    assert page.session_state[state.OVERVIEW_SEED] == 1
    assert page.image[0].proto.imgs[0].url != first
    assert open_page("overview").image[0].proto.imgs[0].url == first


def test_each_card_links_to_the_pages_that_work_on_it(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    page = open_page("overview")
    links = [link.proto for link in page.get("page_link") if link.proto.query_string]
    linked = {link.page: link.query_string for link in links}
    training = navigation.entry("training").url_path
    assert linked.pop(training) == "curves=vae"
    entries = {entry.module: entry.url_path for entry in navigation.ENTRIES}
    working = {"latent_space", "sample", "filters", "recognition", "impute"} & entries.keys()
    assert linked == {entries[module]: "checkpoint=vae" for module in working}
    assert {"latent_space", "sample", "impute"} <= working


def test_checkpoints_made_for_others_stand_apart_with_what_they_are_for(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    shelf.add("begun", latent_dim=2, hidden=[8])
    estimator = {"estimator": {"name": "sgvb-b"}}
    shelf.add(
        "ended", latent_dim=2, hidden=[8], recipe={**estimator, "training": {"start": "begun"}}
    )
    shelf.add("lost", latent_dim=2, hidden=[8], recipe={**estimator, "training": {"start": "gone"}})
    shelf.add("measured", latent_dim=2, hidden=[8], recipe={**estimator, "variance": {"draws": 9}})
    page = open_page("overview")
    assert {text for text in words(page).splitlines() if text.startswith("####")} == {
        "#### vae", "#### ended", "#### lost",
    }  # fmt: skip
    (apart,) = page.expander
    assert not apart.proto.expanded
    assert [text.value for text in apart.markdown] == [
        "**begun**: the start of ended",
        "**measured**: trained to record gradient variances, for the Estimators page",
    ]
    assert "checkpoint=begun" in [link.proto.query_string for link in apart.get("page_link")]
    assert len(page.image) == 3


def test_the_cards_are_those_of_a_kind_and_of_data(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("one", latent_dim=2, hidden=[8])
    page = open_page("overview")
    assert not page.segmented_control  # there is nothing to choose
    assert not page.selectbox
    shelf.add("faces", dataset="frey", latent_dim=2, hidden=[8], likelihood="gaussian")
    shelf.add("bits", "sbn", layers=[6])
    shelf.add("linked", "fdarn", layers=[6])
    page = open_page("overview")
    assert page.segmented_control[0].options == ["All", "VAE", "Belief networks"]
    assert len(page.image) == 4
    page.segmented_control[0].set_value("belief").run()
    assert {text for text in words(page).splitlines() if text.startswith("####")} == {
        "#### bits", "#### linked",
    }  # fmt: skip
    assert page.query_params == {"models": "belief"}
    page.selectbox[0].set_value("frey").run()
    assert not page.image
    assert "No model of this kind" in page.info[0].value
    page = open_page("overview", models="vae", data="frey")
    assert "#### faces" in words(page)
    assert len(page.image) == 1


def test_the_samples_are_those_of_the_seed_in_the_address(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    page = open_page("overview")
    page.button("overview.draw").click().run()
    assert page.query_params == {"seed": "1"}
    fresh = open_page("overview", seed="1")
    assert fresh.image[0].proto.imgs[0].url == page.image[0].proto.imgs[0].url
    broken = open_page("overview", seed="first")
    assert "`seed` must be a whole number from 0 to 9999" in broken.warning[0].value
    assert broken.image[0].proto.imgs[0].url == open_page("overview").image[0].proto.imgs[0].url


def test_a_checkpoint_that_is_trained_again_is_loaded_again(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    assert "2 latents" in words(open_page("overview"))
    shelf.add("vae", latent_dim=3, hidden=[8, 8])
    assert "3 latents" in words(open_page("overview"))
