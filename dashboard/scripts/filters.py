"""The script that draws units of a model again, as the Filters page shows them."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["filters_script"]

_SCRIPT = '''\
"""Pictures of the weights of {name} ({key}): writes view.png."""

import numpy as np
import torch
from PIL import Image

import engine
from dashboard.logic.filters.banks import banks_of
from dashboard.logic.filters.picture import scales, signed_pixels

SHAPE, COLUMNS = {shape!r}, {columns}
UNITS = {units!r}  # 0 is the first

bank = banks_of(engine.load_checkpoint({name!r}).model)[{key!r}]
with torch.inference_mode():
    weights = bank.make().numpy()
if bank.signed:
    pictures = signed_pixels(weights[UNITS], scales(weights, own=False)[UNITS], SHAPE)
else:
    pictures = (weights[UNITS].clip(0, 1) * 255).round().astype(np.uint8).reshape(-1, *SHAPE)
blank = np.zeros_like(pictures[:1]).repeat(-len(UNITS) % COLUMNS, axis=0)
rows = np.split(np.concatenate([pictures, blank]), (len(pictures) + len(blank)) // COLUMNS)
whole = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
Image.fromarray(whole).save("view.png")
'''


def filters_script(
    name: str, key: str, units: Sequence[int], shape: tuple[int, ...], *, columns: int
) -> str:
    """A script that draws the units of a bank side by side, scaled by one number.

    Args:
        name: of the checkpoint.
        key: of the bank, see `dashboard.logic.filters.banks`.
        units: their numbers.
        shape: of an image.
        columns: pictures in a row.
    """
    return _SCRIPT.format(
        name=name, key=key, units=list(units), shape=tuple(shape), columns=columns
    )
