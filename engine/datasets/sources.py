"""What a public data set consists of, and how it is recognised: by the content of its arrays."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine.errors import DatasetError

__all__ = [
    "Arrays",
    "Layout",
    "RemoteFile",
    "Source",
    "check_content",
    "content_checksum",
    "no_public_files",
    "parse_files",
    "read_npz",
    "write_npz",
]

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class RemoteFile:
    """One file of a public set; `md5` where its sum is known."""

    name: str
    md5: str | None = None


@dataclass(frozen=True)
class Layout:
    """How an array is known whose checksum is not: published sets say that much of themselves.

    Attributes:
        shape: of the array.
        highest: the largest value that it may hold; it has to be uint8.
        counts: how often each value occurs, in order of the values present, as sets of labels are
            described; None where that is not known.
    """

    shape: tuple[int, ...]
    highest: int = 255
    counts: tuple[int, ...] | None = None

    def fault(self, array: np.ndarray) -> str | None:
        """What is wrong with `array`, or None."""
        if array.dtype != np.uint8 or array.shape != self.shape:
            return f"is {array.dtype} {array.shape}, not uint8 {self.shape}"
        if array.size and int(array.max()) > self.highest:
            return f"holds {array.max()}, above {self.highest}"
        if self.counts is not None:
            found = tuple(map(int, np.unique(array, return_counts=True)[1]))
            if found != self.counts:
                return f"holds its values {found} times, not {self.counts}"
        return None


@dataclass(frozen=True)
class Source:
    """What a set consists of, where it is published, and how it is recognised.

    Attributes:
        name: stem of the parsed file, `NAME.npz`.
        dataset: the key in `DATASETS` that fetches it.
        base_url: folder of the public files.
        files: the public files; none where no host serves the set.
        parse: from file name -> path to the arrays that are checked and kept.
        checksums: array name -> first 16 hex digits of the SHA-256 of its bytes.
        optional: arrays that `NAME.npz` may hold besides, unchecked.
        complete: makes the optional arrays from the others, or returns none of them; takes the
            arrays and the folder to look for other sets in.
        layouts: what is known of arrays whose bytes nobody here has seen, see `Layout`.
        note: what is needed, where there are no public files.
    """

    name: str
    dataset: str
    base_url: str
    files: tuple[RemoteFile, ...]
    parse: Callable[[Mapping[str, Path]], Arrays]
    checksums: Mapping[str, str]
    optional: tuple[str, ...] = ()
    complete: Callable[[Arrays, Path | None], Arrays] | None = None
    layouts: Mapping[str, Layout] = field(default_factory=dict)
    note: str = ""

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the arrays without which it is not this set."""
        return (*self.checksums, *self.layouts)


def no_public_files(files: Mapping[str, Path]) -> Arrays:
    """The `parse` of a set that has none: nothing is ever asked of it."""
    raise DatasetError(f"this set has no public files; got {list(files)}.")


def content_checksum(array: np.ndarray) -> str:
    """First 16 hex digits of the SHA-256 of an array's bytes in C order."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()[:16]


def check_content(arrays: Arrays, source: Source, origin: str) -> None:
    """Raise `DatasetError`, naming `origin`, unless every array of `source` has its content."""
    for name, expected in source.checksums.items():
        if name not in arrays:
            raise DatasetError(f"{origin} holds no array {name!r} of {source.dataset!r}.")
        if (found := content_checksum(arrays[name])) != expected:
            raise DatasetError(
                f"{origin} has the wrong content: array {name!r} of {source.dataset!r} has the "
                f"checksum {found}, not {expected}."
            )
    for name, layout in source.layouts.items():
        if name not in arrays:
            raise DatasetError(f"{origin} holds no array {name!r} of {source.dataset!r}.")
        if fault := layout.fault(arrays[name]):
            raise DatasetError(
                f"{origin} has the wrong content: array {name!r} of {source.dataset!r} {fault}."
            )


def parse_files(source: Source, folder: Path) -> Arrays:
    """The arrays of `source` from its public files in `folder`, checked by content.

    Raises:
        DatasetError: a file is missing, truncated or malformed, or has other content.
    """
    paths = {file.name: folder / file.name for file in source.files}
    for path in paths.values():
        if not path.is_file():
            raise DatasetError(f"{path} is missing.")
    arrays = source.parse(paths)
    check_content(arrays, source, ", ".join(str(path) for path in paths.values()))
    return arrays


def read_npz(path: Path, source: Source) -> Arrays:
    """The arrays of `source` in a `.npz` file, checked by content; nothing is unpickled.

    Raises:
        DatasetError: the file is truncated, no `.npz`, or has other content.
    """
    try:
        # Opened here: numpy leaves the file open where it turns out to be broken.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            wanted = (*source.required, *source.optional)
            arrays = {name: stored[name] for name in wanted if name in stored}
    except Exception as error:  # a broken zip or header makes its readers raise errors of any kind
        raise DatasetError(f"{path} is truncated or not a `.npz` file ({error}).") from error
    check_content(arrays, source, str(path))
    return arrays


def write_npz(path: Path, arrays: Arrays) -> None:
    """Write `arrays` to `path`, whole or not at all; raises OSError where that is impossible."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # One name for each writer; a cache may be shared, so the usual permissions apply.
    temporary = path.with_name(f"{path.stem}-{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
