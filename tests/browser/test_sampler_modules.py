"""The sampler's modules against torch and against what Python draws again for its files."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page

import engine
from dashboard.logic.sample.browser_draws import (
    as_in_browser,
    layer_image,
    layer_state,
    tick_random,
    view_image,
)
from engine.models import LatentVariableModel
from tests.browser.modules import load, numbers, send_model

pytestmark = pytest.mark.browser

DEEP = ["sbn-200-200-mnist-static", "dlgm-2-mnist-static"]
LOCKS = [[2, 2], [5, 3], [9, 1], [14, 0], [30, 2]]
DRAWS = 4000


@pytest.fixture(scope="module")
def blank(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.goto("about:blank")
    load(page, "blob", "model", "random", "code_view", "layer_draws")
    yield page
    context.close()


@pytest.fixture
def loaded(blank: Page) -> Callable[[str], LatentVariableModel]:
    """Give the tab a checkpoint's model, as `model`; returns torch's."""
    return functools.partial(send_model, blank)


@pytest.mark.parametrize("seed", [0, 7, 2**31])
def test_python_has_the_browsers_random_numbers(blank: Page, seed: int) -> None:
    found = numbers(
        blank,
        """(() => {
            const random = modules.layer_draws.tickRandom(argument, 12);
            return [...Array(50)].map((_, i) => i % 3 ? random.uniform() : random.normal());
        })()""",
        seed,
    )
    random = tick_random(seed, 12)
    wanted = [random.uniform() if i % 3 else random.normal() for i in range(50)]
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", [*DEEP, "fdarn", "darn"])
def test_any_draw_is_the_same_here_and_there(
    name: str, blank: Page, loaded: Callable[[str], LatentVariableModel]
) -> None:
    model = as_in_browser(loaded(name))
    for step in (0, 3, 9, 20, 31, 900):
        locks = [pair for pair in LOCKS if pair[0] <= step]
        call = """(() => {
            const [seed, step, locks] = argument;
            globalThis.draws = new modules.layer_draws.LayerDraws(model, { seed, step, locks });
            return draws.z;
        })()"""
        found = np.array(numbers(blank, call, [6, step, locks]), np.float32)
        wanted = layer_state(model, 6, step, [(tick, mask) for tick, mask in locks])
        np.testing.assert_allclose(found, wanted, atol=1e-6)
        means = numbers(blank, "draws.image(draws.z, draws.step, false)")
        np.testing.assert_allclose(
            means, layer_image(model, wanted, 6, step, pixels=False), atol=1e-5
        )
        pixels = numbers(blank, "draws.image(draws.z, draws.step, true)")
        np.testing.assert_array_equal(pixels, layer_image(model, wanted, 6, step, pixels=True))


def test_played_and_locked_on_the_way_ends_where_a_link_begins(
    blank: Page, loaded: Callable[[str], LatentVariableModel]
) -> None:
    loaded(DEEP[0])
    same, kept, moved, changes = blank.evaluate(
        """() => {
            const { LayerDraws } = modules.layer_draws;
            const one = new LayerDraws(model, { seed: 3, step: 0, locks: [] });
            let kept = true;
            let moved = 0;
            for (let tick = 1; tick <= 200; tick++) {
                if (tick % 7 === 0) one.lock(tick % 2, !one.isLocked(tick % 2));
                const before = one.z;
                one.advance();
                for (const layer of [0, 1]) {
                    const [a, b] = [before, one.z].map((z) => model.layer(z, layer));
                    const equal = a.every((bit, i) => bit === b[i]);
                    if (one.isLocked(layer)) kept &&= equal;
                    else moved += equal ? 0 : 1;
                }
            }
            const state = JSON.parse(JSON.stringify(one.state()));
            const other = new LayerDraws(model, state);
            const same = [200, 199, 190, 180].every((tick) => {
                const [a, b] = [one.at(tick), other.at(tick)];
                return a.every((bit, i) => bit === b[i]);
            });
            return [same && other.z.every((bit, i) => bit === one.z[i]), kept, moved,
                    state.locks.length];
        }"""
    )
    assert same
    assert kept
    assert moved > 100
    assert changes < 20  # what lies before a draw of everything is forgotten


def test_bits_below_a_locked_layer_have_the_probabilities_of_torch(
    blank: Page, loaded: Callable[[str], LatentVariableModel]
) -> None:
    model = loaded(DEEP[0])
    z = model.prior().sample((1,), generator=engine.make_generator(8))
    found = np.array(
        numbers(
            blank,
            """(() => {
                const [z, count] = argument;
                const start = Float32Array.from(z);
                const random = new modules.random.Random(5);
                const total = new Float64Array(model.latentDim);
                for (let draw = 0; draw < count; draw++) {
                    model.resample(start, [false, true], random)
                        .forEach((bit, i) => { total[i] += bit / count; });
                }
                return total;
            })()""",
            [z[0].tolist(), DRAWS],
        )
    )
    np.testing.assert_allclose(found[200:], z[0, 200:].numpy(), atol=1e-9)
    exact = model.transforms[0](2 * z[:, 200:] - 1).sigmoid()[0].numpy()
    torchs = model.resample(
        z.repeat(DRAWS, 1), [False, True], generator=engine.make_generator(3)
    ).mean(0)[:200]
    error = np.sqrt(exact * (1 - exact) / DRAWS).clip(min=1e-3)
    deviations = (found[:200] - exact) / error
    both = (found[:200] - torchs.numpy()) / (np.sqrt(2) * error)
    print(f"\nlargest deviations {np.abs(deviations).max():.1f}, {np.abs(both).max():.1f} errors")
    assert np.abs(deviations).max() < 5
    assert np.abs(both).max() < 5


def test_noise_below_a_locked_layer_is_standard_normal(
    blank: Page, loaded: Callable[[str], LatentVariableModel]
) -> None:
    loaded(DEEP[1])
    found = np.array(
        numbers(
            blank,
            """(() => {
                const random = new modules.random.Random(5);
                const z = new Float32Array(model.latentDim).fill(0.25);
                return [...Array(argument)].flatMap(
                    () => Array.from(model.resample(z, [false, true], random)));
            })()""",
            DRAWS,
        )
    ).reshape(DRAWS, 42)
    assert (found[:, 40:] == 0.25).all()
    noise = found[:, :40]
    assert np.abs(noise.mean(0)).max() < 5 / np.sqrt(DRAWS)
    assert np.abs(noise.std(0) - 1).max() < 5 / np.sqrt(2 * DRAWS)
    correlation = np.corrcoef(noise.T) - np.eye(40)
    assert np.abs(correlation).max() < 5 / np.sqrt(DRAWS)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("vae-20-mnist-static", 0),
        (DEEP[0], 0),
        (DEEP[0], 1),
        (DEEP[1], 1),
        ("fdarn", 1),
        ("darn", 0),
    ],
)
@pytest.mark.parametrize("below", ["average", "draw"])
def test_the_image_of_a_turned_code_is_the_one_of_its_files(
    name: str, layer: int, below: str, blank: Page, loaded: Callable[[str], LatentVariableModel]
) -> None:
    model = loaded(name)
    start = model.prior().sample((1,), generator=engine.make_generator(2))[0]
    value = 1.0 if model.latent_kind == "bernoulli" else 1.35
    call = """(() => {
        const [start, layer, below, value] = argument;
        const view = new modules.code_view.CodeView(
            model, { layer, start: Float32Array.from(start) });
        view.below = below;
        view.set(1, value);
        return [...view.code(), ...view.image()];
    })()"""
    found = np.array(numbers(blank, call, [start.tolist(), layer, below, value]), np.float32)
    code = start.clone()
    code[sum(model.layer_sizes[:layer]) + 1] = value
    np.testing.assert_array_equal(found[: len(code)], code.numpy())
    wanted = view_image(as_in_browser(model), code.numpy(), layer, 24 if below == "average" else 1)
    difference = np.abs(found[len(code) :] - wanted).max()
    print(f"\n{name}, layer {layer + 1}, {below}: {difference:.1e}")
    assert difference < 1e-4


def test_pixels_are_drawn_one_after_the_other_for_the_code_of_the_view(
    blank: Page, loaded: Callable[[str], LatentVariableModel]
) -> None:
    model = loaded("darn")
    start = model.prior().sample((1,), generator=engine.make_generator(2))[0]
    call = """(() => {
        const start = Float32Array.from(argument);
        const view = new modules.code_view.CodeView(model, { layer: 0, start });
        view.set(1, 1 - start[1]);
        return [...view.code(), ...view.pixels(), ...view.pixels()];
    })()"""
    found = torch.tensor(numbers(blank, call, start.tolist()))
    code, pixels, again = found.float().split([60, 196, 196])
    assert torch.equal(pixels, again)  # what changes is what is turned, not the random numbers
    assert set(pixels.tolist()) == {0.0, 1.0}
    law = model.likelihood(code)
    many = law.log_prob(law.sample((500,), generator=engine.make_generator(0)))
    assert abs(law.log_prob(pixels) - many.mean()) < 5 * many.std()


def test_axes_add_to_the_layer_and_resets_take_them_back(
    blank: Page, loaded: Callable[[str], LatentVariableModel]
) -> None:
    model = loaded("dlgm-2-mnist-static")
    ways = torch.tensor([[0.8, 0.6], [-0.3, 0.4]])
    found = blank.evaluate(
        """(ways) => {
            const start = new Float32Array(model.latentDim).fill(0.5);
            const view = new modules.code_view.CodeView(
                model, { layer: 1, start, ways: Float32Array.from(ways) });
            view.set(0, 2);
            view.set(1, -1);
            const both = [...model.layer(view.code(), 1)];
            const along = [...model.layer(view.code(0, 1), 1)];
            view.reset(0);
            const one = [...model.layer(view.code(), 1)];
            const state = view.state();
            view.resetAll();
            return [both, along, one, state, view.code().every((value) => value === 0.5)];
        }""",
        ways.flatten().tolist(),
    )
    both, along, one, state, back = found
    np.testing.assert_allclose(both, 0.5 + 2 * ways[0] - ways[1], rtol=1e-6)
    np.testing.assert_allclose(along, 0.5 + ways[0] - ways[1], rtol=1e-6)
    np.testing.assert_allclose(one, 0.5 - ways[1], rtol=1e-6)
    assert state == {"units": [1], "values": [-1], "last": 1, "below": "average"}
    assert back
    assert sum(model.layer_sizes) == 42
