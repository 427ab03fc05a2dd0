"""Gradients of many draws in the weights of a linear layer, kept as products until they are used.

The gradient of draw d is the product of what went into the layer, A_d, and of what came back:

.. math:: G_d = D_d^\\top A_d, \\qquad A_d (rows, in), \\quad D_d (rows, out).

A network has as many numbers in G_d as it has weights, and far fewer in its factors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

__all__ = ["Block", "Blocks", "Product", "dense", "part_size"]


class Product:
    """G_d for a chunk of draws.

    Args:
        back: D, ``(draws, rows, out)``.
        fed: A, ``(draws, rows, in)``; ``(1, rows, in)`` if it is the same for all draws.
    """

    def __init__(self, back: Tensor, fed: Tensor) -> None:
        self.back, self.fed = back, fed

    def __len__(self) -> int:
        return len(self.back)

    @property
    def size(self) -> int:
        """Numbers in the gradient of a draw."""
        return self.back.shape[2] * self.fed.shape[2]

    def __getitem__(self, draws: slice) -> Product:
        return Product(self.back[draws], self.fed if len(self.fed) == 1 else self.fed[draws])

    def less(self, mean: Tensor | None = None) -> Tensor:
        """Less a `mean` ``(out * in,)``, in one pass, ``(draws, out * in)``."""
        fed = self.fed.expand(len(self), -1, -1)
        if mean is None:
            return torch.bmm(self.back.transpose(1, 2), fed).flatten(1)
        shape = (len(self), self.back.shape[2], self.fed.shape[2])
        start = mean.view(1, *shape[1:]).expand(shape)
        return torch.baddbmm(start, self.back.transpose(1, 2), fed, beta=-1).flatten(1)


Block = Tensor | Product
"""Some of the gradient's numbers for a chunk of draws: ``(draws, size)``, or a `Product`."""

Blocks = Mapping[str, Sequence[Block]]
"""Part of the model to what its gradient is made of, in order."""


def dense(blocks: Sequence[Block]) -> Tensor:
    """The gradients written out, ``(draws, size)``."""
    written = [block.less() if isinstance(block, Product) else block for block in blocks]
    return written[0] if len(written) == 1 else torch.cat(written, dim=1)


def part_size(blocks: Sequence[Block]) -> int:
    """Numbers in the gradient of a draw, all blocks together."""
    return sum(block.size if isinstance(block, Product) else block.shape[1] for block in blocks)
