"""Pickers of checkpoints and images: what they offer, and what they say when there is nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.components.pickers import suitable
from tests.dashboard.conftest import Shelf, words


def picking() -> None:
    import streamlit as st

    from dashboard import cards, permalinks
    from dashboard.components.pickers import checkpoint_picker

    chosen = checkpoint_picker(
        capable=lambda card: cards.latent_dim(card) == 2, what="a checkpoint with 2 latents"
    )
    permalinks.show_problems()
    st.text(f"chosen: {chosen}")


def choosing_images(name: str) -> None:
    import streamlit as st

    from dashboard import cache, permalinks
    from dashboard.components.pickers import data_picker

    images = data_picker(cache.card(name), key="test.data")
    permalinks.show_problems()
    st.text("none" if images is None else f"{images.title} {tuple(images.x.shape)}")
    if images is not None:
        st.text(f"fallback {images.is_fallback}")


def run(script: object, **arguments: str) -> AppTest:
    page = AppTest.from_function(script, default_timeout=60, kwargs=arguments).run()
    assert not page.exception, page.exception
    return page


def test_checkpoint_picker_offers_only_what_the_page_can_show(shelf: Shelf) -> None:
    shelf.add("map", latent_dim=2, hidden=[8])
    shelf.add("wide", latent_dim=20, hidden=[8])
    page = run(picking)
    assert page.selectbox[0].options == ["map"]
    assert page.caption[0].value == "VAE, 8 tanh, 2 latents, MNIST, fixed binarisation"
    assert page.text[0].value == "chosen: map"


def test_checkpoint_picker_says_what_to_do_when_nothing_fits(shelf: Shelf) -> None:
    shelf.add("wide", latent_dim=20, hidden=[8])
    page = run(picking)
    assert "no checkpoint with 2 latents" in page.info[0].value
    assert page.text[0].value == "chosen: None"


def linked(script: object, query: dict[str, str], **arguments: str) -> AppTest:
    page = AppTest.from_function(script, default_timeout=60, kwargs=arguments)
    for name, value in query.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception, page.exception
    return page


def test_checkpoint_picker_takes_the_name_in_the_address(shelf: Shelf) -> None:
    for name in ("a", "b"):
        shelf.add(name, latent_dim=2, hidden=[8])
    page = linked(picking, {"checkpoint": "b"})
    assert page.text[0].value == "chosen: b"
    assert not page.warning


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("../../etc/passwd", "names no checkpoint that is here"),
        ("", "names no checkpoint that is here"),
        ("[x](http://y)", "names no checkpoint that is here"),
    ],
)
def test_checkpoint_picker_says_that_it_cannot_show_what_the_address_names(
    shelf: Shelf, address: str, reason: str
) -> None:
    for name in ("a", "b"):
        shelf.add(name, latent_dim=2, hidden=[8])
    shelf.add("wide", latent_dim=20, hidden=[8])
    page = linked(picking, {"checkpoint": address})
    assert page.text[0].value == "chosen: a"
    assert f"`checkpoint` {reason}." in page.warning[0].value
    assert not address or address not in page.warning[0].value
    assert not page.run().warning  # the address has been set right


def test_checkpoint_picker_leads_to_the_pages_that_show_what_the_address_names(
    shelf: Shelf,
) -> None:
    shelf.add("a", latent_dim=2, hidden=[8])
    shelf.add("wide", latent_dim=20, hidden=[8])
    page = linked(picking, {"checkpoint": "wide"})
    assert page.text[0].value == "chosen: a"
    assert not page.warning  # the link is sound
    assert "needs a checkpoint with 2 latents, which `wide` is not" in page.info[0].value
    assert "[Sample](sample?checkpoint=wide)" in page.info[0].value
    assert not page.run().info


def test_data_picker_takes_data_and_split_from_the_address_and_keeps_them_there(
    real_data: Shelf,
) -> None:
    real_data.add("digits", latent_dim=2, hidden=[8])
    query = {"data": "digits-mini", "split": "valid", "other": "stays"}
    page = linked(choosing_images, query, name="digits")
    assert page.text[0].value == "5000 embedded digits, validation split (500, 784)"
    assert page.query_params == query
    page.selectbox("test.data.split").set_value("train").run()
    assert page.query_params["split"] == "train"
    # What is shown by itself needs no place in the address.
    page.selectbox("test.data.dataset").set_value("mnist-static").run()
    page.selectbox("test.data.split").set_value("test").run()
    assert page.query_params == {"other": "stays"}
    assert page.text[0].value == "MNIST, fixed binarisation, test split (10000, 784)"


def test_data_picker_says_which_images_the_address_may_name(shelf: Shelf) -> None:
    shelf.add("digits", latent_dim=2, hidden=[8])
    query = {"data": "frey", "split": "*all*"}
    page = linked(choosing_images, query, name="digits")
    assert page.text[0].value == "5000 embedded digits, test split (500, 784)"
    told = page.warning[0].value
    assert "`data` must be one of: digits-mini" in told
    assert "`split` must be one of: test, valid, train" in told
    assert "*all*" not in told


def test_data_picker_falls_back_to_the_embedded_digits_and_says_so(shelf: Shelf) -> None:
    shelf.add("digits", latent_dim=2, hidden=[8])
    page = run(choosing_images, name="digits")
    assert "you see the 5000 embedded digits instead" in page.info[0].value
    assert "python -m engine data fetch mnist-static" in page.info[0].value
    assert page.text[0].value == "5000 embedded digits, test split (500, 784)"
    assert page.text[1].value == "fallback True"


def test_data_picker_goes_on_without_images_for_faces(shelf: Shelf) -> None:
    shelf.add("faces", dataset="frey", latent_dim=2, hidden=[8], likelihood="gaussian")
    page = run(choosing_images, name="faces")
    assert "the model's own samples" in page.info[0].value
    assert page.text[0].value == "none"
    assert not page.selectbox


def test_data_picker_reports_a_fetch_that_failed(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A host that refuses at once: nothing listens on the discard port of this machine.
    monkeypatch.setenv("HELMHOLTZ_MIRROR", "http://127.0.0.1:9/")
    shelf.add("digits", latent_dim=2, hidden=[8])
    page = run(choosing_images, name="digits")
    page.button("test.data.fetch").click().run()
    assert not page.exception
    assert "mnist-static" in page.error[0].value
    assert page.text[0].value == "5000 embedded digits, test split (500, 784)"


def test_data_picker_reports_a_broken_file_instead_of_drawing_from_it(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "binarized_mnist.npz").write_bytes(b"not an archive")
    monkeypatch.setenv("HELMHOLTZ_DATA", str(tmp_path))
    shelf.add("digits", latent_dim=2, hidden=[8])
    page = run(choosing_images, name="digits")
    assert "binarized_mnist.npz" in page.error[0].value
    assert page.text[0].value == "none"


@pytest.fixture
def real_data(shelf: Shelf, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setenv("HELMHOLTZ_DATA", str(data_root))
    st.cache_resource.clear()
    return shelf


def test_data_picker_offers_the_checkpoints_own_images_first(real_data: Shelf) -> None:
    real_data.add("digits", latent_dim=2, hidden=[8])
    page = run(choosing_images, name="digits")
    assert page.selectbox("test.data.dataset").options[0] == "MNIST, fixed binarisation"
    assert page.text[0].value == "MNIST, fixed binarisation, test split (10000, 784)"
    assert page.text[1].value == "fallback False"
    assert not page.info
    page.selectbox("test.data.split").set_value("valid").run()
    assert page.text[0].value == "MNIST, fixed binarisation, validation split (10000, 784)"


def test_data_picker_offers_faces_to_a_model_of_faces(real_data: Shelf) -> None:
    real_data.add("faces", dataset="frey", latent_dim=2, hidden=[8], likelihood="gaussian")
    page = run(choosing_images, name="faces")
    assert page.text[0].value.startswith("Frey faces, test split (")
    assert "560" in page.text[0].value


def test_words_of_the_note_do_not_mention_a_download_that_has_started(shelf: Shelf) -> None:
    shelf.add("digits", latent_dim=2, hidden=[8])
    assert "Fetching" not in words(run(choosing_images, name="digits"))


def test_a_model_of_other_pictures_has_no_images() -> None:
    assert suitable({"config": {"data_dim": 6}, "dataset": "toy"}) == []
