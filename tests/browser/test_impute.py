"""The Impute page as a visitor meets it: real server, real Chromium, real files."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import FilePayload, Page, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.browser.app import App, settled
from tests.browser.conftest import Tab
from tests.browser.test_pages import complaints

pytestmark = pytest.mark.browser


@pytest.fixture
def page(tab: Tab) -> Iterator[Page]:
    """The page on a model of digits; complaints of the console and the server fail the test."""
    yield tab.open("impute?checkpoint=vae-20-mnist-static")
    assert tab.exceptions() == []
    assert tab.complaints == []
    assert complaints(tab.app.logged()) == []


def picture(page: Page, name: str) -> str:
    """The address of a picture by its caption: it is made from the picture's content."""
    return page.get_by_alt_text(name, exact=True).get_attribute("src") or ""


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def option(page: Page, group: str, name: str) -> None:
    """Choose in one of the rows of options that stand side by side."""
    page.get_by_role("radiogroup", name=group).get_by_text(name, exact=True).click()


def step(page: Page) -> int:
    found = re.search(r"Step (\d+) ·", page.get_by_test_id("stMain").inner_text())
    assert found is not None
    return int(found.group(1))


def photographed_seven() -> FilePayload:
    image = Image.new("L", (640, 480), 225)
    ImageDraw.Draw(image).line([(220, 110), (390, 110), (290, 370)], fill=35, width=30)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return {"name": "seven.png", "mimeType": "image/png", "buffer": buffer.getvalue()}


def test_an_upload_is_completed(page: Page) -> None:
    option(page, "Image", "Upload")
    page.locator('input[type="file"]').set_input_files(photographed_seven())
    for stage in ("As uploaded", "Cropped", "Scaled to 28 × 28", "Inverted", "Binarised"):
        expect(page.get_by_alt_text(f"Your image: {stage}")).to_be_visible()
    settled(page)
    option(page, "Hidden", "Half")
    settled(page)
    expect(page.get_by_text("392 of 784 pixels hidden")).to_be_visible()
    assert step(page) == 0

    names = ("4 chains now", "Mean, 0 to 1", "Spread, 0 to 0.5", "Steps 1 to 5")
    before = {name: picture(page, name) for name in (*names, "What the chains get")}
    press(page, "Step")
    expect(page.get_by_text("Step 1 ·")).to_be_visible()
    settled(page)
    for name in names:
        assert picture(page, name) != before[name]
    assert picture(page, "What the chains get") == before["What the chains get"]


def test_a_broken_upload_is_explained_and_can_be_replaced(page: Page) -> None:
    option(page, "Image", "Upload")
    files = page.locator('input[type="file"]')
    broken: FilePayload = {"name": "a.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n"}
    files.set_input_files(broken)
    expect(page.get_by_test_id("stAlert").filter(has_text="not a PNG or JPEG")).to_be_visible()
    files.set_input_files(photographed_seven())
    expect(page.get_by_text("Step 0 ·")).to_be_visible()
    expect(page.get_by_test_id("stAlert").filter(has_text="not a PNG or JPEG")).to_have_count(0)


def test_playing_runs_the_fragment_alone_and_moves_nothing_on_the_page(
    app: App, open_tab: Callable[..., Tab]
) -> None:
    tab = open_tab(app, viewport={"width": 1440, "height": 1500})
    runs: list[bool] = []  # one for each run of the script: whether it was of fragments alone

    def note(payload: str | bytes) -> None:
        message = ForwardMsg()
        message.ParseFromString(payload if isinstance(payload, bytes) else payload.encode())
        if message.WhichOneof("type") == "new_session":
            runs.append(bool(message.metadata.run.fragment_ids))

    tab.page.on("websocket", lambda socket: socket.on("framereceived", note))
    page = tab.open("impute?checkpoint=vae-20-mnist-static")
    press(page, "Play")
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    expect(page.get_by_text(re.compile(r"Step ([3-9]|\d\d+) ·"))).to_be_visible()
    assert not runs[0]  # opening the page ran the whole of it
    runs.clear()
    page.evaluate(
        """() => {
            window.shifts = [];
            new PerformanceObserver(list => {
                for (const entry of list.getEntries()) window.shifts.push(entry.value);
            }).observe({type: 'layout-shift'});
        }"""
    )
    start = step(page)
    page.wait_for_timeout(3000)
    assert step(page) >= start + 3
    assert len(runs) >= 3
    assert all(runs)
    assert sum(page.evaluate("() => window.shifts")) < 0.001

    press(page, "Pause")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    settled(page)
    paused = step(page)
    page.wait_for_timeout(1000)
    assert step(page) == paused
    assert tab.complaints == []
