"""Mean and variance of a random vector from a stream of draws, without keeping the draws."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

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

    Deviations are taken from the mean so far, which settles long before the errors matter.

    Args:
        size: length of the vector.
        like: gives device and dtype.
    """

    def __init__(self, size: int, like: Tensor) -> None:
        self.mean = torch.zeros(size, device=like.device, dtype=like.dtype)
        self.draws = 0
        self._squares = 0.0  # sum of squared deviations from the mean
        self._norms = [0.0, 0.0]  # sums of ||d||^2 and of its square
        self._projection = 0.0  # sum of (d . mean)^2
        self._pairs = [0.0, 0]  # sum of (d_i . d_j)^2 over pairs i < j of a chunk, and their number

    def update(self, draws: Tensor) -> None:
        """Take in a chunk of draws, ``(chunk, size)``."""
        count = len(draws)
        total = self.draws + count
        shift = (draws.mean(0) - self.mean) * (count / total)
        self.mean += shift
        deviations = draws - self.mean
        gram = (deviations @ deviations.T).double()
        norms = gram.diagonal()
        # The old draws' deviations move with the mean; the new ones are taken from it directly.
        self._squares += self.draws * float(shift.double().square().sum()) + float(norms.sum())
        self._norms[0] += float(norms.sum())
        self._norms[1] += float(norms.square().sum())
        self._pairs[0] += float(gram.square().sum() - norms.square().sum()) / 2
        self._pairs[1] += count * (count - 1) // 2
        self._projection += float((deviations @ self.mean).double().square().sum())
        self.draws = total

    def spread(self) -> Spread:
        """The estimates so far.

        Raises:
            ValueError: there are fewer than 2 draws.
        """
        n = self.draws
        if n < 2:
            raise ValueError(f"`draws` must be at least 2 for a variance; got {n}.")
        trace = self._squares / (n - 1)
        mean_norm = self._norms[0] / n
        norm_variance = max(self._norms[1] / n - mean_norm**2, 0.0)
        # Without a pair in any chunk: the largest value it can have, that of one direction.
        square_trace = self._pairs[0] / self._pairs[1] if self._pairs[1] else trace**2
        along = max(self._projection / n - square_trace / n, 0.0)  # the mean's own noise taken out
        return Spread(
            draws=n,
            trace=trace,
            trace_se=math.sqrt(norm_variance / n),
            mean_square=float(self.mean.double().square().sum()) - trace / n,
            mean_square_se=math.sqrt(4 * along / n + 2 * square_trace / n**2),
            square_trace=square_trace,
        )
