"""A text as the counts of the words that a model knows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["MOST_LETTERS", "Counted", "count_words", "telling"]

MOST_LETTERS = 20_000
"""Of a text: a page has three thousand."""

_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True)
class Counted:
    """A text as a bag of words.

    Attributes:
        counts: float32 `(words,)`.
        unknown: how many of its words are not in the vocabulary, and so not seen by the model.
    """

    counts: Tensor
    unknown: int


def count_words(text: str, vocabulary: Sequence[str]) -> Counted:
    """The words of a text in lower case, cut at everything that is no letter from a to z.

    That is how the counts of 20 Newsgroups look: "don't" counts as "don" and "t".
    """
    places = {word: place for place, word in enumerate(vocabulary)}
    found = [places.get(word, -1) for word in _WORD.findall(text[:MOST_LETTERS].lower())]
    known = [place for place in found if place >= 0]
    counts = torch.bincount(torch.tensor(known, dtype=torch.long), minlength=len(vocabulary))
    return Counted(counts.float(), len(found) - len(known))


def telling(counts: Tensor, usual: Tensor, most: int) -> list[int]:
    """The words of a document that tell most of it apart from others, at most `most`.

    By what each adds to the divergence of the document's own shares from the usual ones,
    s log(s / usual), the largest first: a rare word that comes twice is before a common one.

    Args:
        counts: `(words,)`.
        usual: the share of each word in all documents, `(words,)`.
        most: how many.
    """
    present = counts.nonzero().flatten()
    shares = counts[present] / counts.sum()
    order = (shares * (shares / usual[present]).log()).argsort(descending=True, stable=True)
    return [int(place) for place in present[order[:most]]]
