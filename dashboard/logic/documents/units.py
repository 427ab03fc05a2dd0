"""What the units of a model of documents stand for, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from engine.models import LatentVariableModel

__all__ = ["UnitWords", "favourite_classes", "unit_words"]


@dataclass(frozen=True)
class UnitWords:
    """A unit of the first layer by its words.

    Attributes:
        unit: 0 is the first.
        raised: those whose log-share rises most when it goes from off to on (a Gaussian latent
            from -1 to +1) while the others stay off (at zero), the largest rise first.
        lowered: those whose log-share falls most.
        rise: mean of the rises of `raised`, in nats.
    """

    unit: int
    raised: list[str]
    lowered: list[str]
    rise: float


@torch.inference_mode()
def unit_words(
    model: LatentVariableModel, vocabulary: Sequence[str], *, words: int
) -> list[UnitWords]:
    """All units of the first layer, those that change most first.

    Args:
        model: of documents.
        vocabulary: the word of each count.
        words: how many words of each, up and down.

    Raises:
        ValueError: the model is of other data, or the vocabulary of another length.
    """
    if model.likelihood_kind != "multinomial":
        raise ValueError(f"`model` must be of documents; got {model.likelihood_kind} pixels.")
    if len(vocabulary) != model.data_dim:
        raise ValueError(f"`vocabulary` must have {model.data_dim} words; got {len(vocabulary)}.")
    size, words = model.layer_sizes[0], min(words, model.data_dim)
    low, high = (0.0, 1.0) if model.latent_kind == "bernoulli" else (-1.0, 1.0)
    ends = []
    for value in (low, high):
        z = torch.zeros(size, sum(model.layer_sizes))
        z[:, :size] = torch.eye(size) * value
        ends.append(model.likelihood(z).mean.log())
    rises = ends[1] - ends[0]
    up, down = rises.topk(words, dim=-1), rises.topk(words, dim=-1, largest=False)

    def named(places: Tensor) -> list[str]:
        return [vocabulary[int(place)] for place in places]

    found = [
        UnitWords(unit, named(up.indices[unit]), named(down.indices[unit]), float(mean))
        for unit, mean in enumerate(up.values.mean(-1))
    ]
    return sorted(found, key=lambda one: -one.rise)


def favourite_classes(codes: Tensor, labels: Tensor, classes: int) -> list[int]:
    """The class of documents in which each unit lies highest above its own mean.

    Args:
        codes: means of q(z | x), `(documents, latent)`.
        labels: int64 `(documents,)`.
        classes: how many there are; one without documents is nobody's favourite.

    Returns:
        A class a unit.
    """
    member = torch.nn.functional.one_hot(labels, classes).to(codes.dtype)
    sizes = member.sum(0)
    means = (member.T @ codes) / sizes.clamp(min=1)[:, None]
    means[sizes == 0] = -torch.inf
    return [int(best) for best in means.argmax(0)]
