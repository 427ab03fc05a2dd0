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
    links = [link.proto for link in page.get("page_link")]
    on_card = [link.page for link in links if link.query_string]
    assert set(on_card) == {
        navigation.entry(module).url_path for module in ("latent_space", "sample", "impute")
    }
    assert all(link.query_string == "checkpoint=vae" for link in links if link.query_string)


def test_a_checkpoint_that_is_trained_again_is_loaded_again(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    assert "2 latents" in words(open_page("overview"))
    shelf.add("vae", latent_dim=3, hidden=[8, 8])
    assert "3 latents" in words(open_page("overview"))
