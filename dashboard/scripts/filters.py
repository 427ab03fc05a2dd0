"""The script that draws units of a model again, as the Filters page does, in grey."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["filters_script"]

_SCRIPT = '''\
"""Pictures of the weights of {name} ({key}): writes view.png."""

import numpy as np
import torch
from PIL import Image

import engine
from engine.filters import banks_of

SHAPE, COLUMNS = {shape!r}, {columns}
UNITS = {units!r}  # 0 is the first

bank = banks_of(engine.load_checkpoint({name!r}).model)[{key!r}]
with torch.inference_mode():
    weights = bank.make().numpy()
if bank.signed:  # middle grey is nothing, white is more, black is less
    weights = 0.5 + 0.5 * weights / np.quantile(np.abs(weights), 0.995)
pictures = (weights[UNITS].clip(0, 1) * 255).round().astype(np.uint8).reshape(-1, *SHAPE)
blank = np.full_like(pictures[:1], 128).repeat(-len(UNITS) % COLUMNS, axis=0)
rows = np.split(np.concatenate([pictures, blank]), (len(pictures) + len(blank)) // COLUMNS)
whole = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
Image.fromarray(whole).save("view.png")
'''


def filters_script(
    name: str, key: str, units: Sequence[int], shape: tuple[int, ...], *, columns: int
) -> str:
    """A script that draws the units of a bank side by side, in grey, scaled by one number.

    Args:
        name: of the checkpoint.
        key: of the bank, see `engine.filters`.
        units: their numbers.
        shape: of an image.
        columns: pictures in a row.
    """
    return _SCRIPT.format(
        name=name, key=key, units=list(units), shape=tuple(shape), columns=columns
    )
