"""Every page by the rules of axe-core, in both themes; keys reach everything and show where.

Axe finds what can be told from the page alone: names, roles, contrast. Only serious and critical
breaches fail; those that are Streamlit's own are listed with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from dashboard import navigation
from tests.browser.app import App, eventually, settled
from tests.browser.conftest import Tab

pytestmark = pytest.mark.browser

OpenTab = Callable[..., Tab]

GRAVE = ("serious", "critical")
# Rule, then what the broken element's HTML holds: Streamlit's own, which no page can change.
KNOWN: tuple[tuple[str, str], ...] = (
    # A formula may scroll, and does while its fonts are still to come.
    ("scrollable-region-focusable", "katex-display"),
)

# What the element with the focus is, and whether it (or what is drawn around it) shows that.
FOCUSED = """async () => {
    const frames = () => new Promise((done) =>
        requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30))));
    let element = document.activeElement;
    while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    if (!element || element === document.body) return null;
    const name = element.getAttribute('aria-label') || element.innerText || element.id || '';
    const look = (one) => {
        const style = getComputedStyle(one);
        return [style.outlineStyle, style.outlineColor, style.outlineWidth, style.boxShadow,
            style.borderColor, style.backgroundColor, style.textDecorationLine, style.color].join();
    };
    const near = [element];
    for (let i = 0; i < 5 && near.at(-1).parentElement; i++) near.push(near.at(-1).parentElement);
    near.push(...element.querySelectorAll('*'));
    if (element.nextElementSibling) near.push(element.nextElementSibling);
    if (element.previousElementSibling) near.push(element.previousElementSibling);
    const style = document.createElement('style');
    style.textContent = '* { transition: none !important; }';
    document.head.append(style);
    await frames();
    const focused = near.map(look);
    element.blur();
    await frames();
    const without = near.map(look);
    element.focus({ focusVisible: true });
    await frames();
    style.remove();
    return {
        name: name.trim().slice(0, 60),
        role: element.getAttribute('role') || element.tagName.toLowerCase(),
        inside: !!element.closest('[data-testid="stMain"]'),
        seen: focused.some((one, i) => one !== without[i]),
    };
}"""


def breaches(page: Page) -> list[str]:
    """Rule and element of each grave breach that is not known."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{breach['id']}: {node['html'][:200]} {node['failureSummary'][:200]}"
        for breach in found
        if breach["impact"] in GRAVE
        for node in breach["nodes"]
        if not any(breach["id"] == rule and part in node["html"] for rule, part in KNOWN)
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("entry", navigation.ENTRIES, ids=lambda entry: entry.module)
def test_no_page_breaks_a_grave_rule_of_accessibility(
    entry: navigation.Entry, scheme: str, app: App, open_tab: OpenTab
) -> None:
    page = open_tab(app, color_scheme=scheme).open(entry.url_path)
    assert breaches(page) == []


def test_a_breach_is_found(tab: Tab) -> None:
    page = tab.open("training")
    page.evaluate(
        """() => {
            const image = new Image(10, 10);
            image.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw=';
            document.querySelector('[data-testid="stMain"]').append(image);
        }"""
    )
    assert any(breach.startswith("image-alt") for breach in breaches(page))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_popover_with_the_code_and_a_message_break_no_grave_rule(
    scheme: str, app: App, open_tab: OpenTab
) -> None:
    page = open_tab(app, color_scheme=scheme).open("training?curves=unknown")
    page.get_by_role("button", name="Link, files, code").click()
    page.get_by_text("The code for this view").wait_for()
    settled(page)
    assert "This link is damaged" in page.get_by_test_id("stAlert").inner_text()
    assert breaches(page) == []


CONTROLS = """() => {
    const shown = (one) => one.checkVisibility() && !one.disabled;
    const main = document.querySelector('[data-testid="stMain"]');
    const all = [...main.querySelectorAll('button, a[href], input')].filter(shown);
    // Of a group of radio buttons the Tab key reaches one, the arrows the others.
    return all.filter((one) => one.tabIndex >= 0 && !one.closest('.modebar')).length;
}"""


# Of the Overview's dozens of cards those of a kind: all are made alike.
@pytest.mark.parametrize("path", ["?models=tractable", "training", "estimators"])
def test_keys_reach_every_control_and_the_focus_is_seen(path: str, tab: Tab) -> None:
    page = tab.open(path)
    eventually(page, lambda: page.evaluate(CONTROLS) > 5)
    settled(page)
    wanted = page.evaluate(CONTROLS)
    page.evaluate("() => document.querySelector('h1').focus()")
    stops: list[dict[str, Any]] = []
    for _ in range(wanted + 60):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUSED)
        if stop is None:
            break
        if (
            stop["inside"] and stop["role"] != "main"
        ):  # the part that scrolls is Streamlit's own stop
            stops.append(stop)
    print(f"\n{len(stops)} stops of the Tab key for {wanted} controls")
    assert len(stops) >= wanted
    hidden = [stop for stop in stops if not stop["seen"]]
    print(*hidden, sep="\n")
    assert hidden == []
    assert [stop for stop in stops if not stop["name"] and stop["role"] == "button"] == []


def test_nothing_moves_for_whom_asks_for_calm(app: App, open_tab: OpenTab) -> None:
    page = open_tab(app, reduced_motion="reduce").open("")
    moving = page.evaluate(
        """() => document.getAnimations().filter((one) => one.playState === 'running').length"""
    )
    assert moving == 0
