"""OMNIGLOT at 28 x 28: handwritten characters of 50 alphabets, in the files of Burda et al."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from engine.datasets.base import BINARISATION_SEED, Dataset, draw_bits, held_out_rows
from engine.datasets.matrices import read_matlab
from engine.datasets.places import load_arrays
from engine.datasets.sources import Arrays, Layout, RemoteFile, Source
from engine.errors import DatasetError

__all__ = ["OMNIGLOT", "load_omniglot"]

IMAGE_SHAPE = (28, 28)
FILE = "chardata.mat"
TRAIN_ITEMS, TEST_ITEMS, VALID_ITEMS = 24345, 8070, 1345
SPLIT_SEED = 1345


def _parse(files: Mapping[str, Path]) -> Arrays:
    path = files[FILE]
    stored = read_matlab(path, ["data", "testdata"], ["target", "testtarget"])
    arrays = {
        "train_images": _images(stored["data"], path),
        "test_images": _images(stored["testdata"], path),
    }
    alphabets = {"train_labels": stored.get("target"), "test_labels": stored.get("testtarget")}
    for (name, one_hot), images in zip(alphabets.items(), list(arrays.values()), strict=True):
        if one_hot is not None and one_hot.ndim == 2 and one_hot.shape[1] == len(images):
            arrays[name] = one_hot.argmax(0).astype(np.uint8)
    return arrays


def _images(columns: np.ndarray, path: Path) -> np.ndarray:
    """Images uint8 `(n, 28, 28)` from columns of grey values in [0, 1], written column by column.

    To the nearest of 255 levels: a bit drawn with the rounded probability differs from one drawn
    with the exact one less than once in 500 draws.
    """
    if columns.ndim != 2 or columns.shape[0] != 784:
        raise DatasetError(f"{path} must hold images as (784, n); got {columns.shape}.")
    if not ((columns >= 0) & (columns <= 1)).all():  # NaN is neither
        raise DatasetError(f"{path} must hold grey values in [0, 1].")
    grey = np.rint(255 * columns.T.astype(np.float64)).astype(np.uint8)
    return np.ascontiguousarray(grey.reshape(-1, *IMAGE_SHAPE).transpose(0, 2, 1))


# The public file was never seen by who wrote this, and nobody names its checksum: shape and range
# are checked in its place.
OMNIGLOT = Source(
    name="omniglot",
    dataset="omniglot",
    base_url="https://github.com/yburda/iwae/raw/master/datasets/OMNIGLOT/",
    files=(RemoteFile(FILE),),
    parse=_parse,
    checksums={},
    layouts={
        "train_images": Layout((TRAIN_ITEMS, *IMAGE_SHAPE)),
        "test_images": Layout((TEST_ITEMS, *IMAGE_SHAPE)),
    },
    optional=("train_labels", "test_labels"),
)


def load_omniglot(
    root: str | os.PathLike[str] | None = None, *, download: bool = True, source: Source = OMNIGLOT
) -> Dataset:
    """OMNIGLOT with training bits drawn afresh from the grey values.

    Raises:
        DatasetError: the set is nowhere to be had, or what is there is broken.
    """
    arrays = load_arrays(source, root, download=download)
    grey = torch.from_numpy(arrays["train_images"]).flatten(1)
    rows = held_out_rows(len(grey), VALID_ITEMS, SPLIT_SEED)
    held_out = len(rows["valid"])
    pixels = {split: grey[chosen] for split, chosen in rows.items()}
    pixels["test"] = torch.from_numpy(arrays["test_images"]).flatten(1)
    generator = torch.Generator().manual_seed(BINARISATION_SEED)
    for split in ("valid", "test"):
        pixels[split] = draw_bits(pixels[split], generator=generator).to(torch.uint8).mul_(255)
    labels = None
    if "train_labels" in arrays and "test_labels" in arrays:
        alphabets = torch.from_numpy(arrays["train_labels"].astype(np.int64))
        labels = {split: alphabets[chosen] for split, chosen in rows.items()}
        labels["test"] = torch.from_numpy(arrays["test_labels"].astype(np.int64))
    return Dataset(
        name="omniglot",
        pixels=pixels,
        labels=labels,
        image_shape=IMAGE_SHAPE,
        likelihood="bernoulli",
        class_names=tuple(f"alphabet {number}" for number in range(1, 51)) if labels else (),
        dynamic=True,
        protocol=(
            "OMNIGLOT at 28 x 28 in the file of Burda et al. (2016), dynamic binarisation: "
            "training bits are drawn afresh from the grey values for each batch; validation and "
            f"test bits were drawn once, from the fixed seed {BINARISATION_SEED}; {held_out} "
            f"training images, chosen by the fixed seed {SPLIT_SEED}, validate. Published numbers "
            "are on other draws of the test bits: they compare roughly."
        ),
    )
