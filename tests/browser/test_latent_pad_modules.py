"""The latent pad's arithmetic in the browser against numpy and SciPy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page
from scipy import special, stats

from dashboard.logic.latent_space.interpolation import journey, spherical
from dashboard.permalinks import decode_numbers, encode_numbers
from engine.random import make_generator
from tests.browser.modules import load, numbers, send_model

pytestmark = pytest.mark.browser

MODULES = (
    "blob", "interpolation", "latent_plane", "meter", "model", "points", "prior_score", "selection",
    "ticks", "tiles", "viewport"
)  # fmt: skip


@pytest.fixture(scope="module")
def blank(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.goto("about:blank")
    load(page, *MODULES)
    yield page
    context.close()


def test_quantiles_are_those_of_scipy(blank: Page) -> None:
    values = np.concatenate([np.linspace(-6, 6, 241), [-30.0, -9.0, 9.0, 30.0]])
    found = numbers(blank, "argument.map(modules.latent_plane.toQuantile)", values.tolist())
    np.testing.assert_allclose(found, special.ndtr(values), rtol=2e-6, atol=1e-15)
    inner = np.linspace(1e-4, 1 - 1e-4, 301)
    back = numbers(blank, "argument.map(modules.latent_plane.fromQuantile)", inner.tolist())
    np.testing.assert_allclose(back, special.ndtri(inner), atol=1e-7)
    edges = numbers(blank, "[0, 1].map(modules.latent_plane.fromQuantile)")
    assert np.isfinite(edges).all()


def test_the_meter_has_the_distribution_of_lengths(blank: Page) -> None:
    for size in (1, 2, 10, 20, 200):
        lengths = np.sqrt(size) * np.linspace(0, 3, 61)
        found = numbers(
            blank,
            "argument[0].map((length) => modules.meter.chiShare(length, argument[1]))",
            [lengths.tolist(), size],
        )
        np.testing.assert_allclose(found, stats.chi.cdf(lengths, size), atol=1e-10)


def test_bits_are_scored_as_by_numpy(blank: Page) -> None:
    random = np.random.default_rng(0)
    q, p = random.uniform(size=(2, 50))
    found = blank.evaluate("([q, p]) => modules.meter.bitScore(q, p)", [q.tolist(), p.tolist()])
    score = q @ np.log(p) + (1 - q) @ np.log1p(-p)
    assert found["value"] == pytest.approx(score)
    draws = random.uniform(size=(40_000, 50)) < p
    scores = draws @ np.log(p) + (1 - draws) @ np.log1p(-p)
    error = scores.std() / np.sqrt(len(scores))
    assert abs(found["mean"] - scores.mean()) < 5 * error
    assert found["deviation"] == pytest.approx(scores.std(), rel=0.03)


def test_linked_bits_are_scored_as_draws_of_torch_are(blank: Page) -> None:
    model = send_model(blank, "fdarn")
    generator = make_generator(0)
    z = model.prior().sample((1,), generator=generator)
    for layer in (0, 1):
        call = f"""(() => {{
            globalThis.score ??= new modules.prior_score.PriorScore(model);
            const {{ value, mean, deviation }} = score.of(Float32Array.from(argument), {layer});
            return [value, mean, deviation];
        }})()"""
        value, mean, deviation = numbers(blank, call, z[0].tolist())
        assert value == pytest.approx(float(model.prior().log_prob_layers(z)[layer]), abs=0.05)
        keep = [index != layer for index in range(2)]
        drawn = model.resample(z.repeat(4000, 1), keep, generator=generator)
        scores = model.prior().log_prob_layers(drawn)[layer]
        assert abs(mean - scores.mean()) < 5 * scores.std() / 200**0.5
        assert deviation == pytest.approx(float(scores.std()), rel=5 / 400**0.5)


def test_the_nearest_codes_are_those_of_numpy(blank: Page) -> None:
    random = np.random.default_rng(1)
    codes = random.normal(size=(300, 37)).astype(np.float32)
    z = random.normal(size=37).astype(np.float32)
    distance = np.linalg.norm(codes - z, axis=1)
    argument = [codes.ravel().tolist(), z.tolist()]
    found = blank.evaluate("([codes, z]) => modules.meter.nearestCode(codes, z)", argument)
    assert found["index"] == distance.argmin()
    assert found["distance"] == pytest.approx(distance.min(), rel=1e-6)
    order = numbers(blank, "modules.meter.nearestCodes(...argument, 9)", argument)
    assert order == np.argsort(distance)[:9].tolist()
    without = numbers(blank, f"modules.meter.nearestCodes(...argument, 9, {order[0]})", argument)
    assert without == np.argsort(distance)[1:10].tolist()


GRID = """([xs, ys, places, classes, hidden]) => {
    const grid = new modules.points.HitGrid(Float32Array.from(xs), Float32Array.from(ys));
    return places.map(([x, y]) => grid.nearest(
        x, y, Uint8Array.from(classes), Uint8Array.from(hidden)));
}"""


@pytest.mark.parametrize("count", [1, 2, 50, 3000])
def test_the_hit_grid_finds_the_nearest_point_wherever_the_pointer_is(
    count: int, blank: Page
) -> None:
    random = np.random.default_rng(count)
    points = (random.normal(size=(count, 2)) * [3, 0.5]).astype(np.float32)
    places = random.uniform(-12, 12, size=(200, 2))  # many of them far outside
    classes = random.integers(0, 3, count)
    for hidden in ([0, 0, 0], [0, 1, 0], [1, 1, 1]):
        shown = np.flatnonzero(np.array(hidden)[classes] == 0)
        found = blank.evaluate(
            GRID,
            [points[:, 0].tolist(), points[:, 1].tolist(), places.tolist(), classes.tolist(),
             hidden],
        )  # fmt: skip
        if len(shown) == 0:
            assert found == [-1] * len(places)
            continue
        distance = np.linalg.norm(places[:, None] - points[shown], axis=2)
        got = np.linalg.norm(places - points[found], axis=1)
        np.testing.assert_allclose(got, distance.min(1), rtol=1e-5)


def test_no_points_have_no_nearest(blank: Page) -> None:
    assert blank.evaluate(GRID, [[], [], [[0, 0]], [], [0]]) == [-1]


JOURNEY = """([sizes, bits, a, b, count, way]) => {
    const starts = [0];
    for (const size of sizes) starts.push(starts.at(-1) + size);
    const model = {layerSizes: sizes, starts, isBernoulli: bits};
    const step = modules.interpolation[way];
    return modules.interpolation.journey(
        model, Float32Array.from(a), Float32Array.from(b), count, step).flatMap(z => [...z]);
}"""


@pytest.mark.parametrize("bits", [False, True])
@pytest.mark.parametrize(("way", "name"), [("linear", "straight"), ("spherical", "spherical")])
def test_the_ways_are_those_of_python(way: str, name: str, bits: bool, blank: Page) -> None:
    a, b = np.random.default_rng(5).uniform(size=(2, 9)).astype(np.float32)
    found = blank.evaluate(JOURNEY, [[4, 5], bits, a.tolist(), b.tolist(), 9, name])
    wanted = journey(a, b, 9, way, (4, 5), bits=bits)
    np.testing.assert_allclose(np.reshape(found, (9, 9)), wanted, atol=2e-6)


def test_opposite_equal_and_zero_codes_have_a_way_too(blank: Page) -> None:
    a = np.array([1.0, 2, 3])
    for b in (-a, a, 0 * a):
        found = numbers(
            blank, "modules.interpolation.spherical(argument[0], argument[1], 0.25)",
            [a.tolist(), b.tolist()],
        )  # fmt: skip
        np.testing.assert_allclose(found, spherical(a, b, 0.25), atol=1e-9)


@pytest.mark.parametrize("size", [2, 32, 33, 200])
def test_a_pinned_code_is_already_what_its_link_says(size: int, blank: Page) -> None:
    z = (np.random.default_rng(size).normal(size=size) * 3).astype(np.float32)
    z[0], z[1] = 0, 1e-6
    kept = numbers(
        blank, "modules.interpolation.linkedCode(Float32Array.from(argument))", z.tolist()
    )
    np.testing.assert_allclose(kept, z, rtol=1e-3, atol=1e-6)
    read = decode_numbers(encode_numbers(np.array(kept, dtype=np.float32)), size, -1e4, 1e4)
    np.testing.assert_array_equal(np.array(kept, dtype=np.float32), read)


PLANE = """([origin, axes, rest, start, bits, across, up, quantiles, x, y, held]) => {
    const plane = new modules.latent_plane.LatentPlane({
        origin: Float32Array.from(origin), axes: Float32Array.from(axes.flat()),
        rest: Float32Array.from(rest), start, bits});
    plane.choose(across, up, quantiles);
    const z = held ? plane.lift(x, y, Float32Array.from(held)) : plane.lift(x, y);
    return {z: [...z], place: plane.project(z)};
}"""


def test_a_place_lies_on_the_plane_through_the_mean_or_through_a_pin(blank: Page) -> None:
    random = np.random.default_rng(2)
    axes = np.linalg.qr(random.normal(size=(5, 5)))[0][:3]
    origin, rest, held = random.normal(size=5), random.normal(size=8), random.normal(size=8)
    common = [origin.tolist(), axes.tolist(), rest.tolist(), 3, False, 2, 0, False, 0.5, -1.5]
    found = blank.evaluate(PLANE, [*common, None])
    wanted = rest.copy()
    wanted[3:] = origin + 0.5 * axes[2] - 1.5 * axes[0]
    np.testing.assert_allclose(found["z"], wanted, atol=1e-6)
    np.testing.assert_allclose(found["place"], [0.5, -1.5], atol=1e-6)
    found = blank.evaluate(PLANE, [*common, held.tolist()])
    np.testing.assert_allclose(found["place"], [0.5, -1.5], atol=1e-6)
    z = np.array(found["z"])
    np.testing.assert_allclose(z[:3], held[:3], atol=1e-6)
    # what is orthogonal to the plane stays as the pin has it
    moved = z[3:] - held[3:]
    spanned = axes[[2, 0]]
    np.testing.assert_allclose(moved, (moved @ spanned.T) @ spanned, atol=1e-6)


def test_quantiles_and_probabilities_stay_where_they_may_be(blank: Page) -> None:
    eye = np.eye(2).tolist()
    common = [[0, 0], eye, [0, 0], 0]
    found = blank.evaluate(PLANE, [*common, False, 0, 1, True, 0.975, 0.5, None])
    np.testing.assert_allclose(found["z"], [1.959964, 0], atol=1e-5)
    np.testing.assert_allclose(found["place"], [0.975, 0.5], atol=1e-6)
    found = blank.evaluate(PLANE, [*common, True, 0, 1, False, 1.5, -0.5, None])
    assert found["z"] == [1, 0]


def test_attributes_are_differences_of_means(blank: Page) -> None:
    codes = np.random.default_rng(4).normal(size=(40, 3)).astype(np.float32)
    chosen = [1, 5, 7, 20]
    call = """([codes, chosen, rest]) => [...modules.selection.attribute(
        (i) => codes[i], codes.length, chosen, rest)]"""
    found = blank.evaluate(call, [codes.tolist(), chosen, False])
    np.testing.assert_allclose(found, codes[chosen].mean(0) - codes.mean(0), atol=1e-6)
    found = blank.evaluate(call, [codes.tolist(), chosen, True])
    others = np.delete(codes, chosen, axis=0).mean(0)
    np.testing.assert_allclose(found, codes[chosen].mean(0) - others, atol=1e-6)


def test_a_lasso_takes_what_lies_inside_of_it(blank: Page) -> None:
    random = np.random.default_rng(6)
    angle = np.sort(random.uniform(0, 2 * np.pi, 17))
    polygon = np.stack([np.cos(angle), np.sin(angle)], axis=1) * random.uniform(0.4, 1, (17, 1))
    points = random.uniform(-1, 1, size=(500, 2)).astype(np.float32)
    found = blank.evaluate(
        """([polygon, xs, ys]) => modules.selection.members(polygon, {
            xs, ys, classes: new Uint8Array(xs.length), hidden: new Uint8Array(256)})""",
        [polygon.tolist(), points[:, 0].tolist(), points[:, 1].tolist()],
    )
    # by the winding number: the angles under which the corners are seen add up to a full turn
    seen = polygon - points[:, None]
    angles = np.arctan2(seen[..., 1], seen[..., 0])
    turns = (np.diff(angles, axis=1, append=angles[:, :1]) + np.pi) % (2 * np.pi) - np.pi
    inside = np.flatnonzero(np.abs(turns.sum(1)) > np.pi)
    assert 20 < len(inside) < 480
    assert found == inside.tolist()


def test_the_point_of_each_cell_is_the_one_nearest_to_its_centre(blank: Page) -> None:
    points = np.random.default_rng(7).uniform(-1, 1, size=(400, 2)).astype(np.float32)
    found = blank.evaluate(
        """([xs, ys]) => {
            const viewport = new modules.viewport.Viewport();
            viewport.setHome(0, 0, 1);
            viewport.reset();
            const points = {xs, ys, classes: new Uint8Array(xs.length),
                hidden: new Uint8Array(256)};
            return modules.tiles.roomForImages(viewport, [28, 28], points, 300);
        }""",
        [points[:, 0].tolist(), points[:, 1].tolist()],
    )
    wide, high = found["wide"], found["high"]
    assert wide == pytest.approx(high)
    cells = {}
    for index in range(300):  # only these have images
        cell = tuple(np.floor((points[index] + [1, -1]) / [wide, -high]).astype(int))
        centre = np.array([-1, 1]) + (np.array(cell) + 0.5) * [wide, -high]
        distance = np.linalg.norm(points[index] - centre)
        if cell not in cells or distance < cells[cell][0]:
            cells[cell] = (distance, index)
    assert {index for index, _, _ in found["chosen"]} == {index for _, index in cells.values()}


def test_ticks_are_round_and_within_the_view(blank: Page) -> None:
    for low, high in ((-4.4, 4.4), (0, 1), (0.4991, 0.5007), (-1234, 50)):
        found = blank.evaluate("([low, high]) => modules.ticks.ticks(low, high, 7)", [low, high])
        values = np.array([value for value, _ in found])
        assert 3 <= len(values) <= 8
        assert (values >= low - 1e-9).all()
        assert (values <= high + 1e-9).all()
        np.testing.assert_allclose(np.diff(values), np.diff(values)[0], rtol=1e-6)
        read = [float(text.replace("−", "-")) for _, text in found]
        np.testing.assert_allclose(read, values, atol=(high - low) * 1e-6)


def test_zooming_keeps_the_place_under_the_pointer(blank: Page) -> None:
    before, after, window = blank.evaluate(
        """() => {
            const viewport = new modules.viewport.Viewport();
            viewport.setHome(1, -2, 3);
            viewport.reset();
            const before = viewport.toPlane(200, 130);
            viewport.zoom(200, 130, 3.7);
            viewport.pan(12, -7);
            viewport.pan(-12, 7);
            const after = viewport.toPlane(200, 130);
            viewport.snap();
            return [before, after, viewport.window];
        }"""
    )
    np.testing.assert_allclose(before, after, atol=1e-9)
    # a window is what its seven digits say, so that a link brings back the same pixels
    text = ",".join(f"{value:.7g}" for value in window)
    assert decode_numbers(text, 3, -1e6, 1e6).tolist() == window
