"""Training images a pixel beside where they were: more of them, against over-fitting."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["shifted"]

_HERE = 4  # of the nine places from one above and left to one below and right


def shifted(
    x: Tensor, image_shape: Sequence[int], rate: float, *, generator: torch.Generator
) -> Tensor:
    """`x` ``(batch, data)`` with some images moved by one pixel, to one of eight places.

    What comes in at an edge is what was at that edge. Half of the bits of a stroke's outline move,
    but the stroke stays one: what a model may learn from it is true of other digits.

    Args:
        image_shape: ``(height, width)``, or ``(height, width, 3)`` in colour.
        rate: how likely an image is moved, in [0, 1].
        generator: of the draws, on the device of `x`.
    """
    count, (height, width) = len(x), image_shape[:2]
    moved = torch.rand(count, generator=generator, device=x.device) < rate
    away = torch.randint(8, (count,), generator=generator, device=x.device)
    place = torch.where(moved, away + (away >= _HERE), _HERE)
    rows = torch.arange(height, device=x.device) + (place // 3 - 1)[:, None]
    columns = torch.arange(width, device=x.device) + (place % 3 - 1)[:, None]
    rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    images = x.view(count, *image_shape)
    items = torch.arange(count, device=x.device)[:, None, None]
    return images[items, rows[:, :, None], columns[:, None, :]].reshape(count, -1)
