"""The curves of the Training page: of one training each, or of all seeds of a recipe together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

__all__ = ["PROGRESS", "QUANTITIES", "SPLITS", "Line", "focus", "lines_of", "shorter"]

Columns = Mapping[str, NDArray[np.float64]]
Series = Mapping[str, Mapping[str, Columns]]

QUANTITIES = {"elbo": "Bound", "reconstruction": "Reconstruction", "kl": "KL"}
PROGRESS = {"samples": 1.0, "seconds": 60.0}  # what one unit of the axis is in the column
# Name, style of the line, opacity.
SPLITS = {"valid": ("validation", "solid", 1.0), "train": ("training", "dot", 0.75)}
START_SHARE = 0.03  # of the training: where curves rise so steeply that they would flatten the rest


@dataclass(frozen=True)
class Line:
    """A curve of the chart; its points are measured ones.

    Attributes:
        name: of the checkpoint; of several seeds that of the first.
        label: as the legend shows it; the same for all seeds of a recipe.
        title: whose it is, in words: "vae-20, validation".
        split: key of `SPLITS`.
        x, y: equally long; y of several seeds is their mean.
        seeds: how many it is the mean of.
        low, high: lowest and highest of the seeds at each point; None for one training.
    """

    name: str
    label: str
    title: str
    split: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    seeds: int = 1
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None

    def called(self, part: str) -> str:
        """The name of its "mean", "lowest" or "highest" where it is of several seeds."""
        return self.title if self.seeds == 1 else f"{self.title}, {part} of {self.seeds} seeds"


def lines_of(
    series: Series, quantity: str, progress: str, *, log_x: bool = False, apart: bool = False
) -> list[Line]:
    """What there is to draw; nothing of what did not record the quantity.

    Seeds have points at the same steps; where one was trained for a shorter time, mean and range
    end. Their mean stands at the mean of their places on the horizontal axis.

    Args:
        series: name to the columns (see `engine.checkpoints`) of all that belong to it, by name.
        quantity: key of `QUANTITIES`.
        progress: key of `PROGRESS`, the horizontal axis.
        log_x: leave out points at zero.
        apart: a line for each seed; one that is a series itself is drawn there alone.
    """
    found: list[Line] = []
    for name, members in series.items():
        label = name if len(members) == 1 else f"{name}, {len(members)} seeds"
        if apart or len(members) == 1:
            for one, columns in members.items():
                if one == name or one not in series:
                    found += _singles(name, label, one, columns, quantity, progress)
        else:
            found += _means(name, label, members, quantity, progress)
    if log_x:
        found = [_where_positive(line) for line in found]
    return [line for line in found if len(line.x)]


def _singles(
    name: str, label: str, one: str, columns: Columns, quantity: str, progress: str
) -> Iterator[Line]:
    x = np.asarray(columns[progress], dtype=float) / PROGRESS[progress]
    for split, (title, *_) in SPLITS.items():
        y = _measured(columns, split, quantity)
        shown = np.isfinite(x) & np.isfinite(y)
        yield Line(name, label, f"{one}, {title}", split, x[shown], y[shown])


def _means(
    name: str, label: str, members: Mapping[str, Columns], quantity: str, progress: str
) -> Iterator[Line]:
    unit = PROGRESS[progress]
    for split, (title, *_) in SPLITS.items():
        kept = [
            (columns, np.isfinite(y))
            for columns in members.values()
            if np.isfinite(y := _measured(columns, split, quantity)).any()
        ]
        if not kept:
            continue
        steps = reduce(np.intersect1d, [columns["step"][shown] for columns, shown in kept])
        rows = [shown & np.isin(columns["step"], steps) for columns, shown in kept]
        pairs = [(columns, at) for (columns, _), at in zip(kept, rows, strict=True)]
        x = np.mean([columns[progress][at] / unit for columns, at in pairs], axis=0)
        y = np.stack([columns[f"{split}_{quantity}"][at] for columns, at in pairs])
        spread = (y.min(0), y.max(0)) if len(kept) > 1 else (None, None)
        yield Line(name, label, f"{name}, {title}", split, x, y.mean(0), len(kept), *spread)


def _measured(columns: Columns, split: str, quantity: str) -> NDArray[np.float64]:
    """The column, NaN throughout where there is none."""
    y = columns.get(f"{split}_{quantity}")
    return np.full(len(columns["step"]), np.nan) if y is None else np.asarray(y, dtype=float)


def _where_positive(line: Line) -> Line:
    at = line.x > 0
    low, high = (None if v is None else v[at] for v in (line.low, line.high))
    return replace(line, x=line.x[at], y=line.y[at], low=low, high=high)


def shorter(members: Mapping[str, Columns]) -> list[str]:
    """Those of several seeds that end before the others."""
    ends = {name: float(columns["step"][-1]) for name, columns in members.items()}
    return [name for name, end in ends.items() if end < max(ends.values())]


def focus(
    lines: Sequence[Line], values: Sequence[float], *, share: float = START_SHARE
) -> tuple[float, float] | None:
    """The vertical range that shows everything but the first `share`; None without points.

    Args:
        lines: from `lines_of`.
        values: that must be seen as well.
        share: of each line's way along the horizontal axis.
    """
    shown: list[float] = list(values)
    for line in lines:
        late = line.x >= share * line.x.max()
        shown += [
            v for part in (line.y, line.low, line.high) if part is not None for v in part[late]
        ]
    if not shown:
        return None
    margin = 0.05 * max(max(shown) - min(shown), 1.0)
    return min(shown) - margin, max(shown) + margin
