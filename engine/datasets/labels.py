"""Labels of binarised images, recovered by finding the grey image that each was drawn from."""

from __future__ import annotations

import sys

import numpy as np
import torch

__all__ = ["match_labels"]


def match_labels(
    bits: np.ndarray, images: np.ndarray, labels: np.ndarray, *, progress: bool = True
) -> np.ndarray:
    r"""The label of the grey image under which each row of bits is likeliest.

    .. math:: \log p(x \mid g) = \sum_i x_i \log\frac{g_i}{1 - g_i} + \sum_i \log(1 - g_i)

    One matrix product for all pairs: 50 000 rows against 60 000 images take minutes on one core.

    Args:
        bits: uint8 `(n, data / 8)`, packed.
        images: uint8 `(m, ...)`, grey, `data` values each.
        labels: `(m,)`.
        progress: whether a bar is drawn on standard error.

    Returns:
        uint8 `(n,)`.
    """
    from tqdm import tqdm  # type: ignore[import-untyped]

    # The ends are impossible rather than unlikely, but some grey values may differ by rounding.
    grey = torch.from_numpy(images).flatten(1).float().div_(255).clamp_(1e-4, 1 - 1e-4)
    offset = torch.log1p(-grey).sum(1)
    logits = torch.logit(grey).T.contiguous()
    best = []
    with tqdm(
        total=len(bits), desc="matching labels", unit="rows", file=sys.stderr, disable=not progress
    ) as bar:
        for rows in np.array_split(bits, max(1, len(bits) // 500)):
            x = torch.from_numpy(np.unpackbits(rows, axis=1)).float()
            best.append(torch.addmm(offset, x, logits).argmax(1))
            bar.update(len(rows))
    return labels[torch.cat(best).numpy()].astype(np.uint8)
