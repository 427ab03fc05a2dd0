"""Where a set is looked for: the data root, the user's cache, the public host, in this order."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from engine.datasets.download import ResumingDownloader, download_arrays, remove_files
from engine.datasets.sources import Arrays, Source, parse_files, read_npz, write_npz
from engine.errors import DatasetError

__all__ = ["CACHE_VARIABLE", "ROOT_VARIABLE", "fetch", "find", "load_arrays"]

ROOT_VARIABLE = "HELMHOLTZ_DATA"
CACHE_VARIABLE = "HELMHOLTZ_CACHE"

logger = logging.getLogger(__name__)


def data_root(root: str | os.PathLike[str] | None = None) -> Path | None:
    """`root`, or else the folder that HELMHOLTZ_DATA names, or None."""
    value = root if root is not None else os.environ.get(ROOT_VARIABLE)
    return Path(value).expanduser() if value else None


def cache_folder() -> Path:
    """The folder that HELMHOLTZ_CACHE names, or else the user's cache folder for `helmholtz`."""
    if value := os.environ.get(CACHE_VARIABLE):
        return Path(value).expanduser()
    import pooch  # type: ignore[import-untyped]

    return Path(pooch.os_cache("helmholtz"))


def find(source: Source, root: str | os.PathLike[str] | None = None) -> Path | None:
    """The `.npz` file, or the folder of public files, that would be read; None: neither is here.

    Looks at names only, so it is fast, and what it finds may still be broken.
    """
    folder = data_root(root)
    if folder is not None and (path := folder / f"{source.name}.npz").is_file():
        return path
    if (path := cache_folder() / f"{source.name}.npz").is_file():
        return path
    return folder if folder is not None and _has_public_files(source, folder) else None


def load_arrays(
    source: Source,
    root: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
    downloader: ResumingDownloader | None = None,
) -> Arrays:
    """The arrays of `source` from the first place that has them, checked by content.

    The places: `NAME.npz` in the data root; `NAME.npz` in the cache folder, which is kept from an
    earlier time; the public files in the data root; the public host. What comes from public files
    is kept in the cache folder. A broken file in the data root is an error, since somebody put it
    there; a broken file in the cache is fetched again.

    Args:
        source: the set.
        root: folder looked in first; HELMHOLTZ_DATA where it is None.
        download: whether the public host may be asked.
        downloader: how the public host is asked.

    Raises:
        DatasetError: no place has the set, or what is there is broken.
    """
    folder, tried = data_root(root), []
    if folder is None:
        tried.append(f"{ROOT_VARIABLE} is not set")
    elif (path := folder / f"{source.name}.npz").is_file():
        return _read_root(path, source)
    elif not folder.is_dir():
        tried.append(f"{folder} is not a folder")
    else:
        tried.append(f"{folder} has neither {source.name}.npz nor the public files")

    kept = cache_folder() / f"{source.name}.npz"
    if kept.is_file():
        try:
            return read_npz(kept, source)
        except DatasetError as error:
            if download:
                logger.warning("%s It is fetched again.", error)
            tried.append(str(error).rstrip("."))
    else:
        tried.append(f"{kept} does not exist")

    if folder is not None and _has_public_files(source, folder):
        return _keep(source, parse_files(source, folder), folder, kept)
    if not source.files:
        raise DatasetError(_nowhere(source, tried))
    if not download:
        raise DatasetError(_nowhere(source, [*tried, "no download was asked for"]))
    downloads = kept.parent / "downloads"
    try:
        arrays = download_arrays(source, downloads, downloader or ResumingDownloader())
    except (DatasetError, OSError) as error:
        raise DatasetError(_nowhere(source, [*tried, str(error).rstrip(".")])) from error
    arrays = _keep(source, arrays, folder, kept)
    if kept.is_file():
        remove_files(source, downloads)
    return arrays


def fetch(
    source: Source,
    root: str | os.PathLike[str] | None = None,
    *,
    downloader: ResumingDownloader | None = None,
) -> Path:
    """Make sure that `source` is here and whole, and return where; as `load_arrays`.

    Optional arrays that an earlier run could not make are made now, if that has become possible.
    """
    arrays = load_arrays(source, root, downloader=downloader)
    kept = cache_folder() / f"{source.name}.npz"
    found = find(source, root)
    if found == kept and any(name not in arrays for name in source.optional):
        _keep(source, arrays, data_root(root), kept)
    return found or kept


def _keep(source: Source, arrays: Arrays, root: Path | None, kept: Path) -> Arrays:
    """Add what can be added to `arrays`, and write them to the cache, where that is possible."""
    if source.complete is not None:
        arrays = {**arrays, **source.complete(arrays, root)}
    try:
        write_npz(kept, arrays)
    except OSError as error:  # costs the next start some seconds, and nothing else
        logger.warning("%s could not be written: %s.", kept, error)
    return arrays


def _read_root(path: Path, source: Source) -> Arrays:
    try:
        return read_npz(path, source)
    except DatasetError as error:
        raise DatasetError(
            f"{error} Replace it, or take it away and run `python -m engine data fetch "
            f"{source.dataset}`."
        ) from error


def _has_public_files(source: Source, folder: Path) -> bool:
    return bool(source.files) and all((folder / file.name).is_file() for file in source.files)


def _nowhere(source: Source, tried: list[str]) -> str:
    if not source.files:
        return (
            f"The data set {source.dataset!r} is not here: {'; '.join(tried)}. Set {ROOT_VARIABLE} "
            f"to a folder that holds {source.name}.npz; {source.note}."
        )
    return (
        f"The data set {source.dataset!r} is not here: {'; '.join(tried)}. Set {ROOT_VARIABLE} to "
        f"a folder that holds {source.name}.npz or the public files, or run `python -m engine data "
        f"fetch {source.dataset}` where there is a network, or use 'digits-mini', which is always "
        "here."
    )
