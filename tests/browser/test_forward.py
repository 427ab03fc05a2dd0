"""The browser's forward passes against torch, for every shipped checkpoint."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page

import engine
from dashboard import cards
from dashboard.blobs import pack
from tests.browser.modules import load, numbers, send, send_model

pytestmark = pytest.mark.browser

NAMES = [
    name
    for name in engine.list_checkpoints()
    if cards.recognises_in_browser(engine.read_card(name))
]
CODES = 24
DRAWS = 4000


@pytest.fixture(scope="module")
def blank(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.goto("about:blank")
    load(page, "blob", "model", "random")
    yield page
    context.close()


@pytest.fixture
def loaded(blank: Page) -> Callable[[str], engine.models.LatentVariableModel]:
    """Give the tab a checkpoint's model, as `model`; returns torch's."""
    return functools.partial(send_model, blank)


def rows(page: Page, expression: str, argument: np.ndarray) -> np.ndarray:
    """An expression in `row` for each row of an array."""
    call = (
        "argument.flatMap((values) => { const row = Float32Array.from(values); "
        f"return Array.from({expression}); }})"
    )
    return np.array(numbers(page, call, argument.tolist())).reshape(len(argument), -1)


@pytest.mark.parametrize("name", NAMES)
def test_decoded_pixels_agree_with_torch_to_one_percent(
    name: str, blank: Page, loaded: Callable[[str], engine.models.LatentVariableModel]
) -> None:
    model = loaded(name)
    z = model.prior().sample((CODES,), generator=engine.make_generator(1))
    wanted = model.likelihood(z).mean.numpy()
    error = np.abs(rows(blank, "model.decode(row)", z.numpy()) - wanted).max()
    print(f"\n{name}: largest difference of a pixel {error:.1e}")
    assert error < 1e-2


@pytest.mark.parametrize("name", NAMES)
def test_the_recognition_agrees_with_torch_to_one_percent(
    name: str, blank: Page, loaded: Callable[[str], engine.models.LatentVariableModel]
) -> None:
    model = loaded(name)
    x = model.sample(CODES, generator=engine.make_generator(2)).clamp(0, 1)
    q = model.recognition(x)
    mean = rows(blank, "model.recognise(row).mean", x.numpy())
    scale = q.mean.std() if model.latent_kind == "gaussian" else 1.0
    error = np.abs(mean - q.mean.numpy()).max() / float(scale)
    print(f"\n{name}: largest difference of a mean {error:.1e} of its spread")
    assert error < 2e-2
    if model.latent_kind == "bernoulli":
        return
    # the first two latents of all layers as a plane: their variances in q
    axes = np.eye(sum(model.layer_sizes), dtype=np.float32)[:2]
    call = f"model.planeCovariance(model.recognise(row), {axes.tolist()})"
    found = rows(blank, call, x.numpy())[:, [0, 2]]
    np.testing.assert_allclose(found, q.stddev.square().numpy()[:, :2], rtol=0.05)


@pytest.mark.parametrize("name", [name for name in NAMES if "sbn" in name])
def test_drawn_bits_have_the_probabilities_of_torch(
    name: str, blank: Page, loaded: Callable[[str], engine.models.LatentVariableModel]
) -> None:
    model = loaded(name)
    found = np.array(
        numbers(
            blank,
            """(() => {
                const random = new modules.random.Random(argument[0]);
                const total = new Float64Array(model.latentDim);
                for (let draw = 0; draw < argument[1]; draw++) {
                    model.drawPrior(random).forEach((bit, i) => { total[i] += bit / argument[1]; });
                }
                return total;
            })()""",
            [5, DRAWS],
        )
    )
    torchs = model.prior().sample((DRAWS,), generator=engine.make_generator(3)).mean(0).numpy()
    error = np.sqrt((found * (1 - found) + torchs * (1 - torchs)) / DRAWS).clip(min=1e-3)
    z = (found - torchs) / error
    # Two hundred units and more: the largest of as many normal deviates stays below 5.
    print(f"\n{name}: largest deviation {np.abs(z).max():.1f} standard errors")
    assert np.abs(z).max() < 5
    either = (DRAWS * torchs >= 10) & (DRAWS * (1 - torchs) >= 10)  # deep layers have constant bits
    assert either.sum() >= 50
    assert 0.8 < z[either].std() < 1.2


@pytest.mark.parametrize("name", [name for name in NAMES if "sbn" not in name])
def test_gaussian_draws_of_q_have_its_mean_and_spread(
    name: str, blank: Page, loaded: Callable[[str], engine.models.LatentVariableModel]
) -> None:
    model = loaded(name)
    x = model.sample(1, generator=engine.make_generator(4)).clamp(0, 1)
    q = model.recognition(x)
    found = np.array(
        numbers(
            blank,
            """(() => {
                const random = new modules.random.Random(9);
                const x = Float32Array.from(argument[0]);
                const q = model.recognise(x);
                const out = [];
                for (let draw = 0; draw < argument[1]; draw++) {
                    out.push(...model.drawGaussian(q, random).subarray(0, 10));
                }
                return out;
            })()""",
            [x[0].tolist(), DRAWS],
        )
    ).reshape(DRAWS, -1)
    mean, spread = q.mean[0, :10].numpy(), q.stddev[0, :10].numpy()
    assert np.abs((found.mean(0) - mean) / spread).max() < 5 / np.sqrt(DRAWS) + 0.02
    np.testing.assert_allclose(found.std(0), spread, rtol=5 / np.sqrt(2 * DRAWS) + 0.02)


def test_a_message_comes_out_as_it_went_in(blank: Page) -> None:
    generator = torch.Generator().manual_seed(0)
    halves = torch.randn(1000, generator=generator).half().numpy()
    small = np.array([0, 6e-8, -6e-8, 6.1e-5, 65504, -0.0], dtype=np.float16)
    arrays = {
        "halves": np.concatenate([halves, small]),
        "bytes": np.arange(7, dtype=np.uint8),
        "numbers": np.array([-1.5, 2.25], dtype=np.float32),
    }
    send(blank, "test", pack({"words": "Größe ≤ 3"}, arrays))
    assert blank.evaluate("() => messages.test.header.words") == "Größe ≤ 3"
    for name, array in arrays.items():
        found = numbers(blank, f"messages.test.arrays.{name}")
        np.testing.assert_array_equal(found, array.astype(np.float64))
