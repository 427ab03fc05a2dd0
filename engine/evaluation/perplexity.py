"""Perplexity of documents, the number that topic models are compared by."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from engine.evaluation.likelihood import Bounds, standard_error
from engine.models.base import GenerativeModel

__all__ = ["perplexity", "perplexity_metrics"]


def perplexity(log_prob: Tensor, lengths: Tensor) -> tuple[float, float]:
    r"""Perplexity of documents with its standard error.

    .. math:: \exp\Bigl(-\frac1N \sum_n \frac1{L_n} \log p(v_n)\Bigr)

    Every document counts alike, however long (Mnih and Gregor 2014, arXiv:1402.0030, Sec. 5.3).
    The error is that of the mean over documents, through the exponential.

    Args:
        log_prob: log p(v_n) or a bound of it in nats, ``(documents,)``.
        lengths: words of each document, ``(documents,)``.

    Raises:
        ValueError: a document is empty, or there are fewer than two.
    """
    if (lengths <= 0).any():
        raise ValueError("`lengths` must be above 0: an empty document has no perplexity; got 0.")
    per_word = -log_prob.double() / lengths.double()
    value = math.exp(float(per_word.mean()))
    return value, value * standard_error(per_word)


def perplexity_metrics(
    model: GenerativeModel, x: Tensor, result: Bounds, split: str
) -> list[dict[str, Any]]:
    """The entries of a card for `result` of the documents `x` ``(items, words)``; else none.

    By L_K, and by the ELBO, which neural topic models are published with.
    """
    if model.likelihood_kind != "multinomial":
        return []
    lengths = x.sum(-1)
    rows = []
    for name, bound, values in [
        ("perplexity", f"L_{result.samples}", result.bound),
        ("perplexity_elbo", "ELBO", result.elbo),
    ]:
        value, error = perplexity(values, lengths)
        rows.append(
            {
                "name": name,
                "value": value,
                "standard_error": error,
                "unit": "per word",
                "estimator": f"exp of the mean over documents of -{bound} / length",
                "samples": result.samples,
                "split": split,
                "items": len(x),
            }
        )
    return rows
