"""Frey faces: 1965 frames of one film of one face, grey."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch

from engine.datasets.base import Dataset
from engine.datasets.matrices import read_frey_film
from engine.datasets.places import load_arrays
from engine.datasets.sources import Arrays, RemoteFile, Source

__all__ = ["load_frey", "load_frey_blocks"]

IMAGE_SHAPE = (28, 20)
BLOCK_FRAMES = 20
SPLIT_SEED = 1965
FILM = "frey_rawface.mat"


def _parse(files: Mapping[str, Path]) -> Arrays:
    return {"images": read_frey_film(files[FILM])}


FREY = Source(
    name="frey_faces",
    dataset="frey",
    base_url="https://cs.nyu.edu/~roweis/data/",
    files=(RemoteFile(FILM),),
    parse=_parse,
    checksums={"images": "2438ba4f0d2a6bd8"},
)


def load_frey(
    root: str | os.PathLike[str] | None = None, *, download: bool = True, source: Source = FREY
) -> Dataset:
    """The faces, grey / 255, split frame by frame: what the papers' figures can be compared with.

    Raises:
        DatasetError: the set is nowhere to be had, or what is there is broken.
    """
    return _load(
        "frey",
        1,
        "Single frames go to train, validation and test. Neighbouring frames are nearly equal, so "
        "a test frame has near copies in training: the number measures interpolation, and "
        "`frey-blocks` generalisation.",
        load_arrays(source, root, download=download),
    )


def load_frey_blocks(
    root: str | os.PathLike[str] | None = None, *, download: bool = True, source: Source = FREY
) -> Dataset:
    """The faces, grey / 255, split in blocks of consecutive frames.

    Raises:
        DatasetError: the set is nowhere to be had, or what is there is broken.
    """
    return _load(
        "frey-blocks",
        BLOCK_FRAMES,
        "Neighbouring frames are nearly equal, so "
        f"blocks of {BLOCK_FRAMES} consecutive frames (over which the face moves most of the way "
        "to an unrelated frame) go to train, validation and test.",
        load_arrays(source, root, download=download),
    )


def _load(name: str, block: int, split: str, arrays: Arrays) -> Dataset:
    film = torch.from_numpy(arrays["images"]).flatten(1)
    return Dataset(
        name=name,
        pixels={split: film[frames] for split, frames in split_blocks(len(film), block).items()},
        image_shape=IMAGE_SHAPE,
        likelihood="gaussian",
        protocol=(
            f"Frey faces, grey values / 255, density in nats per image. {split} About 80 / 10 / "
            f"10, by the fixed seed {SPLIT_SEED}; frames keep the film's order."
        ),
    )


def split_blocks(frames: int, block: int) -> dict[str, torch.Tensor]:
    """Split -> int64 indices of its frames in film order, whole blocks of `block` together."""
    blocks = torch.arange(frames).split(block)
    held_out = max(1, round(len(blocks) / 10))
    order = torch.randperm(len(blocks), generator=torch.Generator().manual_seed(SPLIT_SEED))
    chosen = {
        "train": order[2 * held_out :],
        "valid": order[:held_out],
        "test": order[held_out : 2 * held_out],
    }
    return {
        split: torch.cat([blocks[i] for i in sorted(indices.tolist())])
        for split, indices in chosen.items()
    }
