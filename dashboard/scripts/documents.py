"""The script that reads a document again, as the Documents page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["reading_script"]

_SCRIPT = '''\
"""What {name} expects in a document: its {most} words, with their shares in percent."""

import torch

import engine

HIDDEN = {hidden!r}
FLIPPED = {flipped!r}  # units, the first is 0

checkpoint = engine.load_checkpoint({name!r})
model, words = checkpoint.model.eval(), checkpoint.card["vocabulary"]
{counts}
counts[[words.index(word) for word in HIDDEN]] = 0
with torch.no_grad():
    code = model.recognition(counts[None]).mean[0]
{bits}    shares = model.likelihood(code).mean
usual = model.data_mean.clamp(min=1e-9)
usual = usual / usual.sum()
for place in (shares * (shares / usual).log()).topk({most}).indices:
    print(f"{{words[place]:>16}} {{100 * shares[place]:.3f}} (usually {{100 * usual[place]:.3f}})")
'''

_BITS = """\
    code = (code >= 0.5).float()
    code[FLIPPED] = 1 - code[FLIPPED]
"""

_DATA = "counts = engine.load_dataset({data!r}).{split}[{number}].clone()"
_OWN = """\
counts = torch.zeros(len(words))
for word, count in {counts!r}.items():
    counts[words.index(word)] = count"""


def reading_script(
    name: str,
    document: tuple[str, str, int] | Mapping[str, int],
    *,
    hidden: Sequence[str],
    flipped: Sequence[int],
    most: int,
    bits: bool,
) -> str:
    """A script that prints the words which the page draws as bars.

    Args:
        name: of the checkpoint.
        document: data set, split and number; or the counts of the words of a text.
        hidden: words that the model is not shown.
        flipped: bits that are set the other way round.
        most: how many words.
        bits: whether the code is cut at one half.
    """
    if isinstance(document, tuple):
        data, split, number = document
        counts = _DATA.format(data=data, split=split, number=number)
    else:
        counts = _OWN.format(counts=dict(document))
    return _SCRIPT.format(
        name=name,
        hidden=list(hidden),
        flipped=list(flipped),
        most=most,
        counts=counts,
        bits=_BITS if bits else "",
    )
