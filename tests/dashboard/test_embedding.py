"""The map's numbers: planes and quantiles; and its t-SNE."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.embedding import (
    latent_plane,
    principal_axes,
    principal_plane,
    subset,
    to_quantiles,
)
from dashboard.logic.latent_space.tsne import MOST_POINTS, TsneRun
from dashboard.logic.runs import Runs


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


def test_more_axes_are_those_of_scikit_learn_too() -> None:
    from sklearn.decomposition import PCA

    z = cloud()
    plane, theirs = principal_plane(z, 5), PCA(5, svd_solver="full").fit(z)
    np.testing.assert_allclose(plane.explained, theirs.explained_variance_ratio_, rtol=1e-9)
    assert plane.axes.shape == (5, 6)
    assert principal_plane(z, 9).axes.shape == (6, 6)  # there are no more


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
    assert not plane.project(np.ones((10, 3))).any()


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


def test_subset_is_always_the_same_and_in_order() -> None:
    chosen = subset(10_000, 300)
    assert len(set(chosen.tolist())) == 300
    assert (np.diff(chosen) > 0).all()
    np.testing.assert_array_equal(chosen, subset(10_000, 300))
    np.testing.assert_array_equal(subset(5, 300), np.arange(5))


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
    runs: Runs[TsneRun] = Runs()
    points = np.random.default_rng(0).normal(size=(1000, 20))

    def make() -> TsneRun:
        return TsneRun(points)

    first, second = runs.start("a", make), runs.start("b", make)
    assert first is not None
    assert second is not None
    assert runs.start("a", make) is first
    assert runs.start("c", make) is None
    first.stop()
    third = runs.start("c", make)
    assert third is not None
    restarted = runs.get("a")
    assert restarted is first  # a stopped run stays, with what became of it, until started again
    for run in (second, third):
        run.stop()


def test_tsne_refuses_too_many_points() -> None:
    with pytest.raises(ValueError, match=f"5 to {MOST_POINTS} rows"):
        TsneRun(np.zeros((MOST_POINTS + 1, 3)))
