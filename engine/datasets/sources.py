"""Where the arrays of a data set come from: the data root, the user's cache, the public host.

Whatever the place, the arrays are checked by their content: a set is the same set everywhere.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from engine.errors import DatasetError

__all__ = ["DATA_ROOT_VARIABLE", "Arrays", "RemoteFile", "Source", "check_content", "read_npz"]

DATA_ROOT_VARIABLE = "HELMHOLTZ_DATA"

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class RemoteFile:
    """One file of a public set; `md5` where its sum is known."""

    name: str
    md5: str | None = None


@dataclass(frozen=True)
class Source:
    """What a set consists of, where it lies, and how it is recognised.

    Attributes:
        name: stem of the parsed file, `NAME.npz`.
        base_url: folder of the public files, ending in "/".
        files: the public files.
        parse: file name -> path, to the arrays that are checked and kept.
        checksums: array name -> first 16 hex digits of the SHA-256 of its bytes.
        optional: arrays that `NAME.npz` may hold beside the checked ones.
    """

    name: str
    base_url: str
    files: tuple[RemoteFile, ...]
    parse: Callable[[Mapping[str, Path]], Arrays]
    checksums: Mapping[str, str]
    optional: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "checksums", MappingProxyType(dict(self.checksums)))


def data_root(root: str | os.PathLike[str] | None = None) -> Path | None:
    """`root`, or else the folder that HELMHOLTZ_DATA names, or None."""
    value = root if root is not None else os.environ.get(DATA_ROOT_VARIABLE)
    return Path(value).expanduser() if value else None


def content_checksum(array: np.ndarray) -> str:
    """First 16 hex digits of the SHA-256 of an array's bytes in C order."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()[:16]


def check_content(arrays: Arrays, source: Source, origin: str) -> None:
    """Raise `DatasetError` unless every array of `source` is there with the right content."""
    for name, expected in source.checksums.items():
        if name not in arrays:
            raise DatasetError(f"{origin} holds no array {name!r} of {source.name!r}.")
        if (found := content_checksum(arrays[name])) != expected:
            raise DatasetError(
                f"{origin} has the wrong content: array {name!r} of {source.name!r} has the "
                f"checksum {found}, not {expected}."
            )


def read_npz(path: Path, source: Source) -> Arrays:
    """The arrays of `source` in a `.npz` file, checked by content; nothing is unpickled.

    Raises:
        DatasetError: the file is truncated, no `.npz`, or has other content.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            wanted = (*source.checksums, *source.optional)
            arrays = {name: stored[name] for name in wanted if name in stored}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zipfile.zlib.error) as err:
        raise DatasetError(f"{path} is truncated or not a `.npz` file ({err}).") from err
    check_content(arrays, source, str(path))
    return arrays


def load_arrays(source: Source, root: str | os.PathLike[str] | None = None) -> Arrays:
    """The arrays of `source` from the first place that has them.

    Raises:
        DatasetError: no place has them, or the one that does holds other content.
    """
    folder = data_root(root)
    if folder is not None and (path := folder / f"{source.name}.npz").is_file():
        return read_npz(path, source)
    raise DatasetError(
        f"No data for {source.name!r}: looked in {folder}. Set {DATA_ROOT_VARIABLE} to a folder "
        f'with {source.name}.npz, or use "digits-mini".'
    )
