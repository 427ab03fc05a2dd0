"""Mean and variance of a random vector from a stream of draws, without keeping the draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.evaluation.products import Block, Product

__all__ = ["Spread", "VectorMoments"]


@dataclass(frozen=True)
class Spread:
    """How a random vector g spreads around its mean, with standard errors of the estimates.

    Attributes:
        draws: number of draws.
        trace: of the covariance, sum_i Var(g_i), unbiased.
        trace_se: its standard error.
        mean_square: ||E g||^2, unbiased (so it may be negative where it drowns in noise).
        mean_square_se: its standard error.
        square_trace: tr(C^2) of the covariance C.
    """

    draws: int
    trace: float
    trace_se: float
    mean_square: float
    mean_square_se: float
    square_trace: float


class VectorMoments:
    r"""Running moments of independent draws of a vector, chunk by chunk.

    The mean and the sum of squared deviations follow Welford's recurrence in the form of Chan et
    al. (1983); with n draws, mean m and deviations d_j = g_j - m,

    .. math:: T = \tfrac1{n-1} \sum_j ||d_j||^2, \qquad ||m||^2 - T / n

    estimate the trace of the covariance C and ||E g||^2 without bias. Their standard errors need
    Var ||d||^2 and tr(C^2) (from the Gram matrix of each chunk) and (E g)^T C (E g):

    .. math:: Var(T) \approx Var(||d||^2) / n, \qquad
              Var(||m||^2 - T/n) \approx 4 (E g)^T C (E g) / n + 2 tr(C^2) / n^2.

    Deviations are taken from the mean so far, which settles long before the errors matter. All
    that is needed of a chunk is read off its deviations from the mean before it: their sum, their
    Gram matrix and their products with the mean.

    Args:
        size: length of the vector.
        like: gives device and dtype.
        origin: a point ``(size,)`` that the mean is compared with as well, see `spread`.
    """

    def __init__(self, size: int, like: Tensor, origin: Tensor | None = None) -> None:
        self.mean = torch.zeros(size, device=like.device, dtype=like.dtype)
        self.origin = origin
        self.draws = 0
        self._squares = 0.0  # sum of squared deviations from the mean
        self._norms = [0.0, 0.0]  # sums of ||d||^2 and of its square
        self._projections = [0.0, 0.0]  # sums of (d . mean)^2 and (d . (mean - origin))^2
        self._pairs = [0.0, 0]  # sum of (d_i . d_j)^2 over pairs i < j of a chunk, and their number

    def update(self, draws: Tensor | Sequence[Block]) -> None:
        """Take in a chunk of draws, ``(chunk, size)``, or the blocks that it is made of."""
        blocks = [draws] if isinstance(draws, Tensor) else draws
        count = len(blocks[0])
        total = self.draws + count
        old = self.mean if self.draws else None
        gram, along, apart = (self.mean.new_zeros(()).double() for _ in range(3))
        place = 0
        for block in blocks:
            size = block.size if isinstance(block, Product) else block.shape[1]
            here = slice(place, place + size)
            place += size
            before = None if old is None else old[here]
            if isinstance(block, Product):
                found = block.less(before)
            else:
                found = block if before is None else block - before
            mean = self.mean[here]
            mean += found.sum(0) / total
            gram = gram + (found @ found.T).double()
            along = along + (found @ mean).double()
            if self.origin is not None:
                apart = apart + (found @ (mean - self.origin[here])).double()
        # Now from the mean with the chunk in it, which has moved by the sum of the chunk / total.
        moved = gram.sum(1) / total
        shift = float(moved.sum()) / total
        gram = gram - moved[:, None] - moved + shift
        along = along - along.sum() / total
        norms = gram.diagonal()
        # The old draws' deviations move with the mean; the new ones are taken from it directly.
        self._squares += self.draws * shift + float(norms.sum())
        self._norms[0] += float(norms.sum())
        self._norms[1] += float(norms.square().sum())
        self._pairs[0] += float(gram.square().sum() - norms.square().sum()) / 2
        self._pairs[1] += count * (count - 1) // 2
        self._projections[0] += float(along.square().sum())
        if self.origin is not None:
            apart = apart - apart.sum() / total
            self._projections[1] += float(apart.square().sum())
        self.draws = total

    def spread(self, *, apart: bool = False) -> Spread:
        """The estimates so far.

        Args:
            apart: of the draws less the origin, so that `mean_square` is the squared distance of
                the mean from it.

        Raises:
            ValueError: there are fewer than 2 draws, or there is no origin.
        """
        n = self.draws
        if apart and self.origin is None:
            raise ValueError("`apart` needs an `origin`; got None.")
        if n < 2:
            raise ValueError(f"`draws` must be at least 2 for a variance; got {n}.")
        trace = self._squares / (n - 1)
        mean_norm = self._norms[0] / n
        norm_variance = max(self._norms[1] / n - mean_norm**2, 0.0)
        # Without a pair in any chunk: the largest value it can have, that of one direction.
        square_trace = self._pairs[0] / self._pairs[1] if self._pairs[1] else trace**2
        # with the mean's own noise taken out
        along = max(self._projections[apart] / n - square_trace / n, 0.0)
        mean = self.mean - self.origin if apart and self.origin is not None else self.mean
        return Spread(
            draws=n,
            trace=trace,
            trace_se=math.sqrt(norm_variance / n),
            mean_square=float(mean.double().square().sum()) - trace / n,
            mean_square_se=math.sqrt(4 * along / n + 2 * square_trace / n**2),
            square_trace=square_trace,
        )
