"""Models without latents, with linked bits, of documents, in colour: no page stumbles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from dashboard import cache, capabilities, cards, navigation
from dashboard.components.image_grid import image_grid, to_pixels
from dashboard.components.pickers import suitable
from dashboard.logic.sample.draws import drawn_images
from dashboard.scripts.sample import draws_script
from dashboard.weights import model_arrays
from engine.models import build_model
from tests.dashboard.conftest import Shelf, recorded, words
from tests.dashboard.running import picture_of

OpenPage = Callable[..., AppTest]
MODULES = [entry.module for entry in navigation.ENTRIES]

LIKELIHOOD = (("log_likelihood", -88.31, 0.21, 1),)
AIS = (("log_likelihood", -86.3, 0.3, 100), ("log_likelihood_lower", -86.5, 0.3, 100))
DOCUMENTS = (("elbo", -600.0, 9.0, 1), ("perplexity", 905.0, 12.0, 5000))

# Name on the shelf: model, what `Shelf.add` takes, and the pages that show it.
DRAWS = ["sample", "filters"]
ALL = ["latent_space", "sample", "filters", "recognition", "impute"]
KINDS: dict[str, tuple[str, dict, list[str]]] = {
    "nade": ("nade", {"hidden_dim": 4, "metrics": LIKELIHOOD}, DRAWS),
    "eonade": ("eonade", {"hidden": [4], "orderings": 2, "metrics": LIKELIHOOD}, DRAWS),
    "mixture": ("mixture", {"components": 3, "metrics": LIKELIHOOD}, DRAWS),
    "rbm": ("rbm", {"hidden": 4, "particles": 3, "metrics": AIS}, DRAWS),
    "dbn": ("dbn", {"layers": [4, 3], "particles": 3}, [*DRAWS, "impute"]),
    "darn": ("darn", {"layers": [4]}, ["latent_space", "sample", "filters", "recognition"]),
    "fdarn": ("fdarn", {"layers": [4, 3]}, ALL),
    "linked-q": ("sbn", {"layers": [4], "recognition": "autoregressive"}, ALL),
    "documents": (
        "sbn",
        {"layers": [4], "likelihood": "multinomial", "dataset": "20-newsgroups",
         "metrics": DOCUMENTS},
        [],
    ),
    "colour": (
        "vae",
        {"latent_dim": 2, "hidden": [4], "likelihood": "gaussian", "dataset": "cifar10-small"},
        ALL,
    ),
    "vae": ("vae", {"latent_dim": 2, "hidden": [4]}, ALL),
    "sbn": ("sbn", {"layers": [4, 3]}, ALL),
}  # fmt: skip
PICTURES = [name for name, (_, _, pages) in KINDS.items() if pages]


def put(shelf: Shelf, *names: str) -> None:
    for name in names:
        kind, options, _ = KINDS[name]
        curves = recorded()
        if name in ("nade", "eonade", "mixture", "rbm"):
            for column in ("reconstruction", "kl"):
                for split in ("train", "valid"):
                    curves[f"{split}_{column}"] = np.full(20, np.nan)
        shelf.add(name, kind, curves=curves, **options)


@pytest.mark.parametrize("name", KINDS)
def test_each_page_offers_what_it_can_show(shelf: Shelf, name: str) -> None:
    put(shelf, name)
    assert capabilities.pages_for(cache.card(name)) == KINDS[name][2]


@pytest.mark.parametrize("module", MODULES)
def test_a_page_opens_on_a_shelf_of_all_kinds(
    shelf: Shelf, open_page: OpenPage, module: str
) -> None:
    put(shelf, *KINDS)
    page = open_page(module)
    assert not page.error
    for picker in page.selectbox:
        if picker.key == "checkpoint" and module in capabilities.CAPABLE:
            fitting = [name for name, (_, _, pages) in KINDS.items() if module in pages]
            assert sorted(picker.options) == sorted(fitting)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("name", ["rbm", "documents"])
def test_a_page_opens_where_there_is_nothing_else(
    shelf: Shelf, open_page: OpenPage, module: str, name: str
) -> None:
    put(shelf, name)
    assert not open_page(module, checkpoint=name).error


@pytest.mark.parametrize(
    ("module", "name", "why"),
    [
        ("impute", "darn", "given which its pixels are independent"),
        ("latent_space", "dbn", "no Boltzmann machine"),
        ("recognition", "dbn", "no Boltzmann machine"),
    ],
)
def test_a_page_says_why_it_has_another_checkpoint(
    shelf: Shelf, open_page: OpenPage, module: str, name: str, why: str
) -> None:
    put(shelf, name, "sbn")
    page = open_page(module, checkpoint=name)
    assert page.selectbox("checkpoint").value == "sbn"
    assert not page.warning  # the link is sound
    assert any(why in info.value for info in page.info)


@pytest.mark.parametrize("name", PICTURES)
def test_the_sample_page_draws_from_any_model_of_images(
    shelf: Shelf, open_page: OpenPage, name: str
) -> None:
    put(shelf, name)
    page = open_page("sample", checkpoint=name)
    assert page.header[-1].value in ("Draws from the prior", "Draws from the model")
    before = [image.url for element in page.image for image in element.proto.imgs]
    assert before
    page.number_input("sample.grid.seed").set_value(3).run()
    assert not page.exception
    assert [image.url for element in page.image for image in element.proto.imgs] != before


def test_a_model_without_latents_says_so_and_offers_its_draws(
    shelf: Shelf, open_page: OpenPage
) -> None:
    put(shelf, "nade")
    page = open_page("sample", checkpoint="nade")
    assert "no latents to set" in page.info[0].value
    assert not page.segmented_control
    assert "model.sample(60, generator=generator)" in page.code[0].value


def test_the_causes_of_a_belief_net_cannot_be_set_but_have_means(
    shelf: Shelf, open_page: OpenPage
) -> None:
    put(shelf, "dbn")
    page = open_page("sample", checkpoint="dbn")
    assert "Boltzmann machine" in page.info[0].value
    assert "model.likelihood(z).mean" in page.code[0].value
    page.segmented_control("sample.grid.show").set_value("pixels").run()
    assert "model.sample(120, generator=generator)" in page.code[0].value


@pytest.mark.parametrize(("name", "means"), [("nade", False), ("dbn", True)])
def test_the_script_writes_the_images_of_the_page(
    shelf: Shelf, tmp_path: Path, name: str, means: bool
) -> None:
    put(shelf, name)
    shape = cards.picture_shape(cache.card(name))
    code = draws_script(name, shape, count=4, columns=2, seed=5, means=means)
    images = drawn_images(cache.model(name), 4, 5, means=means)
    grid = image_grid(images, shape, columns=2, gap=0)
    written = np.asarray(Image.fromarray(picture_of(code, tmp_path)).convert("RGB"))
    assert np.abs(written.astype(int) - grid[..., :3].astype(int)).max() <= 1


def test_the_overview_shows_the_numbers_of_each_kind(shelf: Shelf, open_page: OpenPage) -> None:
    put(shelf, *KINDS)
    page = open_page("overview")
    told = {(one.label, one.value) for one in page.metric}
    assert ("log p(x)", "−88.31 ± 0.21") in told
    assert ("log p(x)", "−86.30 ± 0.30") in told
    assert ("Perplexity", "905.0 ± 12.0") in told
    assert ("ELBO", "−98.21 ± 0.13") in told
    assert "per word, 10\u202f000 test documents" in words(page)
    assert "NADE, 4 hidden units" in words(page)
    assert "EoNADE, 4 relu" not in words(page)


def test_the_training_page_shows_curves_without_parts(shelf: Shelf, open_page: OpenPage) -> None:
    put(shelf, "nade")
    page = open_page("training")
    assert not page.exception
    page = open_page("training", quantity="kl")
    assert not page.get("plotly_chart")
    assert "`nade` has no latents" in page.info[0].value


def test_models_are_described_by_their_kind(shelf: Shelf) -> None:
    put(shelf, *KINDS)
    told = {name: cards.describe(cache.card(name)) for name in KINDS}
    assert told["nade"] == "NADE, 4 hidden units"
    assert told["eonade"] == "EoNADE, 4 ReLU, 2 orderings"
    assert told["mixture"] == "Mixture of Bernoullis, 3 components"
    assert told["rbm"] == "RBM, 4 hidden units"
    assert told["dbn"] == "DBN, 4-3 binary latents"
    assert told["linked-q"] == "SBN, 4 binary latents, autoregressive q"
    assert cards.model_kind(cache.card("rbm")) == "energy"
    assert cards.layer_sizes(cache.card("nade")) == ()
    assert cards.layer_sizes(cache.card("dbn")) == (4,)
    assert cards.latent_kind(cache.card("nade")) == "none"


def test_a_model_that_the_engine_does_not_know_is_offered_nowhere() -> None:
    card = {"model": "oracle", "dataset": "mnist-static", "config": {"data_dim": 784}}
    assert cards.model_kind(card) == "unknown"
    assert capabilities.pages_for(card) == []


def test_colour_pictures_are_three_values_a_pixel() -> None:
    card = {"model": "vae", "dataset": "cifar10-small", "config": {"data_dim": 3072}}
    assert cards.picture_shape(card) == (32, 32, 3)
    assert cards.runs_in_browser(card)
    assert suitable(card)[0] == "cifar10-small"
    own = {**card, "dataset": "mine", "config": {"data_dim": 6}, "image_shape": [2, 3]}
    assert cards.picture_shape(own) == (2, 3)
    assert suitable(own) == []


def test_a_grid_keeps_colours() -> None:
    images = torch.tensor([[1.0, 0.0, 0.5, 0.0, 1.0, 0.0]])
    assert to_pixels(images, (1, 2, 3)).tolist() == [[[[255, 0, 128], [0, 255, 0]]]]
    grid = image_grid(images, (1, 2, 3), scale=2)
    assert grid[0, 0].tolist() == [255, 0, 128, 255]
    assert grid[1, 3].tolist() == [0, 255, 0, 255]


def test_the_browser_refuses_a_model_with_a_part_that_it_does_not_know() -> None:
    kind, options, _ = KINDS["dbn"]
    model = build_model(kind, data_dim=9, **options)
    with pytest.raises(TypeError, match="the browser has no"):
        model_arrays(model)
