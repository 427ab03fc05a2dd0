"""The recognition microscope in Chromium: how fast it is, and that it shows what torch computes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

import engine
from dashboard.embedding import subset
from dashboard.logic.recognition.posteriors import plane_normal
from dashboard.logic.recognition.recognition import decode_image, plane_of
from engine.decoding import encode
from tests.browser.app import App, settled
from tests.browser.conftest import Tab
from tests.browser.test_pages import complaints

pytestmark = pytest.mark.browser

OpenTab = Callable[..., Tab]

FRAME_MS = 33.0
MOVES = 45  # of a drag that takes a second and a half
NUMBER = r"([−-]?\d+\.\d+)"


@pytest.fixture
def clean(tab: Tab) -> Iterator[Tab]:
    """A tab; complaints of the console and the server fail the test."""
    yield tab
    assert tab.exceptions() == []
    assert tab.complaints == []
    assert complaints(tab.logged()) == []


def open_microscope(tab: Tab, query: str) -> Page:
    page = tab.open(f"recognition?{query}")
    expect(page.locator("p.readout")).not_to_be_empty()
    expect(page.locator("div.legend")).to_contain_text("rue posterior")
    settled(page)
    return page


def place(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where on the screen a point of the image is, both from 0 to 1."""
    box = page.locator(".surface").bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def stroke(page: Page, *points: tuple[float, float], pause: float = 10) -> None:
    page.locator(".surface").scroll_into_view_if_needed()
    page.mouse.move(*place(page, *points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*place(page, *point), steps=6)
        page.wait_for_timeout(pause)
    page.mouse.up()


def drawn(page: Page) -> str:
    """The image in the address, once it is there."""
    page.wait_for_url("**drawn=*")
    settled(page)
    return parse_qs(urlsplit(page.url).query)["drawn"][0]


def pixels(page: Page) -> list[int]:
    """The image as it is painted, once what was done before has been."""
    found: list[int] = page.evaluate(
        """async () => {
            for (let i = 0; i < 2; i++) await new Promise((done) => requestAnimationFrame(done));
            const host = [...document.querySelectorAll('*')]
                .find((node) => node.shadowRoot?.querySelector('.surface'));
            const root = host?.shadowRoot ?? document;
            const canvas = root.querySelector('.surface canvas');
            const { data } = canvas.getContext('2d')
                .getImageData(0, 0, canvas.width, canvas.height);
            return Array.from(data).filter((_, i) => i % 4 === 0);
        }"""
    )
    return found


def numbers(page: Page) -> list[float]:
    """Of the readout: mean and deviation on each axis, and the correlation."""
    words = page.locator("p.readout").inner_text().split(":", 1)[1]
    words = re.sub(r"(z[₁₂]|axis \d) = ", "", words)
    return [float(found.replace("−", "-")) for found in re.findall(NUMBER, words)]


@pytest.mark.parametrize("name", ["vae-2-mnist-static", "dlgm-rank-one-mnist-static"])
def test_the_ellipse_is_that_of_torch(name: str, clean: Tab) -> None:
    page = open_microscope(clean, f"checkpoint={name}&image=1500")
    stroke(page, (0.35, 0.3), (0.6, 0.45), (0.4, 0.7))
    text = drawn(page)
    shown = np.array(pixels(page)) / 255
    x = decode_image(text, 784, bits=True)
    np.testing.assert_array_equal(shown, x)  # the address holds what is on the screen

    model = engine.load_checkpoint(name).model.eval().requires_grad_(False)
    test = engine.load_dataset("mnist-static").test
    plane = plane_of(encode(model, test[torch.from_numpy(subset(len(test), 10_000))]).numpy())
    q = plane_normal(model.recognition(torch.from_numpy(x)[None]), plane)
    xx, xy, yy = q["covariance"]
    wanted = np.array([q["x"], xx**0.5, q["y"], yy**0.5, xy / (xx * yy) ** 0.5])
    found = np.array(numbers(page))
    errors = np.abs(found[:4] - wanted[:4]) / wanted[[1, 1, 3, 3]]
    print(f"\n{name}: largest error {errors.max():.2%} of a standard deviation of q")
    assert errors.max() < 0.02
    assert abs(found[4] - wanted[4]) < 0.02


def test_the_ellipse_follows_the_stroke_within_a_frame_and_nothing_is_rerun(clean: Tab) -> None:
    page = open_microscope(clean, "checkpoint=vae-2-mnist-static&image=1500")
    page.locator(".surface").scroll_into_view_if_needed()
    # From the pointer's event to the frame after the new numbers: then the ellipse is painted.
    # The same page's frames without any drawing tell how busy the machine is.
    idle = page.evaluate(
        """async () => {
            const times = [];
            for (let i = 0; i < 40; i++) {
                times.push(await new Promise((done) => requestAnimationFrame(done)));
            }
            const steps = times.slice(1).map((time, i) => time - times[i]).sort((a, b) => a - b);
            return steps[Math.floor(steps.length / 2)];
        }"""
    )
    page.evaluate(
        """() => {
            const host = [...document.querySelectorAll('*')]
                .find((node) => node.shadowRoot?.querySelector('.surface'));
            const root = host?.shadowRoot ?? document;
            globalThis.delays = [];
            globalThis.painted = 0;
            globalThis.reruns = 0;
            let since = null;
            root.querySelector('.surface').addEventListener('pointermove', (event) => {
                since ??= event.timeStamp;
            }, { capture: true });
            new MutationObserver(() => {
                painted += 1;
                if (since === null) return;
                const begun = since;
                since = null;
                requestAnimationFrame(() => delays.push(performance.now() - begun));
            }).observe(root.querySelector('p.readout'), { childList: true });
            const app = document.querySelector('[data-testid="stApp"]');
            new MutationObserver(() => { reruns += 1; })
                .observe(app, { attributeFilter: ['data-test-script-state'] });
        }"""
    )
    angle = np.linspace(0, 2 * np.pi, MOVES)
    path = [(0.5 + 0.3 * np.cos(a), 0.5 + 0.3 * np.sin(a)) for a in angle]
    page.mouse.move(*place(page, *path[0]))
    page.mouse.down()
    for point in path:
        page.mouse.move(*place(page, *point))
        page.wait_for_timeout(1500 / MOVES - 8)
    delays, painted, reruns = page.evaluate("[delays, painted, reruns]")
    page.mouse.up()
    busy = max(1.0, idle / 17.5)  # 60 frames a second have 16.7 ms
    note = f"; the machine is busy, limits relaxed {busy:.1f} times" if busy > 1 else ""
    median, tail = np.percentile(delays, [50, 95])
    print(
        f"\nstroke to ellipse: median {median:.0f} ms, 95 % {tail:.0f} ms; {painted} frames of "
        f"{MOVES} moves; {reruns} reruns; frames while idle {idle:.1f} ms{note}"
    )
    assert reruns == 0
    assert median <= FRAME_MS * busy
    assert painted >= 40 / busy
    drawn(page)  # now the server is told


def test_the_true_posterior_arrives_after_the_stroke_and_the_gap_on_request(clean: Tab) -> None:
    page = open_microscope(clean, "checkpoint=vae-2-mnist-static&image=1500&draws=100")
    legend = page.locator("div.legend")
    expect(legend).to_contain_text("The true posterior is on a grid")
    page.mouse.move(*place(page, 0.3, 0.3))
    page.mouse.down()
    page.mouse.move(*place(page, 0.6, 0.6), steps=5)
    expect(legend).to_contain_text("of the image before this stroke")
    page.mouse.up()
    drawn(page)
    expect(legend).not_to_contain_text("before this stroke")
    page.get_by_role("button", name="Take the gap apart").click()
    expect(page.get_by_text(re.compile("Amortisation, "))).to_be_visible(timeout=60_000)
    expect(page.get_by_text(re.compile("Family, "))).to_be_visible()
    # Not at once: on a busy machine the page is quiet while the browser still loads Plotly.
    expect(page.get_by_test_id("stPlotlyChart")).to_have_count(2)


def test_a_run_can_be_stopped(clean: Tab) -> None:
    page = open_microscope(clean, "checkpoint=vae-2-mnist-static&image=2500&draws=5000")
    page.get_by_role("button", name="Take the gap apart").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped. Nothing of it is kept.")).to_be_visible()
    expect(page.get_by_role("button", name="Take the gap apart")).to_be_visible()
    settled(page)


@pytest.mark.parametrize("name", ["vae-2-mnist-static", "vae-2-frey", "sbn-200-mnist-static"])
def test_a_link_opens_the_same_pixels_in_a_fresh_browser(
    name: str, app: App, open_tab: OpenTab
) -> None:
    first = open_tab(app)
    page = open_microscope(first, f"checkpoint={name}&image=30")
    stroke(page, (0.3, 0.4), (0.7, 0.5), (0.5, 0.8))
    page.get_by_role("button", name="Other draws").click()
    page.wait_for_url("**seed=1*")
    drawn(page)
    before, words = pixels(page), page.locator("p.readout").inner_text()
    pictures = [shot(page, label) for label in ("at the mean", "draw 3")]

    second = open_tab(app)
    page = open_microscope(second, urlsplit(page.url).query)
    assert pixels(page) == before
    assert page.locator("p.readout").inner_text().split(";")[0] == words.split(";")[0]
    assert [shot(page, label) for label in ("at the mean", "draw 3")] == pictures
    assert first.complaints + second.complaints == []


def shot(page: Page, label: str) -> str:
    """The content of one of the redrawn images."""
    canvas = page.get_by_label(f"E[x|z], {label}")
    content: str = canvas.evaluate("(canvas) => canvas.toDataURL()")
    return content


def test_a_malformed_link_gives_a_message_and_the_default(clean: Tab) -> None:
    page = open_microscope(clean, "checkpoint=vae-2-mnist-static&drawn=nonsense&seed=many")
    expect(page.get_by_text("This link is damaged")).to_be_visible()
    ours = engine.load_dataset("mnist-static").test[0].numpy() * 255
    np.testing.assert_array_equal(pixels(page), ours)
    assert "drawn" not in page.url


def test_everything_can_be_done_with_keys(clean: Tab) -> None:
    page = open_microscope(clean, "checkpoint=vae-2-mnist-static&start=blank&drawn=" + "A" * 131)
    assert not any(pixels(page))
    page.locator(".surface").focus()
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.down(" ")
    for _ in range(8):
        page.keyboard.press("ArrowDown")
    page.keyboard.up(" ")
    line = np.array(pixels(page)).reshape(28, 28) > 0
    assert line.any(axis=1).sum() >= 8
    drawn(page)
    expect(page.locator("[aria-live=polite]").first).not_to_be_empty()
    page.keyboard.press("Control+z")
    assert not any(pixels(page))
    page.keyboard.press("Control+Shift+z")
    page.keyboard.press("e")
    page.keyboard.press(" ")
    erased = np.array(pixels(page)).reshape(28, 28) > 0
    assert 0 < erased.sum() < line.sum()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.shadowRoot?.activeElement?.textContent") == "Draw"
    settled(page)


def test_starts_and_undo(clean: Tab) -> None:
    page = open_microscope(clean, "checkpoint=vae-2-mnist-static&image=7")
    item = pixels(page)
    page.get_by_role("button", name="Blank").click()
    assert not any(pixels(page))
    page.wait_for_url("**start=blank*")
    page.get_by_role("button", name="Undo").click()
    assert pixels(page) == item
    page.get_by_role("button", name="Blank").click()
    page.get_by_role("button", name="Test image").click()
    assert pixels(page) == item
    page.wait_for_url(lambda address: "start=" not in address and "drawn=" not in address)
    settled(page)
    page.get_by_role("button", name="Another").click()
    page.wait_for_url("**image=*")
    settled(page)
    assert pixels(page) != item


def test_a_finger_draws_on_a_phone(app: App, open_tab: OpenTab) -> None:
    tab = open_tab(app, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = open_microscope(tab, "checkpoint=vae-2-mnist-static&image=7")
    page.locator(".surface").scroll_into_view_if_needed()
    before, top = pixels(page), page.evaluate("document.scrollingElement.scrollTop")
    session = page.context.new_cdp_session(page)
    for kind, point in (
        ("touchStart", (0.2, 0.2)),
        ("touchMove", (0.4, 0.4)),
        ("touchMove", (0.8, 0.4)),
        ("touchEnd", None),
    ):
        points = []
        if point is not None:
            x, y = place(page, *point)
            points = [{"x": x, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert sum(pixels(page)) > sum(before) + 10 * 255
    assert page.evaluate("document.scrollingElement.scrollTop") == top
    drawn(page)
    assert tab.complaints == []


def test_the_units_of_a_belief_network_follow(clean: Tab) -> None:
    page = open_microscope(clean, "checkpoint=sbn-200-200-mnist-static&image=1500")
    readout = page.locator("p.readout")
    expect(readout).to_contain_text("of 400 units on")
    expect(readout).to_contain_text("largest change 0.00")
    expect(page.get_by_label("Probabilities of the 200 units of layer 2")).to_be_visible()
    stroke(page, (0.2, 0.2), (0.8, 0.3))
    x = torch.from_numpy(decode_image(drawn(page), 784, bits=True))[None]
    model = engine.load_checkpoint("sbn-200-200-mnist-static").model.eval()
    start = engine.load_dataset("mnist-static").test[1500:1501]
    with torch.no_grad():
        now, before = model.recognition(x).mean, model.recognition(start).mean
    found = [float(number) for number in re.findall(r"\d+\.\d+", readout.inner_text())]
    assert found[0] == pytest.approx(float(now.sum()), abs=0.5)
    assert found[2] == pytest.approx(float((now - before).abs().max()), abs=0.02)
    expect(page.locator("div.legend")).to_contain_text("weighted draws of q, worth")
