"""The Latent space page in a real browser: what AppTest cannot do, above all selecting points."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from engine.checkpoints import save_checkpoint
from engine.models import build_model
from engine.random import make_generator
from tests.browser.app import App, running_app, settled
from tests.browser.conftest import Tab

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def small_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with one small model of two latents, and no data but the embedded digits."""
    folder = tmp_path_factory.mktemp("latent-space")
    model = build_model("vae", data_dim=784, latent_dim=2, hidden=[16])
    model.reset_parameters(make_generator(1))
    card = {
        "format": 1, "model": "vae", "config": model.config, "dataset": "mnist-static",
        "protocol": "test", "recipe": {}, "seed": 0, "metrics": [], "training": {},
    }  # fmt: skip
    save_checkpoint(folder / "vae.safetensors", model.state_dict(), card)
    environment = {
        "HELMHOLTZ_PRETRAINED": str(folder),
        "HELMHOLTZ_DATA": "",
        "HELMHOLTZ_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    with running_app(folder / "app.log", environment) as running:
        yield running


@pytest.fixture
def page(small_app: App, open_tab: Callable[..., Tab]) -> Iterator[Page]:
    tab = open_tab(small_app, viewport={"width": 1440, "height": 1200})
    page = tab.open("latent-space")
    drawn(page)
    yield page
    assert not tab.complaints
    assert not tab.exceptions()


def drawn(page: Page) -> None:
    expect(page.locator(".js-plotly-plot .nsewdrag")).to_be_visible(timeout=120_000)
    settled(page)


def show(page: Page, name: str) -> None:
    page.get_by_role("radiogroup", name="Show").get_by_text(name, exact=True).click()
    drawn(page)


def area(page: Page) -> dict[str, float]:
    """The part of the page inside the axes."""
    box = page.locator(".js-plotly-plot .nsewdrag").bounding_box()
    assert box is not None
    return dict(box)


def panel(page: Page) -> str:
    return page.get_by_test_id("stMain").inner_text()


def test_a_box_shows_images_reconstructions_and_neighbours(page: Page) -> None:
    expect(page.get_by_text("Nothing is selected yet.")).to_be_visible()
    box = area(page)
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.locator('.modebar-btn[data-title="Box Select"]').click()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.7 * box["height"], steps=8)
    page.mouse.up()
    expect(page.get_by_text(re.compile(r"\d+ images selected"))).to_be_visible(timeout=120_000)
    settled(page)
    expect(page.get_by_alt_text("The selected images and their reconstructions")).to_be_visible()
    neighbours = page.get_by_alt_text("Selected images and their nearest neighbours")
    expect(neighbours).to_be_visible()
    found = re.search(r"(\d+) images selected", panel(page))
    assert found is not None
    assert int(found.group(1)) > 1


def test_a_click_selects_one_image(page: Page) -> None:
    # The mark of a point, wherever the model has put it.
    mark = page.locator(".js-plotly-plot .scatterlayer .point").first
    box = mark.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_timeout(300)  # Plotly clicks what it has found under the pointer
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.get_by_text("1 image selected")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Nearest in latent space")).to_be_visible()


def test_a_click_on_the_manifold_draws_that_place(page: Page) -> None:
    show(page, "Manifold")
    expect(page.locator(".js-plotly-plot image")).to_have_count(1)
    box = area(page)
    x, y = box["x"] + 0.525 * box["width"], box["y"] + 0.525 * box["height"]  # inside a tile
    page.mouse.move(x, y)
    page.wait_for_timeout(300)
    page.mouse.click(x, y)
    expect(page.get_by_text(re.compile(r"Drawn at \("))).to_be_visible(timeout=60_000)
    expect(page.get_by_alt_text("The image drawn at this place")).to_be_visible()


def test_images_lie_on_the_map(page: Page) -> None:
    show(page, "Images")
    picture = page.locator(".js-plotly-plot image")
    expect(picture).to_have_count(1)
    expect(picture).to_be_visible()


def test_nothing_was_logged_at_warning_level(small_app: App) -> None:
    complaints = re.compile(r"warning|error|traceback|exception", re.IGNORECASE)
    assert not [line for line in small_app.logged().splitlines() if complaints.search(line)]
