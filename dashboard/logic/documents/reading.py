"""What a model makes of a document: the code it reads, the words that the code makes it expect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from engine.models import LatentVariableModel

__all__ = [
    "added",
    "dreams",
    "expected_shares",
    "flip",
    "gains",
    "neighbours",
    "perplexity",
    "read_code",
    "usual_shares",
]

_LEAST = 1e-9  # a share; no word is impossible


def usual_shares(model: LatentVariableModel) -> Tensor:
    """The share of each word in the documents that the model learned from, `(words,)`."""
    mean: Tensor = model.data_mean.clamp(min=_LEAST)
    return mean / mean.sum()


@torch.inference_mode()
def read_code(model: LatentVariableModel, counts: Tensor) -> Tensor:
    """The mean of q(z | x), bits cut at one half, `(latent,)`.

    Args:
        model: of documents.
        counts: of the words that it may see, `(words,)`.
    """
    code = model.recognition(counts[None]).mean[0]
    return (code >= 0.5).to(code.dtype) if model.latent_kind == "bernoulli" else code


def flip(code: Tensor, units: Sequence[int]) -> Tensor:
    """`code` `(latent,)` with the bits `units` of it set the other way round."""
    places = torch.tensor(list(units), dtype=torch.long)
    return code.index_copy(0, places, 1 - code[places])


@torch.inference_mode()
def expected_shares(model: LatentVariableModel, code: Tensor) -> Tensor:
    """p(w | z) of each word, `(words,)`; of codes `(n, latent)` it is `(n, words)`."""
    shares: Tensor = model.likelihood(code).mean.clamp(min=_LEAST)
    return shares


def added(shares: Tensor, usual: Tensor) -> Tensor:
    """What each word adds to KL(p(w | z) || usual), in nats, of the shape of `shares`.

    Large for words that are both much likelier than usual and likely at all: names of topics, and
    neither "the" nor what occurs once in a thousand documents.
    """
    return shares * (shares / usual).log()


@torch.inference_mode()
def gains(model: LatentVariableModel, code: Tensor, counts: Tensor) -> Tensor:
    """How many nats of log p(x | z) each unit of the first layer is worth to a document.

    The log-probability of its words at the code, less that with the unit alone set the other way
    round (a Gaussian latent: at zero). Negative where the unit does the document harm.

    Args:
        code: `(latent,)`.
        counts: `(words,)`.

    Returns:
        `(units of the first layer,)`.
    """
    size = model.layer_sizes[0]
    changed = code.repeat(size, 1)
    units = torch.arange(size)
    bits = model.latent_kind == "bernoulli"
    changed[units, units] = 1 - code[:size] if bits else torch.zeros(size)
    return model.likelihood(code).log_prob(counts) - model.likelihood(changed).log_prob(counts)


def perplexity(shares: Tensor, counts: Tensor) -> float:
    """Of the words counted, under the shares: exp of their mean negative log-probability.

    The number of equally likely words between which one would have to guess; NaN of no words.
    """
    total = float(counts.sum())
    if total == 0:
        return math.nan
    return math.exp(-float((counts.double() * shares.double().log()).sum()) / total)


def neighbours(codes: NDArray[np.floating], index: int, count: int) -> list[tuple[int, float]]:
    """The items whose codes point most nearly in the direction of another's.

    By the cosine between codes that are centred on their mean.

    Args:
        codes: `(n, latent)`.
        index: of the item in question, which is not among the answers.
        count: how many.

    Returns:
        Position and cosine, the nearest first.
    """
    centred = codes - codes.mean(0)
    lengths = np.linalg.norm(centred, axis=1).clip(min=1e-12)
    cosines = centred @ centred[index] / (lengths * lengths[index])
    cosines[index] = -np.inf
    order = np.argsort(-cosines, kind="stable")[: min(count, len(codes) - 1)]
    return [(int(place), float(cosines[place])) for place in order]


@torch.inference_mode()
def dreams(
    model: LatentVariableModel, count: int, words: int, generator: torch.Generator
) -> list[list[int]]:
    """Documents that the model dreams, each as the words that its code adds most of.

    Args:
        count: codes drawn from the prior.
        words: of each, at most.

    Returns:
        For each code the places of its words in the vocabulary, those that add most first.
    """
    codes = model.prior().sample((count,), generator=generator)
    terms = added(expected_shares(model, codes), usual_shares(model))
    return [[int(word) for word in row] for row in terms.topk(min(words, terms.shape[-1])).indices]
