"""Training images moved by a pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from engine.datasets.base import Dataset
from engine.errors import RecipeError
from engine.random import make_generator
from engine.training.augmentation import shifted
from engine.training.loop import Run
from engine.training.recipe import Recipe

SHAPE = (5, 6)


def dot() -> torch.Tensor:
    """One bright pixel, well inside."""
    image = torch.zeros(1, 5, 6)
    image[0, 2, 3] = 1.0
    return image.flatten(1)


def test_an_image_moves_to_each_of_eight_places_as_often() -> None:
    count = 16_000
    moved = shifted(dot().repeat(count, 1), SHAPE, 0.8, generator=make_generator(0))
    assert torch.equal(moved.sum(1), torch.ones(count))
    rows, columns = (moved.argmax(1) // 6 - 2), (moved.argmax(1) % 6 - 3)
    assert rows.abs().max() == columns.abs().max() == 1
    places = torch.bincount((rows + 1) * 3 + columns + 1, minlength=9) / count
    error = (0.1 * 0.9 / count) ** 0.5
    for place in range(9):
        assert abs(float(places[place]) - (0.2 if place == 4 else 0.1)) < 5 * error


def test_what_comes_in_at_an_edge_is_what_was_there() -> None:
    stripes = torch.arange(6.0).expand(5, 6).reshape(1, -1)
    found = shifted(stripes.repeat(500, 1), SHAPE, 1.0, generator=make_generator(1))
    first = set(map(tuple, found.view(500, 5, 6)[:, 0].tolist()))
    assert first == {
        (0, 1, 2, 3, 4, 5),
        (0, 0, 1, 2, 3, 4),
        (1, 2, 3, 4, 5, 5),
    }


def test_colours_move_together_and_nothing_moves_at_a_rate_of_zero() -> None:
    picture = torch.arange(5 * 6 * 3.0)[None]
    whole = picture.view(1, 5, 6, 3)
    moved = shifted(picture, (5, 6, 3), 1.0, generator=make_generator(2)).view(1, 5, 6, 3)
    assert not torch.equal(moved, whole)
    assert torch.equal(moved[..., 1] - moved[..., 0], torch.ones(1, 5, 6))
    assert torch.equal(shifted(picture, (5, 6, 3), 0.0, generator=make_generator(2)), picture)


def test_images_are_moved_less_as_the_rate_falls(
    blobs: Dataset, recipe: Callable[..., Recipe]
) -> None:
    still = torch.zeros(1, 12, dtype=torch.uint8)
    still[0, 5] = 1  # a dot in the second of three rows
    pixels = {split: still.repeat(400, 1) for split in ("train", "valid", "test")}
    data = replace(blobs, pixels=pixels)
    run = Run(
        recipe(
            optimiser={"learning_rate": 0.01, "final_learning_rate": 0.0, "hold": 0.0},
            training={"shift_rate": 0.8},
        ),
        data,
    )
    rows = torch.arange(400)
    for rate, expected in ((0.01, 0.8), (0.005, 0.4), (0.0, 0.0)):
        x = run._batch(rows, rate)
        moved = float((x != still).any(1).float().mean())
        assert abs(moved - expected) <= 5 * (expected * (1 - expected) / 400) ** 0.5


def test_documents_are_not_moved(recipe: Callable[..., Recipe], blobs: Dataset) -> None:
    counts = {split: pixels.to(torch.int16) for split, pixels in blobs.pixels.items()}
    data = replace(blobs, pixels=counts, image_shape=(12,), likelihood="multinomial")
    model = {"name": "vae", "latent_dim": 2, "hidden": [4], "likelihood": "multinomial"}
    with pytest.raises(ValueError, match="must be 0 for documents"):
        Run(recipe(model=model, training={"shift_rate": 0.1}), data)


def test_a_rate_above_one_is_refused(recipe: Callable[..., Recipe]) -> None:
    with pytest.raises(RecipeError, match=r"`training\.shift_rate` must be in"):
        recipe(training={"shift_rate": 1.5})
