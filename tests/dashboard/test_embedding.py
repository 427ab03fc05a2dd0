"""The map's numbers: planes, limits, quantiles, room for images, neighbours; and its t-SNE."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.embedding import (
    Limits,
    colour_ink,
    from_quantiles,
    latent_plane,
    nearest,
    paste,
    principal_axes,
    principal_plane,
    room_for_images,
    square_limits,
    subset,
    tile_centres,
    to_quantiles,
)
from dashboard.tsne import MOST_POINTS, TsneRun, TsneRuns


def cloud(n: int = 500, latents: int = 6) -> np.ndarray:
    scales = np.array([3.0, 2.0, 0.5, 0.5, 0.5, 0.5])[:latents]
    mixed = np.linalg.qr(np.random.default_rng(1).normal(size=(latents, latents)))[0]
    return np.random.default_rng(0).normal(size=(n, latents)) * scales @ mixed + 5


def test_principal_plane_agrees_with_scikit_learn() -> None:
    from sklearn.decomposition import PCA

    z = cloud()
    plane, theirs = principal_plane(z), PCA(2, svd_solver="full").fit(z)
    np.testing.assert_allclose(plane.explained, theirs.explained_variance_ratio_, rtol=1e-9)
    np.testing.assert_allclose(np.abs((plane.axes * theirs.components_).sum(1)), 1, rtol=1e-9)
    np.testing.assert_allclose(plane.origin, theirs.mean_)


def test_axes_point_the_same_way_whatever_the_sign_of_the_solver() -> None:
    axes, deviations = principal_axes(cloud())
    assert all(axis[np.abs(axis).argmax()] > 0 for axis in axes)
    assert (np.diff(deviations) <= 0).all()
    np.testing.assert_allclose(axes @ axes.T, np.eye(6), atol=1e-12)


def test_lifting_undoes_projecting_on_the_plane() -> None:
    plane = principal_plane(cloud())
    points = np.random.default_rng(2).normal(size=(20, 2))
    np.testing.assert_allclose(plane.project(plane.lift(points)), points, atol=1e-12)
    z = cloud(50, 2)
    np.testing.assert_array_equal(latent_plane().project(z), z)


def test_codes_that_are_all_the_same_still_have_a_map() -> None:
    plane = principal_plane(np.ones((10, 3)))
    assert plane.explained == (0.0, 0.0)
    limits = square_limits(plane.project(np.ones((10, 3))))
    assert limits.width > 0


def test_too_few_points_or_latents_are_refused() -> None:
    with pytest.raises(ValueError, match="at least two rows"):
        principal_plane(np.ones((1, 3)))
    with pytest.raises(ValueError, match="at least two columns"):
        principal_plane(np.ones((5, 1)))


@given(st.floats(-3.5, 3.5))
def test_quantiles_are_those_of_the_standard_normal(value: float) -> None:
    from scipy.stats import norm

    quantile = to_quantiles(np.array([value]))
    assert quantile[0] == pytest.approx(norm.cdf(value), abs=1e-12)
    assert from_quantiles(quantile)[0] == pytest.approx(value, abs=1e-6)


def test_the_edges_of_the_quantiles_have_finite_latents() -> None:
    assert np.isfinite(from_quantiles(np.array([0.0, 1.0]))).all()


def test_subset_is_always_the_same_and_in_order() -> None:
    chosen = subset(10_000, 300)
    assert len(set(chosen.tolist())) == 300
    assert (np.diff(chosen) > 0).all()
    np.testing.assert_array_equal(chosen, subset(10_000, 300))
    np.testing.assert_array_equal(subset(5, 300), np.arange(5))


def test_limits_are_a_square_around_all_points() -> None:
    points = np.array([[0.0, 0.0], [4.0, 1.0]])
    limits = square_limits(points)
    assert limits.width == pytest.approx(limits.height)
    assert limits.left < 0
    assert limits.right > 4
    assert limits.bottom < 0 < 1 < limits.top


def test_tiles_start_at_the_upper_left() -> None:
    centres = tile_centres(Limits(0, 4, 0, 2), rows=2, columns=4)
    assert centres[0].tolist() == [0.5, 1.5]
    assert centres[3].tolist() == [3.5, 1.5]
    assert centres[4].tolist() == [0.5, 0.5]


def test_each_cell_shows_the_point_nearest_to_its_centre() -> None:
    points = np.array([[0.1, 0.1], [0.45, 0.55], [1.5, 0.5], [9.0, 0.5]])
    cells, chosen = room_for_images(points, Limits(0, 2, 0, 1), rows=1, columns=2)
    assert cells.tolist() == [0, 1]
    assert chosen.tolist() == [1, 2]  # the fourth is outside


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 60))
def test_images_never_share_a_cell_and_lie_in_their_own(rows: int, columns: int, n: int) -> None:
    points = np.random.default_rng(n).uniform(-1, 1, size=(n, 2))
    limits = Limits(-1, 1, -1, 1)
    cells, chosen = room_for_images(points, limits, rows, columns)
    assert len(set(cells.tolist())) == len(cells) == len(set(chosen.tolist()))
    offset = np.abs(points[chosen] - tile_centres(limits, rows, columns)[cells])
    assert (offset <= np.array([1 / columns, 1 / rows]) + 1e-12).all()


def test_pasted_images_are_where_their_cells_are() -> None:
    image = colour_ink(np.full((1, 2, 3), 200, np.uint8), ["#ff8000"])
    picture = paste(image, np.array([5]), rows=2, columns=3)
    assert picture.shape == (4, 9, 4)
    assert picture[2:, 6:].reshape(-1, 4).tolist() == [[255, 128, 0, 200]] * 6
    assert not picture[:2].any()
    assert not picture[:, :6].any()


def test_neighbours_are_sorted_and_leave_out_the_point_itself() -> None:
    z = np.array([[0.0], [3.0], [1.0], [1.5]])
    assert nearest(z, 0, 2).tolist() == [2, 3]
    assert nearest(z, 1, 9).tolist() == [3, 2, 0]


def finished(run: TsneRun, seconds: float = 120) -> TsneRun:
    deadline = time.monotonic() + seconds
    while run.running:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return run


def test_tsne_keeps_two_clusters_apart_and_tells_how_far_it_is() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 8)) + np.repeat([[0.0], [20.0]], 30, axis=0)
    run = TsneRun(points, iterations=300)
    seen = []
    while run.running:
        seen.append(run.progress()[0])
        time.sleep(0.01)
    assert run.error is None
    assert run.result is not None
    assert run.result.shape == (60, 2)
    assert seen == sorted(seen)
    within = np.linalg.norm(run.result[:30] - run.result[:30].mean(0), axis=1).max()
    assert np.linalg.norm(run.result[:30].mean(0) - run.result[30:].mean(0)) > within


def test_tsne_stops_at_once_and_leaves_nothing_behind() -> None:
    run = TsneRun(np.random.default_rng(0).normal(size=(1500, 20)))
    folder, process = run._folder, run._process
    assert run.running
    run.stop()
    assert not run.running
    assert run.error == "stopped"
    assert process.poll() is not None
    assert not folder.exists()


def test_tsne_says_what_went_wrong() -> None:
    run = finished(TsneRun(np.full((20, 3), np.nan)))
    assert run.result is None
    assert "NaN" in (run.error or "")


def test_tsne_runs_are_shared_and_limited() -> None:
    runs, points = TsneRuns(), np.random.default_rng(0).normal(size=(1000, 20))
    first, second = runs.start("a", points), runs.start("b", points)
    assert first is not None
    assert second is not None
    assert runs.start("a", points) is first
    assert runs.start("c", points) is None
    first.stop()
    third = runs.start("c", points)
    assert third is not None
    restarted = runs.get("a")
    assert restarted is first  # a stopped run stays, with what became of it, until started again
    for run in (second, third):
        run.stop()


def test_tsne_refuses_too_many_points() -> None:
    with pytest.raises(ValueError, match=f"5 to {MOST_POINTS} rows"):
        TsneRun(np.zeros((MOST_POINTS + 1, 3)))
