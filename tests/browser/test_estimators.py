"""The Estimators page as a visitor meets it: real server, real Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from engine.checkpoints import save_checkpoint, write_curves
from engine.models import build_model
from engine.random import make_generator
from tests.browser.app import App, running_app, settled

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with one small SBN that recorded its gradient variance, and the embedded digits."""
    folder = tmp_path_factory.mktemp("estimators")
    model = build_model("sbn", data_dim=784, layers=[6])
    model.reset_parameters(make_generator(1))
    card = {
        "format": 1, "model": "sbn", "config": model.config, "dataset": "mnist-static",
        "protocol": "test", "recipe": {}, "seed": 0, "metrics": [], "training": {},
    }  # fmt: skip
    save_checkpoint(folder / "bits.safetensors", model.state_dict(), card)
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
    environment = {
        "HELMHOLTZ_PRETRAINED": str(folder),
        "HELMHOLTZ_DATA": str(folder),
        "HELMHOLTZ_CACHE": str(folder),
        "OMP_NUM_THREADS": "1",
    }
    with running_app(folder / "app.log", environment) as running:
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
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    frontier = page.get_by_test_id("stPlotlyChart").nth(2)
    expect(frontier.locator(".scatterlayer .point")).to_have_count(6)
    expect(frontier.get_by_text("DisARM", exact=True)).to_be_visible()
    with page.expect_download() as download:
        press(page, "All results, CSV")
    lines = download.value.path().read_text().splitlines()
    assert lines[0].startswith("estimator,layer,trace,trace_se")
    assert len(lines) == 1 + 6 * 2


def test_nothing_was_logged_at_warning_level(app: App) -> None:
    complaints = re.compile(r"warning|error|traceback|exception", re.IGNORECASE)
    assert not [line for line in app.logged().splitlines() if complaints.search(line)]
