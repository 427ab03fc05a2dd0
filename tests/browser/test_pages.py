"""The real app in a real browser: it comes up fast, every page draws, nothing complains."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboard import navigation
from tests.browser.app import App, running_app, settled
from tests.browser.conftest import Tab

pytestmark = pytest.mark.browser

PAGES = navigation.ENTRIES
FIRST_PAINT_S = 4.0
COMPLAINT = re.compile(r"\b(warning|error|critical|exception|traceback|deprecat)", re.IGNORECASE)

OpenTab = Callable[..., Tab]


def complaints(log: str) -> list[str]:
    """The lines of a server's log that are at warning level or above."""
    return [line for line in log.splitlines() if COMPLAINT.search(line)]


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.module)
def test_each_page_draws_without_an_exception_or_a_complaint(
    entry: navigation.Entry, tab: Tab
) -> None:
    page = tab.open(entry.url_path)
    assert page.locator("h1").first.inner_text()
    assert page.title() == f"{entry.title} · Helmholtz"
    assert tab.exceptions() == []
    assert tab.complaints == []
    assert complaints(tab.logged()) == []


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.module)
@pytest.mark.parametrize("missing", ["data", "checkpoints"])
def test_each_page_draws_where_something_is_missing(
    missing: str, entry: navigation.Entry, bare_apps: dict[str, App], open_tab: OpenTab
) -> None:
    tab = open_tab(bare_apps[missing])
    page = tab.open(entry.url_path)
    assert page.locator("h1").first.inner_text()
    assert tab.exceptions() == []
    assert tab.complaints == []
    assert complaints(tab.logged()) == []


def test_every_page_is_reached_from_the_navigation(tab: Tab) -> None:
    page = tab.open("")
    for entry in PAGES:
        page.get_by_test_id("stSidebarNavLink").filter(has_text=entry.title).click()
        page.wait_for_url(f"**/{entry.url_path}*")
        settled(page)
        assert page.title() == f"{entry.title} · Helmholtz"
        assert tab.exceptions() == []
    assert tab.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.module)
def test_no_page_is_wider_than_a_phone(
    entry: navigation.Entry, scheme: str, app: App, open_tab: OpenTab
) -> None:
    tab = open_tab(app, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page = tab.open(entry.url_path)
    overflow = page.evaluate(
        """() => [document.documentElement, document.querySelector('[data-testid="stMain"]')]
            .map((one) => one.scrollWidth - one.clientWidth)"""
    )
    assert max(overflow) <= 0
    assert tab.complaints == []


def test_light_and_dark_follow_the_system(app: App, open_tab: OpenTab) -> None:
    for scheme, background in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(16, 22, 29)")):
        page = open_tab(app, color_scheme=scheme).open("")
        found = page.evaluate(
            """() => getComputedStyle(
                document.querySelector('[data-testid="stApp"]')).backgroundColor"""
        )
        assert found == background


def test_lines_of_a_chart_take_the_themes_colours(app: App, open_tab: OpenTab) -> None:
    """`series_colour` relies on the browser to fill in `chartCategoricalColors`."""
    for scheme, first in (("light", "rgb(0, 114, 178)"), ("dark", "rgb(86, 180, 233)")):
        page = open_tab(app, color_scheme=scheme).open("training")
        page.wait_for_selector(".scatterlayer .js-line")
        strokes = page.locator(".scatterlayer .js-line").evaluate_all(
            "lines => lines.map(line => line.style.stroke)"
        )
        assert first in strokes


def test_a_link_on_a_card_opens_its_checkpoint_on_the_other_page(tab: Tab) -> None:
    page = tab.open("")
    # the last card: the address leaves out the checkpoint that a page shows by itself, the first
    links = page.locator('[data-testid="stPageLink-NavLink"][href*="checkpoint="]')
    link = links.filter(visible=True).last
    href = link.get_attribute("href")
    assert href is not None
    chosen = href.split("checkpoint=")[1]
    link.click()
    page.wait_for_url(f"**checkpoint={chosen}*")
    settled(page)
    assert page.get_by_test_id("stSelectbox").first.locator("input").input_value() == chosen
    assert tab.complaints == []


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.module)
def test_a_damaged_link_opens_each_page_with_a_message_and_its_default(
    entry: navigation.Entry, tab: Tab
) -> None:
    # "curves" of the Training page, "seed" of the Overview; the others pick a checkpoint.
    names = {"training": "curves", "overview": "seed", "leaderboard": "protocol"}
    name = names.get(entry.module, "checkpoint")
    page = tab.open(f"{entry.url_path}?{name}=%3Cb%3Enone%3C%2Fb%3E")
    told = page.get_by_test_id("stAlert").filter(has_text="This link is damaged").first.inner_text()
    assert name in told
    assert "none" not in told
    assert page.locator("h1").first.inner_text()
    assert tab.exceptions() == []
    assert tab.complaints == []


def test_from_a_cold_start_the_first_words_are_painted_within_four_seconds(
    tmp_path: Path, open_tab: OpenTab, record_property: Callable[[str, object], None]
) -> None:
    began = time.perf_counter()
    with running_app(tmp_path / "app.log") as app:
        up = time.perf_counter()
        tab = open_tab(app)
        tab.page.goto(app.url)
        tab.page.wait_for_selector("h1:has-text('Helmholtz')")
        painted = time.perf_counter()
        settled(tab.page)
        whole = time.perf_counter()
    record_property("first_paint_s", painted - up)
    print(
        f"\nserver up {up - began:.2f} s, first words {painted - up:.2f} s after opening the page, "
        f"all cards {whole - up:.2f} s"
    )
    assert painted - up < FIRST_PAINT_S
