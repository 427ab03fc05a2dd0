"""Ways between codes: ends, lengths, layers, and what has no great circle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from dashboard.logic.latent_space.interpolation import WAYS, journey, spherical, straight

rng = np.random.default_rng(0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("bits", [False, True])
def test_a_way_starts_and_ends_where_it_should(way: str, bits: bool) -> None:
    a, b = rng.uniform(0.05, 0.95, size=(2, 5))
    found = journey(a, b, 7, way, (2, 3), bits=bits)
    assert found.shape == (7, 5)
    np.testing.assert_allclose(found[[0, -1]], [a, b], rtol=1e-6)


def test_the_great_circle_of_right_angles_keeps_the_length() -> None:
    a, b = np.array([2.0, 0, 0]), np.array([0, 2.0, 0])
    middle = spherical(a, b, 0.5)
    np.testing.assert_allclose(middle, np.sqrt(2) * np.array([1, 1, 0]), atol=1e-12)
    assert np.linalg.norm(straight(a, b, 0.5)) == pytest.approx(np.sqrt(2))


@given(some.floats(0, 1), some.integers(0, 1000))
def test_lengths_change_evenly_and_steps_are_equal_angles(share: float, seed: int) -> None:
    a, b = np.random.default_rng(seed).normal(size=(2, 20))
    z = spherical(a, b, share)
    first, last = np.linalg.norm(a), np.linalg.norm(b)
    assert np.linalg.norm(z) == pytest.approx(first + share * (last - first))
    angle = np.arccos(a @ b / (first * last))
    turned = np.arccos(np.clip(a @ z / (first * np.linalg.norm(z)), -1, 1))
    assert turned == pytest.approx(share * angle, abs=1e-6)


@pytest.mark.parametrize("b", [[0.0, 0, 0], [2.0, 0, 0], [-1.0, 0, 0]])
def test_where_there_is_no_circle_the_way_is_straight(b: list[float]) -> None:
    a = np.array([1.0, 0, 0])
    for share in (0.0, 0.3, 1.0):
        np.testing.assert_allclose(spherical(a, np.array(b), share), a + share * (np.array(b) - a))


def test_each_layer_has_a_circle_of_its_own() -> None:
    a, b = np.array([1.0, 0, 3, 0]), np.array([0, 1.0, 0, 3])
    middle = journey(a, b, 3, "spherical", (2, 2), bits=False)[1]
    assert np.linalg.norm(middle[:2]) == pytest.approx(1)
    assert np.linalg.norm(middle[2:]) == pytest.approx(3)


def test_probabilities_stay_probabilities_and_turn_around_one_half() -> None:
    a, b = np.array([1.0, 0.5]), np.array([0.5, 1.0])
    middle = journey(a, b, 3, "spherical", (2,), bits=True)[1]
    np.testing.assert_allclose(middle, 0.5 + np.sqrt(0.5) / 2)
    corners = journey(np.ones(4), np.array([1.0, 1, 1, 0]), 9, "spherical", (4,), bits=True)
    assert corners.min() >= 0
    assert corners.max() <= 1


def test_other_ways_and_too_few_steps_are_refused() -> None:
    a = np.zeros(2)
    with pytest.raises(ValueError, match="`way` must be one of"):
        journey(a, a, 3, "cubic", (2,), bits=False)
    with pytest.raises(ValueError, match="`count` must be at least 2"):
        journey(a, a, 1, "linear", (2,), bits=False)
