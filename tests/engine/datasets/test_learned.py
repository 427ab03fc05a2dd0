"""The data of a checkpoint: as many items as it saw, and of a user's own the very same."""

from __future__ import annotations

import numpy as np
import pytest

from engine.datasets import load_dataset
from engine.datasets.learned import learned_dataset, training_items
from engine.datasets.own import load_own
from engine.errors import DatasetError


def test_a_checkpoint_meets_the_training_items_that_it_learned_from_again() -> None:
    whole = load_dataset("digits-mini")
    card = {"dataset": "digits-mini", "recipe": {"data": {"name": "digits-mini", "items": 40}}}
    assert training_items(card) == 40
    found = learned_dataset(card)
    assert found.pixels["train"].equal(whole.with_fewer(40).pixels["train"])
    for recipe in ({"data": {"name": "digits-mini"}}, None):
        assert training_items({"recipe": recipe}) is None
        found = learned_dataset({"dataset": "digits-mini", "recipe": recipe})
        assert found.pixels["train"].equal(whole.pixels["train"])


def test_pictures_of_ones_own_are_found_by_their_path_and_known_by_their_protocol(tmp_path) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (60, 4, 5), dtype=np.uint8)
    for name, content in (("cats", images), ("dogs", 255 - images)):
        np.savez(tmp_path / f"{name}.npz", images=content)
    path = str(tmp_path / "cats.npz")
    own = load_own(path)
    card = {"dataset": own.name, "protocol": own.protocol}
    assert learned_dataset(card, path).test.equal(own.test)
    fewer = {"protocol": own.with_fewer(7).protocol, "recipe": {"data": {"items": 7}}}
    assert len(learned_dataset(card | fewer, path).train) == 7
    np.savez(tmp_path / "few.npz", images=images[:20])
    many = {"protocol": own.with_fewer(40).protocol, "recipe": {"data": {"items": 40}}}
    with pytest.raises(DatasetError, match="is not what the checkpoint learned from"):
        learned_dataset(card | many, str(tmp_path / "few.npz"))
    with pytest.raises(DatasetError, match="is not what the checkpoint learned from"):
        learned_dataset(card, str(tmp_path / "dogs.npz"))
    with pytest.raises(DatasetError, match="--data PATH"):
        learned_dataset(card)
