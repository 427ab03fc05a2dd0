"""What is to be imputed: a checkpoint's model, some of its data, and a mask; all by a seed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.checkpoints import load_checkpoint
from engine.datasets.learned import learned_dataset
from engine.datasets.masks import named_mask
from engine.evaluation.likelihood import subset
from engine.models.base import LatentVariableModel
from engine.random import derive_seed, make_generator

__all__ = ["ImputationTask", "load_task"]

_MASK, _CHAINS, _BOUND = range(3)  # streams of the seed


@dataclass(frozen=True)
class ImputationTask:
    """A model with whole items and what of them it may see; the same for every method.

    Attributes:
        checkpoint: its name.
        dataset: name of the data set.
        mask: one of `engine.datasets.masks.NAMED`.
        model: in evaluation mode.
        x: ``(items, data)``, whole.
        observed: bool ``(items, data)``.
        seed: of all draws.
    """

    checkpoint: str
    dataset: str
    mask: str
    model: LatentVariableModel
    x: Tensor
    observed: Tensor
    seed: int

    @property
    def hidden(self) -> float:
        """Share of the pixels that are missing."""
        return float((~self.observed).double().mean())

    def chains_generator(self) -> torch.Generator:
        """Where a method's draws come from; each method begins the stream anew."""
        return make_generator(derive_seed(self.seed, _CHAINS), self.x.device)

    def bound_generator(self) -> torch.Generator:
        """Where the draws of log p(x_m | x_o) come from."""
        return make_generator(derive_seed(self.seed, _BOUND), self.x.device)


def load_task(
    checkpoint: str,
    mask: str,
    *,
    data: str | None = None,
    split: str = "test",
    items: int = 100,
    seed: int = 0,
    device: str = "cpu",
) -> ImputationTask:
    """The task of a checkpoint and a mask.

    Args:
        checkpoint: name or path.
        mask: one of `engine.datasets.masks.NAMED`.
        data: where the user's own data are that the checkpoint learned from, if it did.
        split: "train", "valid" or "test".
        items: at least 2, chosen at random by the seed.
        seed: of the items, the mask and the chains.
        device: where it is computed.

    Raises:
        EngineError: the checkpoint or its data set is missing or broken.
        ValueError: no mask of that name, or too few items.
    """
    loaded = load_checkpoint(checkpoint, device)
    dataset = learned_dataset(loaded.card, data)
    x = subset(getattr(dataset, split), items, seed).to(device)
    observed = named_mask(
        mask,
        dataset.image_shape,
        batch=len(x),
        generator=make_generator(derive_seed(seed, _MASK)),
    )
    model = loaded.model.eval()
    return ImputationTask(loaded.name, dataset.name, mask, model, x, observed.to(device), seed)
