"""The latent pad as a visitor meets it: real server, real Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from engine.checkpoints import save_checkpoint
from engine.models import build_model
from engine.random import make_generator
from tests.browser.app import App, eventually, running_app, settled
from tests.browser.conftest import Tab

pytestmark = pytest.mark.browser

MODELS = {
    "vae": ("vae", {"data_dim": 784, "latent_dim": 2, "hidden": [16]}),
    "vae-6": ("vae", {"data_dim": 784, "latent_dim": 6, "hidden": [16]}),
    "deep": ("dlgm", {"data_dim": 784, "layers": [6, 2], "hidden": [16]}),
    "bits": ("sbn", {"data_dim": 784, "layers": [20, 10]}),
}


@pytest.fixture(scope="module")
def small_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with small models of all kinds, and no data but the embedded digits."""
    folder = tmp_path_factory.mktemp("latent-space")
    for name, (kind, config) in MODELS.items():
        model = build_model(kind, **config)
        model.reset_parameters(make_generator(1))
        card = {
            "format": 1, "model": kind, "config": model.config, "dataset": "mnist-static",
            "protocol": "test", "recipe": {}, "seed": 0, "metrics": [], "training": {},
        }  # fmt: skip
        save_checkpoint(folder / f"{name}.safetensors", model.state_dict(), card)
    environment = {
        "HELMHOLTZ_PRETRAINED": str(folder),
        "HELMHOLTZ_DATA": "",
        "HELMHOLTZ_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    with running_app(folder / "app.log", environment) as running:
        yield running


@pytest.fixture
def opened(small_app: App, open_tab: Callable[..., Tab]) -> Iterator[Callable[..., Page]]:
    tabs: list[Tab] = []

    def open_pad(query: str = "checkpoint=vae", **options: object) -> Page:
        tabs.append(open_tab(small_app, **{"viewport": {"width": 1440, "height": 1300}, **options}))
        page = tabs[-1].open(f"latent-space?{query}")
        drawn(page)
        return page

    yield open_pad
    for tab in tabs:
        assert not tab.complaints
        assert not tab.exceptions()


def drawn(page: Page) -> None:
    """Wait for the map and its thumbnails."""
    expect(page.locator("canvas.surface")).to_be_visible(timeout=120_000)
    expect(page.locator(".meter")).to_contain_text(
        re.compile("× the usual gap|No image is on"), timeout=60_000
    )
    settled(page)


def pixels(page: Page, label: str) -> list[int]:
    """The image on a canvas, grey values."""
    canvas = page.get_by_role("img", name=label, exact=True)
    return canvas.evaluate(
        """canvas => Array.from(canvas.getContext('2d').getImageData(
            0, 0, canvas.width, canvas.height).data).filter((_, i) => i % 4 === 0)"""
    )


def at(page: Page, across: float, up: float) -> tuple[float, float]:
    """A place of the page: shares of the map's plot."""
    box = page.locator("canvas.surface").bounding_box()
    assert box is not None
    side = box["width"] - 54
    return box["x"] + 46 + across * side, box["y"] + 6 + (1 - up) * side


def click(page: Page, across: float, up: float, **options: object) -> None:
    page.locator("canvas.surface").scroll_into_view_if_needed()
    modifiers = options.get("modifiers", [])
    for key in modifiers:  # type: ignore[attr-defined]
        page.keyboard.down(key)
    page.mouse.click(*at(page, across, up))
    for key in modifiers:  # type: ignore[attr-defined]
        page.keyboard.up(key)


def choose(page: Page, label: str, option: str) -> None:
    """Pick from one of Streamlit's own selectors."""
    page.get_by_test_id("stSelectbox").filter(has_text=label).locator("input").click()
    page.get_by_role("option", name=option, exact=True).click()
    settled(page)


def cards(page: Page) -> int:
    return page.get_by_role("button", name=re.compile(r"^Pin \d")).count()


def place(page: Page) -> str:
    return page.locator(".place").inner_text()


def in_address(page: Page, name: str) -> None:
    page.wait_for_url(re.compile(rf"[?&]{name}="), timeout=30_000)


def test_the_decoded_image_follows_the_pointer(opened: Callable[..., Page]) -> None:
    page = opened()
    start = pixels(page, "Decoded here")
    page.mouse.move(*at(page, 0.3, 0.3))
    eventually(page, lambda: pixels(page, "Decoded here") != start)
    before, text = pixels(page, "Decoded here"), place(page)
    page.mouse.move(*at(page, 0.7, 0.6))
    eventually(page, lambda: pixels(page, "Decoded here") != before)
    eventually(page, lambda: place(page) != text)
    meter = page.locator(".meter")
    expect(meter).to_contain_text(re.compile(r"‖z‖ = .* of the prior lies nearer to 0"))
    expect(meter).to_contain_text(re.compile("the nearest of .* codes, in both latents"))
    assert max(pixels(page, "Its reconstruction")) > 0


def test_a_point_under_the_mouse_shows_its_image_beside_it(opened: Callable[..., Page]) -> None:
    page = opened()

    def drawn_on() -> int:
        """Screen pixels of the layer above the points that are not empty."""
        page.wait_for_timeout(100)
        return page.locator("canvas.surface").evaluate(
            """canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
                .data.filter((value, i) => i % 4 === 3 && value > 0).length"""
        )

    page.mouse.move(*at(page, 0.4, 0.45))
    page.mouse.move(*at(page, 0.5, 0.5))
    hovered = drawn_on()
    page.mouse.move(5, 5)
    left = drawn_on()
    print(f"\npixels above the points: {hovered} under the mouse, {left} once it has left")
    assert 56 * 56 < hovered - left + 400 < 70 * 70
    page.mouse.move(*at(page, 0.5, 0.5))
    page.locator("canvas.surface").focus()
    page.keyboard.press("ArrowLeft")
    assert drawn_on() < left + 400


def test_two_pins_give_both_ways_and_a_film(opened: Callable[..., Page]) -> None:
    page = opened()
    click(page, 0.2, 0.3)
    click(page, 0.8, 0.9)
    assert cards(page) == 2
    expect(page.get_by_role("img", name="Spherical interpolation, image 9")).to_be_visible()
    for name in ("Linear", "Spherical"):
        assert pixels(page, f"{name} interpolation, image 1") == pixels(page, "Pin 1")
        assert pixels(page, f"{name} interpolation, image 9") == pixels(page, "Pin 2")
    in_address(page, "pins")
    settled(page)
    page.get_by_role("button", name="Link, files, code").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Spherical way, GIF").click()
    assert download.value.suggested_filename == "spherical.gif"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Remove pin 1").click()
    assert cards(page) == 1


def test_shift_pins_the_nearest_image_with_its_neighbours(opened: Callable[..., Page]) -> None:
    page = opened()
    click(page, 0.5, 0.5, modifiers=["Shift"])
    expect(page.get_by_role("heading", name="Pin 1 and its nearest images")).to_be_visible()
    near = page.locator(".strip.near figure")
    assert near.count() == 10  # the image, its reconstruction, eight neighbours
    in_address(page, "pins")
    assert "%40" in page.url or "@" in page.url


def test_a_lasso_counts_averages_and_points(opened: Callable[..., Page]) -> None:
    page = opened()
    page.get_by_role("button", name="Lasso").click()
    corners = [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8), (0.2, 0.25)]
    page.mouse.move(*at(page, *corners[0]))
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*at(page, *corner), steps=4)
    page.mouse.up()
    title = page.get_by_role("heading", name=re.compile(r"\d+ images selected"))
    expect(title).to_be_visible()
    count = int(title.inner_text().split()[0])
    shares = page.locator(".mix").all_inner_texts()
    assert sum(int(re.search(r"(\d+) \(", text).group(1)) for text in shares) == count  # type: ignore[union-attr]
    eventually(page, lambda: 0 < sum(pixels(page, "Mean of the selected images")) < 784 * 255)
    eventually(page, lambda: sum(pixels(page, "Mean of their reconstructions")) > 0)
    before = pixels(page, "The pin with the attribute added")
    page.get_by_label("Strength of the attribute").fill("-2")
    eventually(page, lambda: pixels(page, "The pin with the attribute added") != before)
    page.get_by_role("button", name="Pin it").click()
    assert cards(page) == 1
    page.locator("canvas.surface").focus()
    page.keyboard.press("Escape")
    expect(title).to_be_hidden()
    assert cards(page) == 1


def test_keys_move_pin_zoom_and_grey(opened: Callable[..., Page]) -> None:
    page = opened()
    page.locator("canvas.surface").focus()
    before = place(page)
    page.keyboard.press("ArrowRight")
    eventually(page, lambda: place(page) != before)
    one = place(page)
    page.keyboard.press("Shift+ArrowUp")
    eventually(page, lambda: len({before, one, place(page)}) == 3)
    expect(page.locator("[aria-live=polite]")).to_contain_text("‖z‖")
    page.keyboard.press("Enter")
    assert cards(page) == 1
    page.keyboard.press("3")
    expect(page.get_by_role("button", name="3", exact=True)).to_have_attribute(
        "aria-pressed", "false"
    )
    page.keyboard.press("+")
    in_address(page, "window")
    page.keyboard.press("Home")
    page.keyboard.press("3")
    page.keyboard.press("Escape")
    assert cards(page) == 0
    page.wait_for_function("!/window|grey|pins/.test(location.search)")


def test_the_legend_isolates_a_class(opened: Callable[..., Page]) -> None:
    page = opened()
    page.get_by_role("button", name="4", exact=True).dblclick()
    greyed = page.locator('.entry[aria-pressed="false"]')
    expect(greyed).to_have_count(9)
    in_address(page, "grey")
    page.get_by_role("button", name="all", exact=True).click()
    expect(greyed).to_have_count(0)


def test_axes_can_be_chosen_and_other_directions_held_at_a_pin(opened: Callable[..., Page]) -> None:
    page = opened("checkpoint=vae-6")
    expect(page.locator(".meter")).to_contain_text("codes, in all 6 latents")
    page.get_by_label("Up").select_option("3")
    in_address(page, "axes")
    settled(page)
    click(page, 0.9, 0.9, modifiers=["Shift"])
    page.mouse.move(*at(page, 0.5, 0.5))
    page.wait_for_timeout(100)
    before = pixels(page, "Decoded here")
    page.get_by_label("Other directions").select_option("0")
    eventually(page, lambda: pixels(page, "Decoded here") != before)
    in_address(page, "held")


@pytest.mark.parametrize("name", ["deep", "bits"])
def test_layers_of_all_kinds_are_decoded(name: str, opened: Callable[..., Page]) -> None:
    page = opened(f"checkpoint={name}")
    start = pixels(page, "Decoded here")
    page.mouse.move(*at(page, 0.1, 0.2))
    eventually(page, lambda: pixels(page, "Decoded here") != start)
    before = pixels(page, "Decoded here")
    assert max(before) > 0
    page.mouse.move(*at(page, 0.9, 0.8))
    eventually(page, lambda: pixels(page, "Decoded here") != before)
    meter = "log p(z)" if name == "bits" else "‖z‖"
    assert meter in page.locator(".meter").inner_text()
    note = "probabilities of bits" if name == "bits" else "noise of the other layers"
    expect(page.get_by_text(re.compile(note))).to_be_visible()


def test_images_and_the_manifold_fill_the_map(opened: Callable[..., Page]) -> None:
    page = opened()

    def dark() -> float:
        """The share of the map that is."""
        return page.locator("canvas.base").evaluate(
            """canvas => {
                const data = canvas.getContext('2d').getImageData(
                    60, 20, canvas.width - 80, canvas.height - 80).data;
                let dark = 0;
                for (let i = 0; i < data.length; i += 4) dark += data[i] + data[i + 1] < 300;
                return dark / (data.length / 4);
            }"""
        )

    for name, least in (("Images", 0.02), ("Manifold", 0.3)):
        before = picture(page)
        page.get_by_role("button", name=name, exact=True).click()
        eventually(page, lambda before=before: picture(page) != before)  # type: ignore[misc]
        eventually(page, lambda least=least: dark() > least)  # type: ignore[misc]
    in_address(page, "show")


def picture(page: Page) -> list[str]:
    """Everything that is drawn on the map, and the images of the pins and of both ways."""
    return page.evaluate(
        """() => {
            for (const node of document.querySelectorAll('*')) {
                const pad = node.shadowRoot?.querySelector('.pad');
                if (!pad) continue;
                const wanted = 'canvas.base, .cards canvas, .ways canvas, .strip canvas';
                return [...pad.querySelectorAll(wanted)].map((canvas) => canvas.toDataURL());
            }
        }"""
    )


@pytest.mark.parametrize(
    ("checkpoint", "shown"), [("vae", "Manifold"), ("vae-6", "Images"), ("bits", "Points")]
)
def test_a_link_opens_the_same_picture_in_a_fresh_browser(
    checkpoint: str, shown: str, opened: Callable[..., Page]
) -> None:
    page = opened(f"checkpoint={checkpoint}&split=train&count=2000")
    click(page, 0.31, 0.62)
    click(page, 0.7, 0.4, modifiers=["Shift"])
    page.get_by_role("button", name="7", exact=True).click()
    page.mouse.move(*at(page, 0.4, 0.45))
    page.mouse.wheel(0, -137)
    page.wait_for_timeout(200)
    if checkpoint != "vae":
        page.get_by_label("Across").select_option("2")
        page.mouse.move(*at(page, 0.4, 0.45))
        page.mouse.wheel(0, -137)
    page.get_by_role("button", name=shown, exact=True).click()
    for name in ("pins", "window", "grey", *([] if shown == "Points" else ["show"])):
        in_address(page, name)
    page.wait_for_timeout(3000)
    settled(page)
    before = picture(page)
    address = page.url.split("?", 1)[1]
    other = opened(address)  # every tab has a context of its own
    print(f"\n{checkpoint}: {len(before)} canvases, {len(address)} characters of link")
    eventually(other, lambda: picture(other) == before)
    assert other.url.split("?", 1)[1] == address


def test_pins_stay_when_other_points_come_and_go_with_another_checkpoint(
    opened: Callable[..., Page],
) -> None:
    page = opened("checkpoint=vae&split=train")
    click(page, 0.3, 0.7)
    in_address(page, "pins")
    settled(page)
    choose(page, "Points", "1\u202f000")
    expect(page.locator(".meter")).to_contain_text("nearest of 1 000 codes")
    assert cards(page) == 1
    choose(page, "Checkpoint", "vae-6")
    drawn(page)
    assert cards(page) == 0
    assert "pins" not in page.url


def test_a_damaged_link_is_told_and_shows_the_default_view(opened: Callable[..., Page]) -> None:
    page = opened("checkpoint=vae&pins=1,x&window=0,0,-3&show=manifold%3Cb%3E&grey=99")
    warning = page.get_by_test_id("stAlert").filter(has_text="This link is damaged")
    for name in ("pins", "window", "show", "grey"):
        expect(warning).to_contain_text(name)
    assert cards(page) == 0
    expect(page.get_by_role("button", name="Points", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    assert picture(page) == picture(opened())


def test_a_finger_decodes_and_two_zoom_on_a_phone(opened: Callable[..., Page]) -> None:
    page = opened(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    surface = page.locator("canvas.surface")
    surface.scroll_into_view_if_needed()
    box = surface.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    panel = page.locator(".inspector").bounding_box()
    assert panel is not None
    assert panel["y"] > box["y"] + box["height"] - 1  # below the map
    assert surface.evaluate("node => getComputedStyle(node).touchAction") == "none"
    touch = page.context.new_cdp_session(page)

    def fingers(kind: str, *places: tuple[float, float]) -> None:
        points = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": i}
            for i, (x, y) in enumerate(places)
        ]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        page.wait_for_timeout(40)

    before = pixels(page, "Decoded here")
    fingers("touchStart", (0.3, 0.3))
    for step in range(1, 6):
        fingers("touchMove", (0.3 + 0.08 * step, 0.3 + 0.05 * step))
    fingers("touchEnd")
    eventually(page, lambda: pixels(page, "Decoded here") != before)
    page.wait_for_timeout(500)
    assert cards(page) == 0  # a drag is no tap
    assert "window" not in page.url
    assert surface.bounding_box() == box  # nor does the page scroll under the finger

    fingers("touchStart", (0.45, 0.5), (0.55, 0.5))
    for step in range(1, 6):
        fingers("touchMove", (0.45 - 0.04 * step, 0.5), (0.55 + 0.04 * step, 0.5))
    fingers("touchEnd")
    in_address(page, "window")
    fingers("touchStart", (0.6, 0.6))
    fingers("touchEnd")
    expect(page.get_by_role("button", name=re.compile(r"^Pin \d"))).to_have_count(1)


def test_the_map_can_be_downloaded(opened: Callable[..., Page]) -> None:
    page = opened()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the map as PNG").click()
    with open(download.value.path(), "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"


def test_nothing_was_logged_at_warning_level(small_app: App) -> None:
    complaints = re.compile(r"warning|error|traceback|exception", re.IGNORECASE)
    assert not [line for line in small_app.logged().splitlines() if complaints.search(line)]
