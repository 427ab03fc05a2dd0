"""The Leaderboard page as a visitor meets it, on a phone: real server, real Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from engine.checkpoints import save_checkpoint
from engine.models import build_model
from engine.random import make_generator
from tests.browser.app import App, app_on, settled
from tests.browser.conftest import Tab

pytestmark = pytest.mark.browser

OURS = {  # ELBO, L_5000 and training seconds of each
    "sbn-200-mnist-static": (-112.0, -104.0, 7200.0),
    "vae-20-mnist-static": (-97.0, -92.0, 1500.0),
    "dlgm-diagonal-mnist-static": (-96.0, -87.2, 3400.0),
}
MODELS = {
    "sbn-200-mnist-static": ("sbn", {"layers": [4]}),
    "vae-20-mnist-static": ("vae", {"latent_dim": 3, "hidden": [4]}),
    "dlgm-diagonal-mnist-static": ("dlgm", {"layers": [3], "hidden": [4]}),
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with three small checkpoints under the names of systems."""
    folder = tmp_path_factory.mktemp("leaderboard")
    for name, (kind, config) in MODELS.items():
        model = build_model(kind, data_dim=784, **config)
        model.reset_parameters(make_generator(1))
        elbo, bound, seconds = OURS[name]
        metrics = [
            {
                "name": metric, "value": value, "standard_error": 0.3, "estimator": "test",
                "samples": samples, "split": "test", "items": 2000,
            }
            for metric, value, samples in (("elbo", elbo, 100), ("L_5000", bound, 5000))
        ]  # fmt: skip
        card = {
            "format": 1, "model": kind, "config": model.config, "dataset": "mnist-static",
            "protocol": "test", "recipe": {}, "seed": 0, "metrics": metrics,
            "training": {"seconds": seconds},
        }  # fmt: skip
        save_checkpoint(folder / f"{name}.safetensors", model.state_dict(), card)
    with app_on(folder) as running:
        yield running


def systems(page: Page, count: int = 3) -> list[str]:
    """The first rows of the table, by name."""
    names = page.locator("tbody th.system").all_inner_texts()
    return [name.splitlines()[0] for name in names[:count]]


def test_rows_are_sorted_and_lead_to_their_checkpoint(
    app: App, open_tab: Callable[..., Tab]
) -> None:
    tab = open_tab(app, viewport={"width": 390, "height": 844})
    page = tab.open("leaderboard")
    ranked = ["DLGM, diagonal covariance", "AEVB, 20 latents", "SBN 200"]
    page.wait_for_selector("tbody th.system")
    assert systems(page) == ranked
    wide = page.evaluate("document.querySelector('[data-testid=\"stMain\"]').scrollWidth")
    assert wide <= 390

    # Three of ours, and as many published values at least.
    points = page.locator('[data-testid="stPlotlyChart"] .scatterlayer .point')
    expect(points.nth(6)).to_be_attached()
    expect(page.get_by_text("SBN 200-200-500", exact=True).first).to_be_attached()

    header = page.get_by_role("button", name="Training")
    header.click()
    expect(page.locator('th[aria-sort="ascending"]')).to_contain_text("Training")
    assert systems(page) == ["AEVB, 20 latents", "DLGM, diagonal covariance", "SBN 200"]
    page.wait_for_url("**sort=seconds*")
    header.click()
    assert systems(page) == ["SBN 200", "DLGM, diagonal covariance", "AEVB, 20 latents"]
    page.wait_for_url("**sort=-seconds*")
    grey = page.locator("tr.grey").first
    assert grey.locator(".caption").first.inner_text()  # says why it does not compare

    settled(page)
    page.reload()
    settled(page)
    assert systems(page)[0] == "SBN 200"  # the address is the view
    page.get_by_role("link", name="Sample: vae-20-mnist-static").click()
    page.wait_for_url("**/sample?checkpoint=vae-20-mnist-static")
    settled(page)
    chosen = page.get_by_test_id("stSelectbox").first.locator("input")
    assert chosen.input_value() == "vae-20-mnist-static"
    assert tab.exceptions() == []
    assert tab.complaints == []
