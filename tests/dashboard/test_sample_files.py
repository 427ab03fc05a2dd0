"""What can be taken along from the Sample page: films, a table, and code that makes the image."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import engine
from dashboard.logic.sample.browser_draws import (
    BrowserRandom,
    as_in_browser,
    drawn_below,
    layer_image,
    layer_state,
    resample,
    tick_random,
    view_image,
)
from dashboard.logic.sample.sample_files import (
    draws_gif,
    image_png,
    to_bytes,
    traversal_gif,
    units_csv,
)
from dashboard.logic.sample.sample_views import Draws
from dashboard.scripts.sample import image_script
from engine.models import LatentVariableModel, build_model
from tests.dashboard.running import picture_of


def small(kind: str, **config: object) -> LatentVariableModel:
    model = build_model(kind, data_dim=9, **config)
    model.reset_parameters(engine.make_generator(3))
    return as_in_browser(model)


def frames(film: bytes) -> np.ndarray:
    found = []
    with Image.open(io.BytesIO(film)) as image:
        for index in range(image.n_frames):
            image.seek(index)
            found.append(np.asarray(image.convert("L")))
    return np.stack(found)


def test_the_random_numbers_are_uniform_and_normal() -> None:
    random = tick_random(0, 3)
    uniform = np.array([random.uniform() for _ in range(20_000)])
    assert abs(uniform.mean() - 0.5) < 5 / np.sqrt(12 * 20_000)
    assert np.abs(np.histogram(uniform, 20, (0, 1))[0] - 1000).max() < 5 * np.sqrt(950)
    normal = np.array([random.normal() for _ in range(20_000)])
    assert abs(normal.mean()) < 5 / np.sqrt(20_000)
    assert abs(normal.std() - 1) < 5 / np.sqrt(40_000)
    firsts = [tick_random(seed, tick).uniform() for seed in range(40) for tick in range(40)]
    assert len(set(firsts)) == 1600
    assert abs(np.mean(firsts) - 0.5) < 5 / np.sqrt(12 * 1600)


def test_the_state_at_a_tick_is_that_of_playing_up_to_it() -> None:
    model = small("sbn", layers=[7, 5, 4])
    locks = ((2, 0b100), (3, 0b110), (6, 0b010), (8, 0))
    z = resample(model, np.zeros(16, np.float32), [False] * 3, tick_random(1, 0))
    mask = 0
    for tick in range(12):
        if tick:
            keep = [bool(mask >> layer & 1) for layer in range(3)]
            z = resample(model, z, keep, tick_random(1, tick))
        np.testing.assert_array_equal(layer_state(model, 1, tick, locks), z)
        mask = dict(locks).get(tick, mask)


def test_locked_layers_stay_bit_for_bit() -> None:
    model = small("dlgm", layers=[4, 3], hidden=[5])
    before, after = (layer_state(model, 0, step, ((2, 0b10),)) for step in (2, 9))
    np.testing.assert_array_equal(before[4:], after[4:])
    assert (before[:4] != after[:4]).all()


def test_films_have_the_frames_of_the_draws() -> None:
    model, shape = small("sbn", layers=[6, 4]), (3, 3)
    draws = Draws(seed=4, step=30, locks=((25, 2),))
    found = frames(draws_gif(model, draws, shape))
    assert len(found) == 24
    z = layer_state(model, 4, 30, draws.locks)
    last = to_bytes(layer_image(model, z, 4, 30, pixels=False), shape)
    assert np.abs(found[-1][::8, ::8].astype(int) - last).max() <= 1
    assert len(frames(draws_gif(model, Draws(step=2), shape))) == 3
    pixels = frames(draws_gif(model, Draws(step=5, show="pixels"), shape))
    assert set(np.unique(pixels)) <= {0, 255}


def test_a_traversal_goes_there_and_back() -> None:
    model, shape = small("vae", latent_dim=2, hidden=[4]), (3, 3)
    codes = np.stack([np.linspace(-3, 3, 5), np.zeros(5)], axis=1).astype(np.float32)
    found = frames(traversal_gif(model, codes, 0, 1, shape))
    assert len(found) == 8
    np.testing.assert_array_equal(found[1], found[7])
    image = view_image(model, codes[3], 0, 1)
    assert np.abs(found[3][::8, ::8].astype(int) - to_bytes(image, shape)).max() <= 1
    with Image.open(io.BytesIO(image_png(image, shape))) as picture:
        np.testing.assert_array_equal(np.asarray(picture)[::8, ::8], to_bytes(image, shape))


def test_the_table_has_a_row_for_each_unit() -> None:
    code, start = np.array([0.5, -1.25], np.float32), np.zeros(2, np.float32)
    found = units_csv(code, start, np.array([1.5, 0.001]), np.array([0.1, 0.2]))
    rows = list(csv.DictReader(io.StringIO(found.decode())))
    assert rows[1] == {
        "unit": "2", "z": "-1.25", "z_at_start": "0", "kl_nats": "0.001", "effect": "0.2",
    }  # fmt: skip
    assert ",0,,0.1" in units_csv(code, start, None, np.array([0.1, 0.2])).decode()


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("vae-20-mnist-static", 0),
        ("vae-10-frey", 0),
        ("dlgm-2-mnist-static", 1),
        ("sbn-200-200-mnist-static", 0),
        ("sbn-200-200-mnist-static", 1),
    ],
)
def test_the_code_for_a_view_makes_its_picture(name: str, layer: int, tmp_path: Path) -> None:
    checkpoint = engine.load_checkpoint(name)
    model = as_in_browser(checkpoint.model)
    bits, shape = "sbn" in name, (28, 20) if "frey" in name else (28, 28)
    z = resample(
        model,
        np.zeros(sum(model.layer_sizes), np.float32),
        [False] * len(model.layer_sizes),
        BrowserRandom(5),
    )
    codes = drawn_below(model, z, layer, 24)
    shown = to_bytes(view_image(model, z, layer, 24), shape)
    text = image_script(
        name, codes[:, : model.layer_sizes[0]] if bits else codes, shape, what="A test", bits=bits
    )
    made = picture_of(text, tmp_path)
    difference = np.abs(made.astype(int) - shown).max()
    print(f"\n{name}, layer {layer + 1}: largest difference {difference} of 255 grey levels")
    assert difference <= 2
    assert made.max() > 100
