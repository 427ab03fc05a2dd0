"""MNIST in the three forms that published numbers speak of: grey, static bits, dynamic bits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.datasets.base import BINARISATION_SEED, SPLITS, Dataset, draw_bits
from engine.datasets.formats import read_amat, read_idx
from engine.datasets.labels import match_labels
from engine.datasets.places import load_arrays
from engine.datasets.sources import Arrays, RemoteFile, Source
from engine.errors import DatasetError

__all__ = ["DIGITS", "load_mnist", "load_mnist_dynamic", "load_mnist_static"]

DIGITS = tuple("0123456789")
IMAGE_SHAPE = (28, 28)
IDX_FILES = {  # array -> public file, its MD5
    "train_images": ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
    "train_labels": ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
    "test_images": ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
    "test_labels": ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
}


def _parse_grey(files: Mapping[str, Path]) -> Arrays:
    return {array: read_idx(files[name]) for array, (name, _) in IDX_FILES.items()}


def _parse_bits(files: Mapping[str, Path]) -> Arrays:
    return {
        f"{split}_bits": read_amat(files[f"binarized_mnist_{split}.amat"], columns=784)
        for split in SPLITS
    }


def _recover_labels(arrays: Arrays, root: Path | None) -> Arrays:
    """Labels of the static rows, which the public files lack, where MNIST is at hand; else none."""
    try:
        grey = load_arrays(MNIST, root, download=False)
    except DatasetError:
        return {}
    # Training and validation rows are MNIST's training images, shuffled; test rows the test images.
    files = {"train": "train", "valid": "train", "test": "test"}
    return {
        f"{split}_labels": match_labels(
            arrays[f"{split}_bits"], grey[f"{file}_images"], grey[f"{file}_labels"]
        )
        for split, file in files.items()
    }


MNIST = Source(
    name="mnist",
    dataset="mnist",
    base_url="https://ossci-datasets.s3.amazonaws.com/mnist/",
    files=tuple(RemoteFile(name, md5) for name, md5 in IDX_FILES.values()),
    parse=_parse_grey,
    checksums={
        "train_images": "741c988805d008ac",
        "train_labels": "1feba77c54802fa5",
        "test_images": "6d87418db22cc802",
        "test_labels": "ddeff807876a9661",
    },
)

BINARIZED_MNIST = Source(
    name="binarized_mnist",
    dataset="mnist-static",
    base_url="http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",
    files=tuple(RemoteFile(f"binarized_mnist_{split}.amat") for split in SPLITS),
    parse=_parse_bits,
    checksums={
        "train_bits": "727146c35424b019",
        "valid_bits": "a256ac44ae26be72",
        "test_bits": "9fcd8da6f0fdf09b",
    },
    optional=("train_labels", "valid_labels", "test_labels"),
    complete=_recover_labels,
)


def load_mnist(
    root: str | os.PathLike[str] | None = None, *, download: bool = True, source: Source = MNIST
) -> Dataset:
    """MNIST, grey, 50 000 / 10 000 / 10 000.

    Raises:
        DatasetError: the set is nowhere to be had, or what is there is broken.
    """
    pixels, labels = _grey_splits(load_arrays(source, root, download=download))
    return Dataset(
        name="mnist",
        pixels=pixels,
        labels=labels,
        image_shape=IMAGE_SHAPE,
        likelihood="bernoulli",
        class_names=DIGITS,
        protocol=(
            "MNIST, grey values / 255 taken as pixel probabilities; first 50000 training images "
            "to train, last 10000 to validate, 10000 to test. The Bernoulli score of grey values "
            "is not a likelihood on bits: never compare it with numbers on binarised MNIST."
        ),
    )


def load_mnist_dynamic(
    root: str | os.PathLike[str] | None = None, *, download: bool = True, source: Source = MNIST
) -> Dataset:
    """MNIST with training bits drawn afresh from the grey values; splits as `load_mnist`.

    Raises:
        DatasetError: the set is nowhere to be had, or what is there is broken.
    """
    pixels, labels = _grey_splits(load_arrays(source, root, download=download))
    generator = torch.Generator().manual_seed(BINARISATION_SEED)
    for split in ("valid", "test"):
        pixels[split] = draw_bits(pixels[split], generator=generator).to(torch.uint8).mul_(255)
    return Dataset(
        name="mnist-dynamic",
        pixels=pixels,
        labels=labels,
        image_shape=IMAGE_SHAPE,
        likelihood="bernoulli",
        class_names=DIGITS,
        dynamic=True,
        protocol=(
            "MNIST, dynamic binarisation: training bits are drawn afresh from the grey values for "
            "each batch; validation and test bits were drawn once, from the fixed seed "
            f"{BINARISATION_SEED}. First 50000 training images to train, last 10000 to validate, "
            "10000 to test. Not comparable with static binarisation (worth 2-3 nats)."
        ),
    )


def load_mnist_static(
    root: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
    source: Source = BINARIZED_MNIST,
) -> Dataset:
    """MNIST in the fixed binarisation of Salakhutdinov and Murray (2008), in Larochelle's files.

    Raises:
        DatasetError: the set is nowhere to be had, or what is there is broken.
    """
    arrays = load_arrays(source, root, download=download)
    pixels = {
        split: torch.from_numpy(np.unpackbits(arrays[f"{split}_bits"], axis=1)) for split in SPLITS
    }
    labels = None
    if all(f"{split}_labels" in arrays for split in pixels):
        labels = {split: _labels(arrays[f"{split}_labels"]) for split in pixels}
    return Dataset(
        name="mnist-static",
        pixels=pixels,
        labels=labels,
        image_shape=IMAGE_SHAPE,
        likelihood="bernoulli",
        class_names=DIGITS,
        levels=1,
        protocol=(
            "MNIST, the fixed (static) binarisation of Salakhutdinov and Murray in Larochelle's "
            "files, with their own 50000 / 10000 / 10000 split. Numbers on it compare with each "
            "other, and not with dynamic binarisation (worth 2-3 nats)."
        ),
    )


def _grey_splits(arrays: Arrays) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    images = torch.from_numpy(arrays["train_images"]).flatten(1)
    labels = _labels(arrays["train_labels"])
    kept = len(images) * 5 // 6  # 50 000 of the training file's 60 000; the rest validates
    pixels = {
        "train": images[:kept],
        "valid": images[kept:],
        "test": torch.from_numpy(arrays["test_images"]).flatten(1),
    }
    return pixels, {
        "train": labels[:kept],
        "valid": labels[kept:],
        "test": _labels(arrays["test_labels"]),
    }


def _labels(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.int64))
