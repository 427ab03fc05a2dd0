"""Models with linked bits and pictures in colour, on the pages as a visitor uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.app import App, eventually, running_app, settled
from tests.browser.conftest import Tab
from tests.dashboard.conftest import Shelf

pytestmark = pytest.mark.browser

LINKED = {"layers": [30], "recognition": "autoregressive"}
PATIENCE = 60_000  # milliseconds


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on fresh models: "darn" and "fdarn" with linked bits, "colour" of pictures."""
    folder = tmp_path_factory.mktemp("kinds")
    shelf = Shelf(folder / "pretrained")
    shelf.folder.mkdir()
    shelf.add("darn", "darn", **LINKED)
    shelf.add("fdarn", "fdarn", **{**LINKED, "layers": [30, 12]})
    shelf.add(
        "colour",
        "dlgm",
        dataset="cifar10-small",
        layers=[6, 3],
        hidden=[8],
        likelihood="gaussian",
    )
    environment = {"HELMHOLTZ_PRETRAINED": str(shelf.folder)}
    with running_app(folder / "app.log", environment) as running:
        yield running


@pytest.fixture
def opened(kinds: App, open_tab: Callable[..., Tab]) -> Iterator[Callable[[str], Page]]:
    """Open a path of the app; whatever the console or the server complain of fails the test."""
    tabs: list[Tab] = []

    def give(path: str) -> Page:
        tabs.append(open_tab(kinds, viewport={"width": 1440, "height": 1400}))
        return tabs[-1].open(path)

    yield give
    for tab in tabs:
        assert tab.complaints == []
        assert tab.exceptions() == []
        assert "Traceback" not in tab.logged()


def pixels(page: Page, label: str) -> list[int]:
    """The bytes of a canvas, once the next frame has been drawn."""
    canvas = page.locator(f'canvas[aria-label="{label}"]').first
    expect(canvas).to_be_visible(timeout=PATIENCE)
    found: list[int] = canvas.evaluate(
        """(canvas) => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(
            () => done([...canvas.getContext("2d")
                .getImageData(0, 0, canvas.width, canvas.height).data]))))"""
    )
    return found


def is_coloured(values: list[int]) -> bool:
    return any(values[i] != values[i + 1] for i in range(0, len(values), 4))


@pytest.mark.parametrize("name", ["darn", "fdarn"])
def test_switching_a_linked_bit_changes_the_image_at_once(
    name: str, opened: Callable[[str], Page]
) -> None:
    page = opened(f"sample?checkpoint={name}")
    before = pixels(page, "The image")
    page.locator("button.switch").first.click()
    assert pixels(page, "The image") != before
    drawn = page.locator('canvas[aria-label="Pixels drawn one after the other"]')
    expect(drawn).to_have_count(1 if name == "darn" else 0)
    if name == "darn":
        assert set(pixels(page, "Pixels drawn one after the other")) == {0, 255}


@pytest.mark.parametrize("name", ["darn", "fdarn"])
def test_q_of_linked_bits_follows_what_is_drawn(name: str, opened: Callable[[str], Page]) -> None:
    page = opened(f"recognition?checkpoint={name}")
    readout = page.locator("p.readout")
    expect(readout).to_contain_text("largest change 0.00", timeout=PATIENCE)
    box = page.locator(".surface").bounding_box()
    assert box
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.9 * box["height"], steps=20)
    page.mouse.up()
    expect(readout).not_to_contain_text("largest change 0.00", timeout=PATIENCE)
    expect(page.get_by_text("Units are linked")).to_be_visible()
    settled(page)


@pytest.mark.parametrize("name", ["darn", "fdarn", "colour"])
def test_the_map_decodes_the_place_at_the_pointer(name: str, opened: Callable[[str], Page]) -> None:
    page = opened(f"latent-space?checkpoint={name}")
    before = pixels(page, "Decoded here")
    surface = page.locator("canvas.surface")
    box = surface.bounding_box()
    assert box
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.3 * box["height"])
    eventually(page, lambda: pixels(page, "Decoded here") != before)
    assert is_coloured(pixels(page, "Decoded here")) == (name == "colour")


def test_sliders_and_layers_of_a_model_in_colour(opened: Callable[[str], Page]) -> None:
    page = opened("sample?checkpoint=colour&start=prior")
    before = pixels(page, "The image")
    assert is_coloured(before)
    page.locator("input[type=range]").first.press("End")
    eventually(page, lambda: pixels(page, "The image") != before)
    assert is_coloured(pixels(page, "The image of this draw"))


def test_a_picture_in_colour_is_drawn_on_in_the_colour_of_the_brush(
    opened: Callable[[str], Page],
) -> None:
    page = opened("recognition?checkpoint=colour")
    image = page.locator(".surface canvas.pixels")
    expect(image).to_be_visible(timeout=PATIENCE)
    settled(page)
    first = pixels(page, "Image x")
    redrawn = pixels(page, "E[x|z], at the mean")
    page.get_by_label("Colour of the brush").fill("#1e90ff")
    surface = page.locator(".surface")
    surface.scroll_into_view_if_needed()
    surface.click(position={"x": 40, "y": 40})
    eventually(page, lambda: pixels(page, "E[x|z], at the mean") != redrawn)
    drawn = pixels(page, "Image x")
    changed = [
        drawn[i : i + 3] for i in range(0, len(drawn), 4) if drawn[i : i + 3] != first[i : i + 3]
    ]
    assert [30, 144, 255] in changed
    page.get_by_role("button", name="Undo").click()
    assert pixels(page, "Image x") == first
    expect(page.get_by_label("Grey value of the brush")).to_have_count(0)


def test_chains_fill_in_all_the_values_of_a_pixel(opened: Callable[[str], Page]) -> None:
    page = opened("impute?checkpoint=colour")
    expect(page.get_by_text("512 of 1024 pixels hidden").first).to_be_visible(timeout=PATIENCE)
    given = pixels(page, "The image given; hidden pixels are orange")
    assert given[-4:] == [230, 159, 0, 255]
    assert is_coloured(pixels(page, "Chain 1"))
    assert len(pixels(page, "Pixelwise spread of the completions")) == 4 * 1024
