"""The brush on a grid of cells, with a real pointer, real touches and real keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.modules import load, numbers

pytestmark = pytest.mark.browser

SIDE, CELL = 12, 20  # cells, and the screen pixels of one


@pytest.fixture
def surface(browser: Browser) -> Iterator[Callable[..., Page]]:
    """A square of 12 x 12 cells at the page's corner, painted by a brush of two cells."""
    contexts = []

    def made(ink: str = "coverage >= 0.5 ? (eraser ? 0 : 1) : before", **options: object) -> Page:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.goto("about:blank")
        load(page, "brush")
        page.evaluate(
            f"""() => {{
                document.body.style.margin = 0;
                const surface = document.createElement("div");
                surface.id = "surface";
                surface.style.cssText = "width: {SIDE * CELL}px; height: {SIDE * CELL}px";
                document.body.append(surface);
                globalThis.cells = new Float32Array({SIDE * SIDE});
                globalThis.told = [];
                globalThis.brush = new modules.brush.Brush(surface, {{
                    width: {SIDE}, height: {SIDE}, size: 2, values: () => cells,
                    ink: (before, coverage, eraser) => {ink},
                    changed: (finished) => told.push(finished),
                }});
            }}"""
        )
        return page

    yield made
    for context in contexts:
        context.close()


def cells(page: Page) -> np.ndarray:
    return np.array(numbers(page, "cells")).reshape(SIDE, SIDE)


def drag(page: Page, *places: tuple[float, float]) -> None:
    """A stroke through places given as (column, row), without points in between."""
    page.mouse.move(places[0][0] * CELL, places[0][1] * CELL)
    page.mouse.down()
    for x, y in places[1:]:
        page.mouse.move(x * CELL, y * CELL)
    page.mouse.up()


def test_a_fast_stroke_leaves_no_gaps_and_keeps_its_width(surface: Callable[..., Page]) -> None:
    page = surface()
    drag(page, (2, 6), (10, 6))
    painted = cells(page)
    # a brush of two cells between rows 5 and 6, along all columns from 1 or 2 to 9 or 10
    assert painted[5:7, 2:10].all()
    assert not painted[:5].any()
    assert not painted[7:].any()
    assert page.evaluate("told.at(-1)") is True


def test_soft_ink_is_not_added_twice_where_a_stroke_crosses_itself(
    surface: Callable[..., Page],
) -> None:
    page = surface("before + 0.5 * coverage")
    drag(page, (2, 6), (10, 6), (2, 6), (10, 6))
    assert cells(page).max() == 0.5


def test_undo_and_redo_by_keys_and_a_dropped_stroke(surface: Callable[..., Page]) -> None:
    page = surface()
    drag(page, (2, 2), (10, 2))
    first = cells(page)
    drag(page, (2, 9), (10, 9))
    second = cells(page)
    page.locator("#surface").focus()
    page.keyboard.press("Control+z")
    np.testing.assert_array_equal(cells(page), first)
    page.keyboard.press("Control+z")
    assert not cells(page).any()
    page.keyboard.press("Control+Shift+z")
    page.keyboard.press("Control+Shift+z")
    np.testing.assert_array_equal(cells(page), second)
    page.mouse.move(5 * CELL, 5 * CELL)
    page.mouse.down()
    page.mouse.move(7 * CELL, 5 * CELL)
    page.keyboard.press("Escape")
    page.mouse.up()
    np.testing.assert_array_equal(cells(page), second)


def test_the_keyboard_alone_draws_a_line(surface: Callable[..., Page]) -> None:
    page = surface()
    page.evaluate("brush.size = 1")
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+ArrowLeft")  # from the middle, (6, 6), to column 2
    page.keyboard.down(" ")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    page.keyboard.up(" ")
    page.keyboard.press("ArrowDown")
    rows, columns = np.nonzero(cells(page))
    assert rows.tolist() == [6, 7, 8, 9]
    assert set(columns.tolist()) == {2}


def test_a_finger_draws_and_the_page_does_not_scroll(surface: Callable[..., Page]) -> None:
    page = surface(has_touch=True, viewport={"width": 390, "height": 300})
    page.evaluate("document.body.style.height = '3000px'")
    session = page.context.new_cdp_session(page)
    for kind, place in (("touchStart", (3, 3)), ("touchMove", (3, 10)), ("touchEnd", None)):
        points = [{"x": place[0] * CELL, "y": place[1] * CELL}] if place else []
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    painted = cells(page)
    assert painted[3:10, 2:4].all()
    assert page.evaluate("scrollY") == 0


def test_changes_that_are_no_strokes_can_be_undone_too(surface: Callable[..., Page]) -> None:
    page = surface()
    drag(page, (2, 2), (10, 2))
    before = cells(page)
    page.evaluate("() => { brush.mark(); cells.fill(0); }")
    page.evaluate("brush.undo()")
    np.testing.assert_array_equal(cells(page), before)
