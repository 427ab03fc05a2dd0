"""Data sets by name, and the missingness patterns laid over them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import MappingProxyType

from engine.datasets.base import SPLITS, Dataset, draw_bits
from engine.datasets.digits_mini import load_digits_mini
from engine.datasets.frey import load_frey
from engine.datasets.mnist import load_mnist, load_mnist_dynamic, load_mnist_static

__all__ = ["DATASETS", "SPLITS", "Dataset", "draw_bits", "load_dataset"]

DATASETS: Mapping[str, Callable[..., Dataset]] = MappingProxyType(
    {
        "mnist": load_mnist,
        "mnist-static": load_mnist_static,
        "mnist-dynamic": load_mnist_dynamic,
        "frey": load_frey,
        "digits-mini": load_digits_mini,
    }
)


def load_dataset(name: str, root: str | os.PathLike[str] | None = None) -> Dataset:
    """The data set `name`.

    Args:
        name: a key of `DATASETS`.
        root: folder looked in first; HELMHOLTZ_DATA where it is None.

    Raises:
        ValueError: unknown name.
        engine.DatasetError: the set is nowhere to be had, or what is there is broken.
    """
    if name not in DATASETS:
        raise ValueError(f"`name` must be one of {', '.join(DATASETS)}; got {name!r}.")
    return DATASETS[name](root)
