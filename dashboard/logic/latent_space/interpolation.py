"""Ways from one code to another; `dashboard/frontend/latent_pad/interpolation.js` does the same."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["WAYS", "journey", "spherical", "straight"]

Code = NDArray[np.floating]
WAYS = ("linear", "spherical")


def straight(a: Code, b: Code, share: float) -> Code:
    """The code a share of the straight way from a to b."""
    return a + share * (b - a)


def spherical(a: Code, b: Code, share: float) -> Code:
    """The code a share of the way along the great circle, lengths changing evenly.

    Shoemake (1985), "Animating rotation with quaternion curves". Codes in (almost) the same or the
    opposite direction, or at the origin, have no such circle: the straight way.
    """
    first, second = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if first == 0 or second == 0:
        return straight(a, b, share)
    angle = float(np.arccos(np.clip(a @ b / (first * second), -1, 1)))
    if np.sin(angle) <= 1e-6:
        return straight(a, b, share)
    length = first + share * (second - first)
    mixed = np.sin((1 - share) * angle) * a / first + np.sin(share * angle) * b / second
    return length * mixed / np.sin(angle)


def journey(
    a: Code, b: Code, count: int, way: str, sizes: Sequence[int], *, bits: bool
) -> NDArray[np.float32]:
    """Codes from a to b, both included, `(count, latent)`.

    Spherical ways go layer by layer: each layer has a prior of its own.

    Args:
        a, b: codes of all layers, `(latent,)`.
        count: how many, at least 2.
        way: "linear" or "spherical".
        sizes: latents of each layer.
        bits: whether the codes are probabilities p of bits; the way is then that of 2 p - 1, which
            is what the networks take, and is cut at 0 and 1.

    Raises:
        ValueError: another way, or fewer than two codes.
    """
    if way not in WAYS:
        raise ValueError(f"`way` must be one of {WAYS}; got {way!r}.")
    if count < 2:
        raise ValueError(f"`count` must be at least 2; got {count}.")
    step = straight if way == "linear" else spherical
    edges = np.cumsum([0, *sizes])
    rows = []
    for share in np.linspace(0, 1, count):
        parts: list[Code] = []
        for low, high in itertools.pairwise(edges):
            start, end = a[low:high], b[low:high]
            if bits:
                signed = step(2 * start - 1, 2 * end - 1, float(share))
                parts.append(np.clip((signed + 1) / 2, 0, 1))
            else:
                parts.append(step(start, end, float(share)))
        rows.append(np.concatenate(parts))
    return np.stack(rows).astype(np.float32)
