"""Have the chains forgotten where they started, and what are their draws worth?

Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021), arXiv:1903.08008, computed by
`arviz-stats`, the library of the ArviZ project; imported when the first trace is diagnosed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

FEWEST_DRAWS = 4
"""Each half of a split chain needs two, for a variance."""

TAILS = (0.05, 0.95)

Values = NDArray[np.float64]


class Diagnosis(NamedTuple):
    """What traces say about their chains, each the shape of the traces' quantities, float64.

    NaN where nothing can be said: fewer than `FEWEST_DRAWS` draws, a trace that never changed
    (the library would call it perfect) or one that holds values that are not finite.

    Attributes:
        r_hat: rank-normalised split R-hat, the larger of bulk and tail (folded). Near 1 when the
            chains agree; above 1.01 they are not to be trusted yet. Infinite where each chain
            stands still at a value of its own, NaN for one chain.
        ess_bulk: how many independent draws would tell the centre of the law as well.
        ess_tail: the same for the 5% and 95% quantiles, the worse of the two.
    """

    r_hat: Values
    ess_bulk: Values
    ess_tail: Values


def diagnose(trace: ArrayLike) -> Diagnosis:
    """R-hat and effective sample sizes of `trace` ``(chains, draws, *quantities)``.

    About 6 ms a quantity for eight chains of a thousand draws.

    Raises:
        ValueError: `trace` has fewer than two axes.
    """
    columns, shape = _columns(trace)
    return Diagnosis(
        _each(columns, "rhat", fewest_chains=2).reshape(shape),
        _each(columns, "ess", method="bulk").reshape(shape),
        _each(columns, "ess", method="tail", prob=TAILS).reshape(shape),
    )


def running_r_hat(trace: ArrayLike, lengths: Sequence[int]) -> Values:
    """R-hat of the first `lengths` draws of `trace` ``(chains, draws, *quantities)``.

    About 2 ms for each length and quantity.

    Returns:
        ``(len(lengths), *quantities)``; see `Diagnosis.r_hat`.

    Raises:
        ValueError: `trace` has fewer than two axes, or a length is not from 1 to the draws.
    """
    columns, shape = _columns(trace)
    draws = columns.shape[-1]
    for length in lengths:
        if not 1 <= length <= draws:
            raise ValueError(f"`lengths` must be from 1 to the {draws} draws; got {length}.")
    rows = [_each(columns[..., :length], "rhat", fewest_chains=2) for length in lengths]
    return np.array(rows, dtype=float).reshape(len(lengths), *shape)


def standard_error(trace: ArrayLike) -> Values:
    """Standard error of the mean of `trace` ``(chains, draws, *quantities)``, ``(*quantities)``.

    Standard deviation over the root of the effective sample size of the mean, so that draws which
    resemble their predecessors count for less. NaN as in `Diagnosis`.

    Raises:
        ValueError: `trace` has fewer than two axes.
    """
    columns, shape = _columns(trace)
    size = _each(columns, "ess", method="mean")
    flat = columns.reshape(len(columns), -1)
    known = np.isfinite(size)
    error = np.full(len(columns), np.nan)
    error[known] = flat[known].std(axis=1, ddof=1) / np.sqrt(size[known])
    return error.reshape(shape)


def _columns(trace: ArrayLike) -> tuple[Values, tuple[int, ...]]:
    """The traces one after the other, ``(quantities, chains, draws)``, and their shape."""
    values = np.asarray(trace, dtype=float)
    if values.ndim < 2:
        raise ValueError(
            f"`trace` must have axes (chains, draws, ...); got the shape {values.shape}."
        )
    chains, draws, *shape = values.shape
    columns = np.moveaxis(values.reshape(chains, draws, -1), -1, 0)
    return columns, tuple(shape)


def _each(columns: Values, statistic: str, *, fewest_chains: int = 1, **options: Any) -> Values:
    """A statistic of the library for every trace of `columns` ``(quantities, chains, draws)``."""
    from arviz_stats.base.array import array_stats

    _, chains, draws = columns.shape
    found = np.full(len(columns), np.nan)
    if chains < fewest_chains or draws < FEWEST_DRAWS:
        return found
    for index, column in enumerate(columns):
        if np.isfinite(column).all() and np.ptp(column) > 0:
            # Bits fold onto one value and quantiles may cut nothing off: 0 / 0, as intended.
            with np.errstate(divide="ignore", invalid="ignore"):
                found[index] = getattr(array_stats, statistic)(column, **options)
    return found
