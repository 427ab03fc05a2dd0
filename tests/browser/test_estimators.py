"""The Estimators page as a visitor meets it: real server, real Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from engine.checkpoints import save_checkpoint, write_curves
from engine.figures import load_figure
from engine.models import build_model
from engine.random import make_generator
from tests.browser.app import App, app_on, settled

pytestmark = pytest.mark.browser


def figure_curves(name: str) -> dict[str, list[object]]:
    """A run of four points for each curve of a figure."""
    found: dict[str, list[object]] = {}
    for panel in load_figure(name).panels:
        for place, run in enumerate(panel.runs):
            for step, value in ((100, -200.0), (5000, -130.0), (12_500, -121.0), (25_000, -120.0)):
                cells = {
                    "panel": panel.title, "run": run.label, "step": step, "samples": 100.0 * step,
                    "seconds": step / 50, "train": value - place, "valid": value - place - 1,
                }  # fmt: skip
                for key, cell in cells.items():
                    found.setdefault(key, []).append(cell)
    return found


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with two small SBNs, of which one recorded its gradient variance; embedded digits."""
    folder = tmp_path_factory.mktemp("estimators")
    for name, bits in (("bits", 6), ("more-bits", 14)):
        model = build_model("sbn", data_dim=784, layers=[bits])
        model.reset_parameters(make_generator(1))
        card = {
            "format": 1, "model": "sbn", "config": model.config, "dataset": "mnist-static",
            "protocol": "test", "recipe": {}, "seed": 0, "metrics": [], "training": {},
        }  # fmt: skip
        save_checkpoint(folder / f"{name}.safetensors", model.state_dict(), card)
    steps = [0, 100, 1000] * 2
    write_curves(
        folder / "bits.variance.csv",
        {
            "step": steps,
            "samples": [100 * step for step in steps],
            "estimator": ["score function"] * 3 + ["+ centring"] * 3,
            "layer": ["recognition 1"] * 6,
            "trace": [1e6, 5e5, 2e5, 5e4, 3e4, 1e4],
            "trace_se": [1e3] * 6,
            "mean_square": [20.0] * 6,
            "mean_square_se": [1.0] * 6,
            "draws": [100] * 6,
            "minibatches": [10] * 6,
        },
    )
    write_curves(folder / "figures" / "nvil-1.csv", figure_curves("nvil-1"))
    with app_on(folder) as running:
        yield running


@pytest.fixture
def page(app: App, browser: Browser) -> Iterator[Page]:
    """The page; complaints of the console fail the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 1600})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: (
            complaints.append(message.text) if message.type in ("warning", "error") else None
        ),
    )
    page.goto(app.url)
    settled(page)
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Estimators").click()
    expect(page.get_by_role("heading", name="Estimators", exact=True)).to_be_visible()
    settled(page)
    yield page
    assert not complaints
    context.close()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def draws(page: Page) -> int:
    found = re.search(r"(\d+) of \d+ draws", page.get_by_test_id("stMain").inner_text())
    return int(found.group(1)) if found else 0


def test_recorded_curves_are_drawn_and_follow_the_choice_of_quantity(page: Page) -> None:
    chart = page.get_by_test_id("stPlotlyChart").filter(has_text="training images seen")
    expect(chart.get_by_text("gradient variance, tr Cov[g] (nats²)")).to_be_visible()
    expect(chart.locator(".scatterlayer .trace")).to_have_count(2)
    page.get_by_role("radiogroup", name="Quantity").first.get_by_text("Signal-to-noise").click()
    expect(chart.get_by_text("signal-to-noise ratio of one draw")).to_be_visible()
    settled(page)


def test_the_toy_plays_pauses_and_settles_on_the_known_bars(page: Page) -> None:
    chart = page.get_by_test_id("stPlotlyChart").first
    expect(chart.locator(".barlayer .point")).to_have_count(4)
    press(page, "Play")
    expect(chart.locator(".barlayer .point")).to_have_count(8, timeout=15_000)
    press(page, "Pause")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    settled(page)
    told = page.get_by_text("of 200,000 estimates by each").inner_text()
    page.wait_for_timeout(1000)
    assert page.get_by_text("of 200,000 estimates by each").inner_text() == told
    press(page, "Play")
    expect(page.get_by_text("200,000 of 200,000 estimates")).to_be_visible(timeout=60_000)
    settled(page)
    assert "toy=yes" in page.url


def test_a_measurement_runs_stops_goes_on_and_ends_with_bars_and_a_table(page: Page) -> None:
    press(page, "Start")
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    expect(page.get_by_test_id("stProgress")).to_contain_text(
        "fitting the baselines", timeout=30_000, ignore_case=True
    )
    press(page, "Pause")
    expect(page.get_by_role("button", name="Go on", exact=True)).to_be_visible()
    settled(page)
    before = page.get_by_test_id("stProgress").inner_text()
    page.wait_for_timeout(1200)
    assert page.get_by_test_id("stProgress").inner_text() == before

    press(page, "Go on")
    expect(page.get_by_role("button", name="Again", exact=True)).to_be_visible(timeout=120_000)
    settled(page)
    assert draws(page) == 200
    bars = page.get_by_test_id("stPlotlyChart").nth(1)
    expect(bars.locator(".barlayer .point")).to_have_count(6)
    expect(bars.locator(".barlayer .errorbar")).to_have_count(6)
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()
    frontier = page.get_by_test_id("stPlotlyChart").nth(2)
    expect(frontier.locator(".scatterlayer .point")).to_have_count(6)
    expect(frontier.get_by_text("DisARM", exact=True)).to_be_visible()
    with page.expect_download() as download:
        press(page, "All results, CSV")
    lines = download.value.path().read_text().splitlines()
    assert lines[0].startswith("estimator,layer,trace,trace_se")
    assert len(lines) == 1 + 6 * 2


@contextmanager
def opened(app: App, browser: Browser, query: str, width: int = 1440) -> Iterator[Page]:
    """The page at an address of its own."""
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    page.goto(f"{app.url}/estimators?{query}", timeout=60_000)
    settled(page)
    yield page
    context.close()


def test_an_oracle_is_drawn_before_the_others_and_can_be_stopped(
    app: App, browser: Browser
) -> None:
    with opened(app, browser, "checkpoint=more-bits&estimators=disarm,concrete") as page:
        page.get_by_text("Bias against an oracle").click()
        settled(page)
        assert "oracle=yes" in page.url
        press(page, "Start")
        progress = page.get_by_test_id("stProgress")
        expect(progress).to_contain_text(re.compile("Drawing the oracle|draws"), timeout=120_000)
        press(page, "Pause")
        goes_on = page.get_by_role("button", name="Go on", exact=True)
        expect(goes_on).to_be_visible(timeout=30_000)
        settled(page)
        before = progress.inner_text()
        page.wait_for_timeout(1200)
        assert progress.inner_text() == before
        press(page, "Go on")
        again = page.get_by_role("button", name="Again", exact=True)
        expect(again).to_be_visible(timeout=120_000)
        settled(page)
        told = page.get_by_text("The oracle is the mean of 800 draws of leave-one-out")
        expect(told).to_be_visible()


def test_a_figure_of_a_paper_has_its_panels_and_can_be_seen_over_time(
    app: App, browser: Browser
) -> None:
    figure = load_figure("nvil-1")
    with opened(app, browser, "figure=nvil-1") as page:
        panels = page.get_by_test_id("stPlotlyChart").filter(has_text="updates")
        expect(panels).to_have_count(len(figure.panels))
        first = panels.first
        # Each run on two kinds of images, and the readings.
        lines = 2 * len(figure.panels[0].runs) + len(figure.panels[0].readings)
        expect(first.locator(".scatterlayer .trace")).to_have_count(lines)
        names = first.locator(".legendtext").all_text_contents()
        assert names == [run.label for run in figure.panels[0].runs]
        strokes = [
            panel.locator(".scatterlayer .trace .js-line").first.evaluate(
                "line => getComputedStyle(line).stroke"
            )
            for panel in panels.all()[:2]
        ]
        assert strokes[0] == strokes[1]  # the same run in two panels
        page.get_by_role("radiogroup", name="Against").get_by_text("Time").click()
        timed = page.get_by_test_id("stPlotlyChart").filter(has_text="training time (minutes)")
        expect(timed).to_have_count(len(figure.panels), timeout=30_000)
        settled(page)
        assert "against=seconds" in page.url


def test_on_a_phone_the_panels_are_stacked_and_the_page_does_not_go_sideways(
    app: App, browser: Browser
) -> None:
    with opened(app, browser, "figure=nvil-1", width=390) as page:
        panels = page.get_by_test_id("stPlotlyChart").filter(has_text="updates")
        expect(panels).to_have_count(len(load_figure("nvil-1").panels), timeout=60_000)
        boxes = [panel.bounding_box() for panel in panels.all()]
        tops = []
        for box in boxes:
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390
            assert box["width"] > 300
            tops.append(box["y"])
        assert tops == sorted(set(tops))
        wide, seen = page.get_by_test_id("stMain").evaluate(
            "main => [main.scrollWidth, main.clientWidth]"
        )
        assert wide == seen


def test_nothing_was_logged_at_warning_level(app: App) -> None:
    complaints = re.compile(r"warning|error|traceback|exception", re.IGNORECASE)
    assert not [line for line in app.logged().splitlines() if complaints.search(line)]
