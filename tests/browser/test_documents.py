"""The Documents page as a visitor uses it, with a text of one's own: real server, real Chromium."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.app import App, settled
from tests.browser.conftest import Tab

pytestmark = pytest.mark.browser

NAME = "fdarn-50-20-newsgroups"


def perplexities(page: Page) -> list[str]:
    return page.get_by_test_id("stMetricValue").all_inner_texts()


def test_words_are_hidden_and_units_flipped_by_a_press(
    bare_apps: dict[str, App], open_tab: Callable[..., Tab]
) -> None:
    tab = open_tab(bare_apps["data"])
    page = tab.open(f"documents?checkpoint={NAME}")
    page.get_by_role("textbox", name="Your text").fill(
        "My hard disk and the scsi drive: the drive is slow."
    )
    page.get_by_role("heading", name="Documents", exact=True).click()  # leaves the field
    expect(page.get_by_text("of its 11 words are among the 2000")).to_be_visible()
    settled(page)
    seen, hidden = perplexities(page)
    assert hidden == "–"
    page.get_by_role("button", name="drive ×2", exact=True).click()
    settled(page)
    assert perplexities(page)[1].isdigit()
    unit = page.get_by_role("button", name="nats").first
    unit.click()
    settled(page)
    assert perplexities(page)[0] != seen
    assert "drive" not in page.url  # a text of one's own is in no link
    assert tab.exceptions() == []
    assert tab.complaints == []
