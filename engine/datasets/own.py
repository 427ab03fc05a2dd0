"""A user's own pictures: a folder of images, or arrays in a `.npz` file.

Shapes and kinds of values are found out, everything is checked, and what cannot be used is refused
by the name of the file that is the reason.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from engine.datasets.base import SPLITS, Dataset
from engine.datasets.pictures import read_folder
from engine.datasets.sources import Arrays, content_checksum
from engine.errors import DatasetError

__all__ = ["OWN_PREFIX", "is_path", "load_own"]

OWN_PREFIX = "own-"
SPLIT_SEED = 2014
FEWEST = 20
DARK = 32
"""Of 255: values of which none is higher are on another scale."""
MOST_VALUES = 3 * 256 * 256
"""Of one item: the first layer of a model with 500 units has 98 million weights then."""


@dataclass(frozen=True)
class _Items:
    """Items of one split, or of all: values `(n, height, width[, 3])` and perhaps labels."""

    values: np.ndarray
    labels: np.ndarray | None = None


def is_path(name: str) -> bool:
    """Whether the name of a data set is meant as a path of a user's own."""
    return name.endswith(".npz") or "/" in name or os.sep in name


def load_own(path: str | os.PathLike[str]) -> Dataset:
    """The pictures in `path`, a folder of images or a `.npz` file.

    A folder holds images of one size, directly or in one subfolder for each class. A `.npz` file
    holds `images`, or one array of any name, and perhaps `labels`; or `train_images` with
    `test_images` and perhaps `valid_images`, each perhaps with labels. Images are
    `(n, height, width)`, `(n, height, width, 3)`, `(n, 3, height, width)` or `(n, side * side)`,
    with values from 0 to 1 or from 0 to 255. Items of the values 0 and 1 alone, or 0 and 255 alone,
    are bits, for the Bernoulli likelihood; all others are for the Gaussian one. Where no split is
    given, a tenth validates and a tenth tests, chosen by a fixed seed.

    Raises:
        DatasetError: there is no such path, or what is in it cannot be used; nothing is unpickled.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        images, labels, class_names = read_folder(path, most_values=MOST_VALUES)
        given, kind = {"all": _Items(images, labels)}, "a folder of images"
    elif path.is_file():
        if path.suffix != ".npz":
            raise DatasetError(f"{path} must be a folder of images or a `.npz` file.")
        given, kind = _from_arrays(_read_arrays(path), path), "a `.npz` file"
        class_names = _class_names(given)
    else:
        raise DatasetError(f"{path} does not exist: give a folder of images or a `.npz` file.")
    return _dataset(path, given, class_names, kind)


def _dataset(
    path: Path, given: Mapping[str, _Items], class_names: tuple[str, ...], kind: str
) -> Dataset:
    _check_scales(path, given)
    whole = np.concatenate([items.values for items in given.values()])
    stored, levels = _as_bytes(whole, path)
    sizes = [len(items.values) for items in given.values()]
    parts = dict(zip(given, np.split(stored, np.cumsum(sizes)[:-1]), strict=True))
    labels = {name: items.labels for name, items in given.items() if items.labels is not None}
    rows = _split(sizes, tuple(given), path)
    shape = tuple(int(n) for n in whole.shape[1:])
    words = {1: "bits", 255: "colour values / 255" if len(shape) == 3 else "grey values / 255"}
    counts = {split: len(indices) for split, (_, indices) in rows.items()}
    how = (
        f"split by the fixed seed {SPLIT_SEED}"
        if "all" in given
        else "in its own split"
        if "valid" in given
        else f"in its own split, of which validation is taken by the fixed seed {SPLIT_SEED}"
    )
    return Dataset(
        name=own_name(path),
        pixels={
            split: torch.from_numpy(np.ascontiguousarray(parts[part][indices])).flatten(1)
            for split, (part, indices) in rows.items()
        },
        labels={
            split: torch.from_numpy(labels[part][indices].astype(np.int64))
            for split, (part, indices) in rows.items()
        }
        if len(labels) == len(given)
        else None,
        image_shape=shape,
        likelihood="bernoulli" if levels == 1 else "gaussian",
        class_names=class_names if len(labels) == len(given) else (),
        levels=levels,
        # The name alone: where on a disk it lay is nobody's business.
        protocol=(
            f"A user's own set from {kind}: {len(whole)} items of shape {shape}, {words[levels]}, "
            f"content {content_checksum(stored)}; {' / '.join(str(counts[s]) for s in SPLITS)} "
            f"items to train, validate and test, {how}. Its numbers compare with no published ones."
        ),
    )


def own_name(path: Path) -> str:
    """What a set is called in a card: the last part of its path, in plain letters."""
    stem = path.resolve().name.removesuffix(".npz")
    return OWN_PREFIX + (re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-").lower()[:40] or "set")


def _split(
    sizes: list[int], names: tuple[str, ...], path: Path
) -> dict[str, tuple[str, np.ndarray]]:
    """Split -> the part it is taken from, and the indices there."""
    total = sum(sizes)
    if total < FEWEST or min(sizes) < 2:
        raise DatasetError(
            f"{path} must hold at least {FEWEST} items, 2 in each split; got {total}."
        )
    source, count = names[0], sizes[0]
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    order = torch.randperm(count, generator=generator).numpy()
    held_out = max(2, count // 10)
    taken = [split for split in ("valid", "test") if split not in names]
    rows = {split: (split, np.arange(size)) for split, size in zip(names, sizes, strict=True)}
    for place, split in enumerate(taken):
        rows[split] = (source, np.sort(order[place * held_out : (place + 1) * held_out]))
    if taken:
        rows["train"] = (source, np.sort(order[len(taken) * held_out :]))
        if (left := len(rows["train"][1])) < 2:
            raise DatasetError(
                f"{path} must hold at least {len(taken) * held_out + 2} items in `{source}_images`,"
                f" of which {held_out} validate, or `valid_images` of its own; got {count}, "
                f"of which {left} would train."
            )
    return {split: rows[split] for split in SPLITS}


def _read_arrays(path: Path) -> Arrays:
    try:
        # Opened here: numpy leaves the file open where it turns out to be broken.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except Exception as error:  # a broken zip or header makes its readers raise errors of any kind
        raise DatasetError(
            f"{path} is damaged, not a `.npz` file, or holds objects, which are never read "
            f"({error})."
        ) from error


def _from_arrays(arrays: Arrays, path: Path) -> dict[str, _Items]:
    if "train_images" in arrays:
        splits = [split for split in SPLITS if f"{split}_images" in arrays]
        if "test" not in splits:
            raise DatasetError(f"{path} holds `train_images` and no `test_images`.")
        found = {
            split: _items(arrays[f"{split}_images"], arrays.get(f"{split}_labels"), split, path)
            for split in splits
        }
        if len({items.values.shape[1:] for items in found.values()}) > 1:
            shapes = {split: items.values.shape[1:] for split, items in found.items()}
            raise DatasetError(f"{path} holds images of other shapes in each split: {shapes}.")
        return found
    others = [name for name in arrays if name != "labels"]
    name = "images" if "images" in arrays else others[0] if len(others) == 1 else None
    if name is None:
        raise DatasetError(
            f"{path} must hold `images`, `train_images` with `test_images`, or one array alone; "
            f"it holds {', '.join(arrays) or 'nothing'}."
        )
    return {"all": _items(arrays[name], arrays.get("labels"), name, path)}


def _items(images: np.ndarray, labels: np.ndarray | None, name: str, path: Path) -> _Items:
    """Images with the colours last, as shapes and labels allow."""
    if images.dtype.kind not in "buif":
        raise DatasetError(f"{path} must hold numbers; `{name}` is of the type {images.dtype}.")
    shape = images.shape
    if images.ndim == 2 and (side := math.isqrt(shape[1])) ** 2 == shape[1]:
        images = images.reshape(-1, side, side)
    elif images.ndim == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3):
        images = images.transpose(0, 2, 3, 1)
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    pictures = images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)
    if not pictures or 0 in images.shape:
        raise DatasetError(
            f"{path} must hold images as (n, height, width), (n, height, width, 3), "
            f"(n, 3, height, width) or (n, side * side); `{name}` has the shape {shape}."
        )
    if (values := math.prod(images.shape[1:])) > MOST_VALUES:
        raise DatasetError(
            f"{path} holds images of {values} values each, above {MOST_VALUES}: scale them down."
        )
    if labels is not None:
        if labels.shape != (len(images),) or labels.dtype.kind not in "ui" or labels.min() < 0:
            raise DatasetError(
                f"{path} must hold one label from 0 on for each of the {len(images)} images; got "
                f"{labels.dtype} {labels.shape}."
            )
        labels = labels.astype(np.int64)
    return _Items(images, labels)


def _class_names(given: Mapping[str, _Items]) -> tuple[str, ...]:
    highest = max((int(i.labels.max()) for i in given.values() if i.labels is not None), default=-1)
    return tuple(map(str, range(highest + 1))) if highest < 1000 else ()


def _check_scales(path: Path, given: Mapping[str, _Items]) -> None:
    """Refuse splits of which one ends at 1 and another at 255: beside it that would be black."""
    highest = {name: float(items.values.max()) for name, items in given.items()}
    if len({value <= 1 for value in highest.values()}) > 1:
        raise DatasetError(
            f"{path} must hold values from 0 to 1 in all its splits, or from 0 to 255 in all; the "
            f"highest are {', '.join(f'{value:g} ({name})' for name, value in highest.items())}."
        )


def _as_bytes(values: np.ndarray, path: Path) -> tuple[np.ndarray, int]:
    """The values as uint8, and the one that stands for 1.0: 1 for bits, 255 for all others."""
    if values.dtype == np.bool_:
        values = values.astype(np.uint8)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DatasetError(f"{path} holds values that are not finite.")
    lowest, highest = float(values.min()), float(values.max())
    if lowest < 0 or highest > 255:
        raise DatasetError(
            f"{path} must hold values from 0 to 1 or from 0 to 255; got {lowest:g} to {highest:g}."
        )
    if lowest == highest:
        raise DatasetError(f"{path} holds the value {lowest:g} alone: there is nothing to learn.")
    if 1 < highest < DARK:
        # Most likely a little above 1 by resampling, or on a scale of their own, like 0 to 16.
        raise DatasetError(
            f"{path} must hold values from 0 to 1 or from 0 to 255; its highest is {highest:g}, "
            "which would be all but black: clip or divide them so that they end at 1."
        )
    if ((values == lowest) | (values == highest)).all() and (lowest, highest) in ((0, 1), (0, 255)):
        return (values > 0).astype(np.uint8), 1
    scaled = values * 255.0 if highest <= 1 else values
    return np.rint(scaled).astype(np.uint8), 255
