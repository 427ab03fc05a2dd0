"""Readers of the public files' formats: IDX and bits as text. Nothing is unpickled."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import DatasetError

__all__ = ["read_amat", "read_idx", "unpacked", "values_of"]

IDX_UNSIGNED_BYTE = 0x08


def read_idx(path: Path) -> np.ndarray:
    """The array of an IDX file of unsigned bytes, gzipped or not (LeCun's format for MNIST).

    Raises:
        DatasetError: truncated, malformed, or of another element type.
    """
    data = unpacked(path)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != IDX_UNSIGNED_BYTE:
        raise DatasetError(
            f"{path} is not an IDX file of unsigned bytes: it starts with {data[:4].hex(' ')!r}."
        )
    axes = data[3]
    start = 4 + 4 * axes
    if len(data) < start:
        raise DatasetError(f"{path} is truncated: {len(data)} bytes end inside the IDX header.")
    shape = tuple(int(n) for n in np.frombuffer(data, dtype=">u4", count=axes, offset=4))
    return values_of(path, data, start, shape, np.dtype(np.uint8)).copy()


def unpacked(path: Path) -> bytes:
    """The content of a file, gzipped or not.

    Raises:
        DatasetError: it cannot be read, or the gzipped data end too early.
    """
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read, it may be truncated ({error}).") from error


def values_of(
    path: Path, data: bytes, start: int, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> np.ndarray:
    """The array of `shape` in C order that begins at byte `start` of the `data` of `path`.

    Raises:
        DatasetError: there are more or fewer bytes than it takes.
    """
    if (found := len(data) - start) != (expected := math.prod(shape) * dtype.itemsize):
        what = "is truncated" if found < expected else "holds too much"
        raise DatasetError(f"{path} {what}: {found} bytes for shape {shape}, not {expected}.")
    try:
        return np.frombuffer(data, dtype=dtype, offset=start).reshape(shape)
    except ValueError as error:  # negative sizes, or more axes than an array can have
        raise DatasetError(f"{path} is damaged: it says that its shape is {shape}.") from error


def read_amat(path: Path, columns: int) -> np.ndarray:
    """Rows of bits written as text "0 1 ...", packed: uint8 `(n, columns / 8)`.

    Raises:
        DatasetError: a row of another length (a truncated file ends in one) or another value.
    """
    if path.stat().st_size < columns:
        raise DatasetError(f"{path} is truncated: it is shorter than one row.")
    try:
        # numpy's own reader takes half a second for 50 000 rows of 784, given the type.
        rows = np.loadtxt(path, dtype=np.uint8, ndmin=2, comments=None, encoding="ascii")
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} is truncated or no table of bits ({error}).") from error
    if rows.shape[1] != columns:
        raise DatasetError(f"{path} holds a table of shape {rows.shape}, not (n, {columns}).")
    if rows.max() > 1:
        raise DatasetError(f"{path} is no table of bits: it holds the value {rows.max()}.")
    return np.packbits(rows, axis=1)
