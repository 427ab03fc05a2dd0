"""The words of a document and of what a model expects, as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["shares_csv"]

HEADER = ("word", "count", "hidden", "expected share (%)", "usual share (%)")


def shares_csv(
    vocabulary: Sequence[str],
    counts: Tensor,
    seen: Tensor,
    shares: Tensor,
    usual: Tensor,
) -> str:
    """A row a word of the vocabulary, those that the model expects most first.

    Args:
        vocabulary: the word of each place.
        counts: of the document, `(words,)`.
        seen: what the model was shown of them, `(words,)`.
        shares: p(w | z), `(words,)`.
        usual: shares in all documents, `(words,)`.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(HEADER)
    for place in shares.argsort(descending=True, stable=True).tolist():
        share, common = 100 * float(shares[place]), 100 * float(usual[place])
        mark = "yes" if seen[place] < counts[place] else "no"
        row = (vocabulary[place], int(counts[place]), mark, f"{share:.5g}", f"{common:.5g}")
        writer.writerow(row)
    return stream.getvalue()
