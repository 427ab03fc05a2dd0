"""The wall of the Filters page, by pointer and by keys: real server, real Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from engine.checkpoints import save_checkpoint
from engine.models import build_model
from engine.random import make_generator
from tests.browser.app import App, app_on, settled
from tests.browser.conftest import Tab

pytestmark = pytest.mark.browser

UNITS = 30


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with one machine of thirty hidden units."""
    folder = tmp_path_factory.mktemp("filters")
    model = build_model("rbm", data_dim=784, hidden=UNITS, particles=2)
    model.reset_parameters(make_generator(1))
    card = {
        "model": "rbm", "config": model.config, "dataset": "mnist-static", "protocol": "test",
        "recipe": {}, "seed": 0, "metrics": [], "training": {},
    }  # fmt: skip
    save_checkpoint(folder / "machine.safetensors", model.state_dict(), card)
    with app_on(folder) as running:
        yield running


def test_a_unit_is_chosen_by_pointer_and_by_keys_and_is_in_the_address(
    app: App, open_tab: Callable[..., Tab]
) -> None:
    tab = open_tab(app)
    page = tab.open("filters?order=number")
    units = page.locator(".wall button")
    expect(units).to_have_count(UNITS)
    expect(page.locator(".wall button[aria-pressed=true]")).to_have_count(1)
    expect(page.get_by_role("heading", name="Hidden unit 1", exact=True)).to_be_visible()
    painted = (
        units.nth(3)
        .locator("canvas")
        .evaluate(
            """(canvas) => canvas.getContext("2d").getImageData(0, 0, 28, 28).data
            .filter((value, at) => at % 4 === 3 && value > 0).length"""
        )
    )
    assert painted > 500  # nearly all pixels of a random machine have a weight

    units.nth(3).click()
    expect(page.get_by_role("heading", name="Hidden unit 4", exact=True)).to_be_visible()
    page.wait_for_url("**unit=4*")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", name="Hidden unit 5", exact=True)).to_be_visible()
    columns = page.evaluate(
        """() => {
            const wall = [...document.querySelectorAll("*")]
                .map((one) => one.shadowRoot?.querySelector(".wall")).find(Boolean)
                ?? document.querySelector(".wall");
            return getComputedStyle(wall).gridTemplateColumns.split(" ").length;
        }"""
    )
    page.keyboard.press("ArrowDown")
    below = page.get_by_role("heading", name=f"Hidden unit {5 + columns}", exact=True)
    expect(below).to_be_visible()
    page.keyboard.press("End")
    expect(page.get_by_role("heading", name=f"Hidden unit {UNITS}", exact=True)).to_be_visible()

    settled(page)
    page.go_back()
    expect(below).to_be_visible()
    chosen = page.locator(".wall button[aria-pressed=true]")
    expect(chosen).to_have_attribute("title", f"Hidden unit {5 + columns}")
    units.nth(UNITS - 1).click()  # which was reported before
    last = page.get_by_role("heading", name=f"Hidden unit {UNITS}", exact=True)
    expect(last).to_be_visible()
    page.wait_for_url(f"**unit={UNITS}*")
    for _ in range(6):  # faster than the server answers
        page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("heading", name=f"Hidden unit {UNITS - 6}", exact=True)).to_be_visible()
    settled(page)
    expect(chosen).to_have_attribute("title", f"Hidden unit {UNITS - 6}")
    expect(chosen).to_be_focused()
    page.wait_for_url(f"**unit={UNITS - 6}*")
    page.get_by_role("link", name="Overview").first.click()
    settled(page)
    page.go_back()
    expect(page.get_by_role("heading", name=f"Hidden unit {UNITS - 6}", exact=True)).to_be_visible()
    expect(chosen).to_have_attribute("title", f"Hidden unit {UNITS - 6}")
    units.nth(UNITS - 1).click()
    expect(last).to_be_visible()

    settled(page)
    page.reload()
    settled(page)
    expect(units.nth(UNITS - 1)).to_have_attribute("aria-pressed", "true")
    assert tab.exceptions() == []
    assert tab.complaints == []
