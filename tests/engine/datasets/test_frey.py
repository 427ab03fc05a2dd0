from __future__ import annotations

import pytest
import torch

from engine.datasets import load_dataset
from engine.datasets.frey import BLOCK_FRAMES, load_frey, load_frey_blocks, split_blocks
from engine.datasets.sources import content_checksum


def test_splits_hold_every_frame_once_in_whole_blocks() -> None:
    splits = split_blocks(1965, BLOCK_FRAMES)
    assert torch.cat(list(splits.values())).sort().values.equal(torch.arange(1965))
    blocks = {split: set((frames // BLOCK_FRAMES).tolist()) for split, frames in splits.items()}
    assert {split: len(numbers) for split, numbers in blocks.items()} == {
        "train": 79,
        "valid": 10,
        "test": 10,
    }
    assert not blocks["train"] & blocks["test"]
    assert not blocks["train"] & blocks["valid"]
    assert not blocks["valid"] & blocks["test"]
    assert all(frames.equal(frames.sort().values) for frames in splits.values())


def test_splits_are_the_same_on_every_machine() -> None:
    frames = split_blocks(1965, BLOCK_FRAMES)
    assert content_checksum(frames["test"].numpy()) == "94c932801515ad48"
    assert content_checksum(frames["valid"].numpy()) == "8702cc2222a3984b"


@pytest.mark.parametrize(("load", "block"), [(load_frey, 1), (load_frey_blocks, BLOCK_FRAMES)])
def test_faces_are_grey_with_a_gaussian_likelihood(film, tmp_path, load, block) -> None:
    data = load(film.write(tmp_path / "root"), source=film.source, download=False)
    images = torch.from_numpy(film.arrays["images"]).flatten(1) / 255
    for split, frames in split_blocks(45, block).items():
        torch.testing.assert_close(getattr(data, split), images[frames])
    assert (data.image_shape, data.likelihood, data.levels) == ((28, 20), "gaussian", 255)
    assert data.labels is None
    assert ("near copies" if block == 1 else "blocks of 20 consecutive frames") in data.protocol


def test_real_faces_have_1965_frames(real_root) -> None:
    sizes = {
        name: [len(pixels) for pixels in load_dataset(name, real_root).pixels.values()]
        for name in ("frey", "frey-blocks")
    }
    assert sizes == {"frey": [1573, 196, 196], "frey-blocks": [1580, 200, 185]}
