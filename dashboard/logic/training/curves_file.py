"""All recorded curves as one file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["curves_csv"]


def curves_csv(curves: Mapping[str, Mapping[str, NDArray[Any]]]) -> str:
    """All curves under each other, the checkpoint in the first column; empty where unmeasured."""
    columns: list[str] = []
    for one in curves.values():
        columns += [column for column in one if column not in columns]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["checkpoint", *columns])
    for name, one in curves.items():
        length = len(next(iter(one.values())))
        for row in range(length):
            writer.writerow([name, *(_cell(one, column, row) for column in columns)])
    return stream.getvalue()


def _cell(columns: Mapping[str, NDArray[Any]], column: str, row: int) -> str:
    if column not in columns:
        return ""
    value = columns[column][row]
    return str(value) if isinstance(value, str) else "" if np.isnan(value) else f"{value:.7g}"
