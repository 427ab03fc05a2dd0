"""The browser's forward passes against torch: every shipped checkpoint, every kind of link."""

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
from tests.browser.modules import LINKED, load, numbers, send, send_model

pytestmark = pytest.mark.browser

SHIPPED = {name: engine.read_card(name) for name in engine.list_checkpoints()}
KINDS = {n: cards.latent_kind(card) for n, card in SHIPPED.items() if cards.runs_in_browser(card)}
GAUSSIANS = [name for name, kind in KINDS.items() if kind == "gaussian"]
BITS = [name for name, kind in KINDS.items() if kind == "bernoulli"] + list(LINKED)
NAMES = GAUSSIANS + BITS
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


@pytest.mark.parametrize("name", BITS)
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
    # Hundreds of units: the largest of as many normal deviates stays below 5.
    print(f"\n{name}: largest deviation {np.abs(z).max():.1f} standard errors")
    assert np.abs(z).max() < 5
    either = (DRAWS * torchs >= 10) & (DRAWS * (1 - torchs) >= 10)  # deep layers have constant bits
    assert either.sum() >= 50
    assert 0.8 < z[either].std() < 1.2


@pytest.mark.parametrize("name", GAUSSIANS)
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


DRAWN = {
    "p(z)": "model.drawPrior(random)",
    "q(z | x)": "model.drawRecognition(given, random)",
    "p(x | z)": "model.drawPixels(given, random)",
}


@pytest.mark.parametrize("what", DRAWN)
@pytest.mark.parametrize("name", LINKED)
def test_linked_bits_are_drawn_as_torch_draws_them(
    name: str,
    what: str,
    blank: Page,
    loaded: Callable[[str], engine.models.LatentVariableModel],
) -> None:
    model = loaded(name)
    generator = engine.make_generator(6)
    z = model.prior().sample((1,), generator=generator)
    x = model.likelihood(z).sample(generator=generator)
    law = {"p(z)": model.prior(), "q(z | x)": model.recognition(x), "p(x | z)": model.likelihood(z)}
    call = f"""(() => {{
        const given = Float32Array.from(argument[0]);
        const random = new modules.random.Random(11);
        return Array.from({{ length: argument[1] }}, () => [...{DRAWN[what]}]).flat();
    }})()"""
    given = (z if what == "p(x | z)" else x)[0].tolist()
    found = numbers(blank, call, [given, DRAWS])
    drawn = torch.tensor(found, dtype=torch.float32).reshape(DRAWS, 1, -1)
    shape = (DRAWS, 1) if what == "p(z)" else (DRAWS,)
    torchs = law[what].sample(shape, generator=generator)
    # Of whole draws: a wrong link, or one the other way round, would make them less likely.
    here, there = (law[what].log_prob(draws)[:, 0] for draws in (drawn, torchs))
    error = ((here.var() + there.var()) / DRAWS).sqrt()
    assert abs(here.mean() - there.mean()) < 5 * error
    error = ((drawn.var(0) + torchs.var(0)) / DRAWS).sqrt().clamp(min=1e-3)
    assert ((drawn.mean(0) - torchs.mean(0)) / error).abs().max() < 5


@pytest.mark.parametrize("name", BITS)
def test_bits_of_a_layer_have_the_prior_of_torch_given_those_they_depend_on(
    name: str, blank: Page, loaded: Callable[[str], engine.models.LatentVariableModel]
) -> None:
    model = loaded(name)
    z = model.prior().sample((CODES,), generator=engine.make_generator(1))
    layers = z.split(model.layer_sizes, dim=-1)
    for index, (own, above) in enumerate(zip(layers, [*layers[1:], None], strict=True)):
        wanted = model.layer_prior(index, above).logits_given(own).sigmoid().expand_as(own)
        found = rows(blank, f"model.layerPrior(row, {index})", z.numpy())
        assert np.abs(found - wanted.numpy()).max() < 1e-2


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
