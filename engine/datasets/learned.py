"""The data that a checkpoint learned from, found again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.datasets import load_dataset, load_own
from engine.datasets.base import Dataset
from engine.errors import DatasetError

__all__ = ["learned_dataset", "training_items"]


def training_items(card: Mapping[str, Any]) -> int | None:
    """How many training items the checkpoint of `card` saw; None where it was the whole split."""
    items: int | None = ((card.get("recipe") or {}).get("data") or {}).get("items")
    return items


def learned_dataset(card: Mapping[str, Any], path: str | None = None) -> Dataset:
    """The data set of a card, with as many of its training items.

    Args:
        card: of a checkpoint. It never says where files are: its data set goes by a name.
        path: the folder or .npz file where that is a user's own.

    Raises:
        engine.DatasetError: the set is nowhere to be had, or what is at `path` is another one.
        ValueError: unknown name, or the card says more training items than there are.
    """
    dataset = load_dataset(card["dataset"]) if path is None else load_own(path)
    items = training_items(card)
    # a user's other set may have fewer items than that: then its protocol differs, and says so
    if items is not None and (path is None or items <= len(dataset.pixels["train"])):
        dataset = dataset.with_fewer(items)
    if path is not None and dataset.protocol != card["protocol"]:
        raise DatasetError(
            f"{path} is not what the checkpoint learned from: it holds {dataset.protocol!r}, and "
            f"the card says {card['protocol']!r}."
        )
    return dataset
