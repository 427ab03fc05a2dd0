"""The Training page's bands over seeds, as the browser draws them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from playwright.sync_api import expect

from engine.checkpoints import save_checkpoint
from engine.models import build_model
from engine.random import make_generator
from engine.seeds import seed_name
from tests.browser.app import App, app_on, settled
from tests.browser.conftest import Tab

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with three seeds of one recipe, whose curves lie a nat apart."""
    folder = tmp_path_factory.mktemp("seeds")
    model = build_model("vae", data_dim=784, latent_dim=2, hidden=[4])
    model.reset_parameters(make_generator(0))
    samples = np.arange(1, 9) * 1000.0
    for seed in (0, 1, 2):
        card = {
            "model": "vae", "config": model.config, "dataset": "digits-mini", "protocol": "test",
            "recipe": {"training": {"seed": seed}}, "seed": seed, "metrics": [], "training": {},
        }  # fmt: skip
        elbo = -100.0 - seed - 20 / np.arange(1, 9)
        curves = {"step": samples / 100, "samples": samples, "seconds": samples, "valid_elbo": elbo}
        name = seed_name("vae", seed) if seed else "vae"
        save_checkpoint(folder / f"{name}.safetensors", model.state_dict(), card, curves)
    with app_on(folder) as running:
        yield running


@pytest.mark.parametrize(
    ("scheme", "colour"), [("light", "rgb(0, 114, 178)"), ("dark", "rgb(86, 180, 233)")]
)
def test_a_band_has_the_themes_colour_and_lets_the_chart_through(
    app: App, open_tab: Callable[..., Tab], scheme: str, colour: str
) -> None:
    tab = open_tab(app, color_scheme=scheme)
    page = tab.open("training")
    band = page.locator(".scatterlayer path.js-fill")
    expect(band).to_have_count(1, timeout=60_000)
    fill, opacity = band.evaluate("path => [path.style.fill, path.style.fillOpacity]")
    assert fill == colour
    assert float(opacity) == pytest.approx(0.25, abs=0.01)
    assert band.bounding_box()["height"] > 20

    page.get_by_text("Seeds apart").click()
    page.wait_for_url("**apart=yes*")
    settled(page)
    expect(band).to_have_count(0, timeout=60_000)
    expect(page.locator(".scatterlayer .js-line")).to_have_count(3, timeout=60_000)
    assert tab.exceptions() == []
    assert tab.complaints == []
