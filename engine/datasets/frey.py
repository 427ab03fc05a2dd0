"""Frey faces: 1965 frames of one film of one face, grey."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch

from engine.datasets.base import Dataset
from engine.datasets.formats import read_frey_film
from engine.datasets.places import load_arrays
from engine.datasets.sources import Arrays, RemoteFile, Source

__all__ = ["load_frey"]

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
    """The faces, grey / 255, split in blocks of consecutive frames.

    Raises:
        DatasetError: the set is nowhere to be had, or what is there is broken.
    """
    film = torch.from_numpy(load_arrays(source, root, download=download)["images"]).flatten(1)
    return Dataset(
        name="frey",
        pixels={split: film[frames] for split, frames in split_blocks(len(film)).items()},
        image_shape=IMAGE_SHAPE,
        likelihood="gaussian",
        protocol=(
            "Frey faces, grey values / 255, density in nats per image. Neighbouring frames are "
            f"nearly equal, so blocks of {BLOCK_FRAMES} consecutive frames (over which the face "
            "moves most of the way to an unrelated frame) go to train, validation and test, about "
            f"80 / 10 / 10, by the fixed seed {SPLIT_SEED}; frames keep the film's order. A split "
            "by single frames puts near copies of test frames into training and scores higher."
        ),
    )


def split_blocks(frames: int) -> dict[str, torch.Tensor]:
    """Split -> int64 indices of its frames in film order, whole blocks together."""
    blocks = torch.arange(frames).split(BLOCK_FRAMES)
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
