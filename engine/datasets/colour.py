"""Small colour photographs: SVHN and CIFAR-10."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from engine.datasets.base import Dataset
from engine.datasets.labelled import labelled_images
from engine.datasets.matrices import read_cifar, read_matlab
from engine.datasets.places import load_arrays
from engine.datasets.sources import Arrays, Layout, RemoteFile, Source, no_public_files
from engine.errors import DatasetError

__all__ = ["CIFAR10", "CIFAR10_SMALL", "SVHN", "load_cifar10", "load_cifar10_small", "load_svhn"]

IMAGE_SHAPE = (32, 32, 3)
DIGITS = tuple("0123456789")
OBJECTS = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
DENSITY = (
    "RGB values / 255 as 3072 continuous values: log p(x) is a density in nats per image, to be "
    "compared with other densities of the same values alone, not with discretised likelihoods."
)


def _parse_svhn(files: Mapping[str, Path]) -> Arrays:
    arrays = {}
    for split in ("train", "test"):
        path = files[f"{split}_32x32.mat"]
        stored = read_matlab(path, ["X", "y"])
        images, labels = stored["X"], stored["y"].reshape(-1)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != IMAGE_SHAPE:
            raise DatasetError(
                f"{path} must hold `X`, uint8 (32, 32, 3, n); got {images.dtype} {images.shape}."
            )
        if len(labels) != images.shape[3] or not np.isin(labels, range(1, 11)).all():
            raise DatasetError(f"{path} must hold `y`, one label from 1 to 10 for each image.")
        arrays[f"{split}_images"] = np.ascontiguousarray(images.transpose(3, 0, 1, 2))
        arrays[f"{split}_labels"] = (labels % 10).astype(np.uint8)  # 10 stands for the digit 0
    return arrays


def _parse_cifar10(files: Mapping[str, Path]) -> Arrays:
    path = files["cifar-10-binary.tar.gz"]
    batches = [f"data_batch_{number}.bin" for number in range(1, 6)]
    train, test = read_cifar(path, batches), read_cifar(path, ["test_batch.bin"])
    return {
        "train_images": train[0],
        "train_labels": train[1],
        "test_images": test[0],
        "test_labels": test[1],
    }


# The public files of these two were never seen by who wrote this: the MD5 sums of the files are
# those that their hosts and other readers of them name, and the content is checked by shape and
# by the published number of images of each class in place of checksums of the arrays.
SVHN = Source(
    name="svhn",
    dataset="svhn",
    base_url="http://ufldl.stanford.edu/housenumbers/",
    files=(
        RemoteFile("train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
        RemoteFile("test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
    ),
    parse=_parse_svhn,
    checksums={},
    layouts={
        "train_images": Layout((73257, *IMAGE_SHAPE)),
        "train_labels": Layout(
            (73257,), 9, (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659)
        ),
        "test_images": Layout((26032, *IMAGE_SHAPE)),
        "test_labels": Layout(
            (26032,), 9, (1744, 5099, 4149, 2882, 2523, 2384, 1977, 2019, 1660, 1595)
        ),
    },
)

CIFAR10 = Source(
    name="cifar10",
    dataset="cifar10",
    base_url="https://www.cs.toronto.edu/~kriz/",
    files=(RemoteFile("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),),
    parse=_parse_cifar10,
    checksums={},
    layouts={
        "train_images": Layout((50000, *IMAGE_SHAPE)),
        "train_labels": Layout((50000,), 9, (5000,) * 10),
        "test_images": Layout((10000, *IMAGE_SHAPE)),
        "test_labels": Layout((10000,), 9, (1000,) * 10),
    },
)

CIFAR10_SMALL = Source(
    name="cifar10_small",
    dataset="cifar10-small",
    base_url="",
    files=(),
    parse=no_public_files,
    checksums={
        "train_images": "9021391581dc2575",
        "train_labels": "494134e9c92e469c",
        "test_images": "1bdd0dec9c6c2099",
        "test_labels": "152638c055d6288c",
    },
    note=(
        "no public host serves this part of CIFAR-10, which went through JPEG: the whole set, "
        "which is public, is 'cifar10'"
    ),
)


def load_svhn(
    root: str | os.PathLike[str] | None = None, *, download: bool = True, source: Source = SVHN
) -> Dataset:
    """Street View House Numbers (Netzer et al. 2011), cropped digits.

    Raises:
        DatasetError: the set is nowhere to be had, or what is there is broken.
    """
    return labelled_images(
        "svhn",
        load_arrays(source, root, download=download),
        IMAGE_SHAPE,
        DIGITS,
        "SVHN, cropped digits without the extra set; the last tenth of the training file "
        f"validates. {DENSITY}",
    )


def load_cifar10(
    root: str | os.PathLike[str] | None = None, *, download: bool = True, source: Source = CIFAR10
) -> Dataset:
    """CIFAR-10 (Krizhevsky 2009), the binary version.

    Raises:
        DatasetError: the set is nowhere to be had, or what is there is broken.
    """
    return labelled_images(
        "cifar10",
        load_arrays(source, root, download=download),
        IMAGE_SHAPE,
        OBJECTS,
        f"CIFAR-10; the last tenth of the training files validates. {DENSITY}",
    )


def load_cifar10_small(
    root: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
    source: Source = CIFAR10_SMALL,
) -> Dataset:
    """A balanced part of CIFAR-10 that went through JPEG: for pictures, not for numbers.

    Raises:
        DatasetError: the set is not at hand, or what is there is broken.
    """
    return labelled_images(
        "cifar10-small",
        load_arrays(source, root, download=download),
        IMAGE_SHAPE,
        OBJECTS,
        "For pictures only: 11000 images of CIFAR-10 that went through JPEG, so that no number on "
        "them compares with any other; the last tenth of the training images validates. " + DENSITY,
    )
