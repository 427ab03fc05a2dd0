"""What the units of a model of documents stand for, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from engine.models import LatentVariableModel

__all__ = ["top_words"]


@torch.inference_mode()
def top_words(
    model: LatentVariableModel, vocabulary: Sequence[str], *, units: int, words: int
) -> list[tuple[int, list[str]]]:
    """The units of the first layer that change most, and the words that each makes likelier.

    A unit's words are those whose log-share rises most when it goes from off to on (a Gaussian
    latent from -1 to +1) while the others stay off (at zero).

    Args:
        model: of documents.
        vocabulary: the word of each count.
        units: how many units at most, those with the largest rises first.
        words: how many words of each.

    Returns:
        Number of the unit (0 is the first), and its words, the one that rises most first.

    Raises:
        ValueError: the model is of other data, or the vocabulary of another length.
    """
    if model.likelihood_kind != "multinomial":
        raise ValueError(f"`model` must be of documents; got {model.likelihood_kind} pixels.")
    if len(vocabulary) != model.data_dim:
        raise ValueError(f"`vocabulary` must have {model.data_dim} words; got {len(vocabulary)}.")
    size = model.layer_sizes[0]
    low, high = (0.0, 1.0) if model.latent_kind == "bernoulli" else (-1.0, 1.0)
    ends = []
    for value in (low, high):
        z = torch.zeros(size, sum(model.layer_sizes))
        z[:, :size] = torch.eye(size) * value
        ends.append(model.likelihood(z).mean.log())
    rises = ends[1] - ends[0]
    best = rises.topk(words, dim=-1)
    order = best.values.mean(-1).argsort(descending=True)[:units]
    return [(int(unit), [vocabulary[int(word)] for word in best.indices[unit]]) for unit in order]
