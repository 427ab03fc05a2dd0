"""Readers of three more public formats: MATLAB 5, CIFAR's records, NORB's matrices.

Nothing is unpickled and nothing is unpacked onto the disk.
"""

from __future__ import annotations

import math
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.datasets.formats import unpacked, values_of
from engine.errors import DatasetError

__all__ = ["CIFAR_SHAPE", "read_cifar", "read_frey_film", "read_matlab", "read_norb"]

CIFAR_SHAPE = (3, 32, 32)
NORB_TYPES: dict[int, np.dtype[Any]] = {0x1E3D4C55: np.dtype("<u1"), 0x1E3D4C54: np.dtype("<i4")}


def read_matlab(
    path: Path, required: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """The named numeric arrays of a MATLAB 5 file; optional ones where they are there.

    Raises:
        DatasetError: truncated, no MATLAB 5 file, or without one of the required arrays.
    """
    from scipy.io import loadmat  # late: slow to import, and needed once

    try:
        found = loadmat(path, variable_names=[*required, *optional])
    except Exception as error:  # the reader meets broken files with errors of every kind
        raise DatasetError(f"{path} is truncated or no MATLAB 5 file ({error}).") from error
    arrays = {name: found[name] for name in (*required, *optional) if name in found}
    for name in required:
        if name not in arrays or arrays[name].dtype.kind not in "biuf":
            raise DatasetError(f"{path} must hold a numeric array `{name}`.")
    return arrays


def read_frey_film(path: Path) -> np.ndarray:
    """Frames of Roweis' `frey_rawface.mat`, uint8 `(n, 28, 20)`, in film order.

    Raises:
        DatasetError: truncated, no MATLAB 5 file, or without the array `ff`, uint8 (560, n).
    """
    film = read_matlab(path, ["ff"])["ff"]
    if film.dtype != np.uint8 or film.ndim != 2 or film.shape[0] != 560:
        raise DatasetError(f"{path} must hold `ff`, uint8 (560, n); got {film.dtype} {film.shape}.")
    return np.ascontiguousarray(film.T.reshape(-1, 28, 20))


def read_cifar(path: Path, members: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 `(n, 32, 32, 3)` and labels uint8 `(n,)` of `members` of a `.tar.gz` file.

    A record is one byte of label and 3072 of pixels, all of red first, then green and blue.

    Raises:
        DatasetError: truncated, no `.tar.gz`, a member is missing or ends inside a record.
    """
    length = 1 + math.prod(CIFAR_SHAPE)
    parts = []
    try:
        with tarfile.open(path, "r:gz") as archive:
            # by the last part of the name: whatever folder the archive was made in
            files = {entry.name.rsplit("/", 1)[-1]: entry for entry in archive if entry.isreg()}
            for member in members:
                if member not in files:
                    raise DatasetError(f"{path} holds no file {member}.")
                stream = archive.extractfile(files[member])
                assert stream is not None  # of regular files there always is one
                parts.append(stream.read())
                if len(parts[-1]) % length:
                    raise DatasetError(f"{member} in {path} ends inside a record of {length}.")
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise DatasetError(f"{path} is truncated or no .tar.gz file ({error}).") from error
    records = np.frombuffer(b"".join(parts), np.uint8).reshape(-1, length)
    images = records[:, 1:].reshape(-1, *CIFAR_SHAPE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, 0].copy()


def read_norb(path: Path) -> np.ndarray:
    """The array of one of NORB's binary matrices, gzipped or not; of bytes or 32-bit integers.

    Little-endian: a magic number that says the type, the number of axes, their sizes (three at
    least, the surplus ones to be passed over), then the values in C order.

    Raises:
        DatasetError: truncated, malformed, or of another element type.
    """
    data = unpacked(path)
    magic = int.from_bytes(data[:4], "little")
    if len(data) < 8 or magic not in NORB_TYPES:
        raise DatasetError(
            f"{path} is not a NORB matrix of bytes or integers: it starts with "
            f"{data[:4].hex(' ')!r}."
        )
    axes = int.from_bytes(data[4:8], "little")
    start = 8 + 4 * max(3, axes)
    if not 1 <= axes <= 8 or len(data) < start:
        raise DatasetError(f"{path} is truncated: {len(data)} bytes end inside the header.")
    shape = tuple(int(n) for n in np.frombuffer(data, dtype="<i4", count=axes, offset=8))
    return values_of(path, data, start, shape, NORB_TYPES[magic])
