"""Every vector of a few bits, for sums over all of them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["MAX_BITS", "all_bits"]

MAX_BITS = 20
"""A million states: the most that one item may cost."""


def all_bits(
    size: int, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> Tensor:
    """Every vector of `size` bits in counting order, ``(2 ** size, size)``.

    Raises:
        ValueError: `size` is below 1 or above `MAX_BITS`.
    """
    if not 1 <= size <= MAX_BITS:
        raise ValueError(
            f"`size` must be from 1 to {MAX_BITS} bits, as 2 ** size states are enumerated; "
            f"got {size}."
        )
    states = torch.arange(2**size, device=device)[:, None]
    places = torch.arange(size - 1, -1, -1, device=device)
    return states.bitwise_right_shift(places).bitwise_and(1).to(dtype)
