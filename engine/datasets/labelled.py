"""Labelled photographs in two files, whose last training images validate."""

from __future__ import annotations

import numpy as np
import torch

from engine.datasets.base import Dataset
from engine.datasets.sources import Arrays

__all__ = ["labelled_images"]


def labelled_images(
    name: str,
    arrays: Arrays,
    image_shape: tuple[int, ...],
    class_names: tuple[str, ...],
    protocol: str,
) -> Dataset:
    """The set of `train_images`, `train_labels`, `test_images`, `test_labels` of `arrays`.

    The last tenth of the training images validates; values / 255 have a Gaussian likelihood.
    """
    images = torch.from_numpy(arrays["train_images"]).flatten(1)
    labels = torch.from_numpy(arrays["train_labels"].astype(np.int64))
    kept = len(images) - len(images) // 10
    return Dataset(
        name=name,
        pixels={
            "train": images[:kept],
            "valid": images[kept:],
            "test": torch.from_numpy(arrays["test_images"]).flatten(1),
        },
        labels={
            "train": labels[:kept],
            "valid": labels[kept:],
            "test": torch.from_numpy(arrays["test_labels"].astype(np.int64)),
        },
        image_shape=image_shape,
        likelihood="gaussian",
        class_names=class_names,
        protocol=protocol,
    )
