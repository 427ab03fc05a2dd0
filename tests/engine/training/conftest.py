"""A data set that trains in no time, and recipes for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from engine.datasets.base import Dataset
from engine.random import make_generator
from engine.training.recipe import Recipe, parse_recipe


@pytest.fixture(scope="session")
def blobs() -> Dataset:
    """Twelve bits an item: one of three prototypes with a tenth of its bits flipped."""
    generator = make_generator(0)
    prototypes = torch.rand(3, 12, generator=generator) < 0.5
    pixels = {}
    for split, count in {"train": 230, "valid": 60, "test": 60}.items():
        which = torch.randint(0, 3, (count,), generator=generator)
        flips = torch.rand(count, 12, generator=generator) < 0.1
        pixels[split] = (prototypes[which] ^ flips).to(torch.uint8)
    return Dataset(
        name="blobs",
        pixels=pixels,
        image_shape=(3, 4),
        likelihood="bernoulli",
        protocol="three noisy prototypes, for tests",
        levels=1,
    )


@pytest.fixture
def recipe() -> Callable[..., Recipe]:
    """Builds a small recipe; sections given as keywords are laid over it."""

    def build(**sections: dict[str, Any]) -> Recipe:
        table: dict[str, dict[str, Any]] = {
            "data": {"name": "digits-mini"},
            "model": {"name": "vae", "latent_dim": 2, "hidden": [8]},
            "estimator": {"name": "sgvb-b"},
            "optimiser": {"learning_rate": 0.01},
            "training": {"epochs": 6, "batch_size": 50, "evaluate_every": 1, "average": 0.9},
            "evaluation": {"samples": 10},
        }
        for name, values in sections.items():
            if "name" in values:
                table[name] = dict(values)
            else:
                table.setdefault(name, {}).update(values)
        return parse_recipe(table, "tiny")

    return build
