"""The public files of a set, brought over an unreliable network."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from engine.datasets.sources import Arrays, Source, parse_files
from engine.errors import DatasetError

if TYPE_CHECKING:
    import requests

__all__ = ["MIRROR_VARIABLE", "ResumingDownloader", "download_arrays"]

MIRROR_VARIABLE = "HELMHOLTZ_MIRROR"
RETRIED_STATUSES = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class ResumingDownloader:
    """Brings one file for pooch, and goes on where the connection broke.

    Attributes:
        attempts: failures in a row, without a new byte between them, after which it gives up.
        pause: seconds before the second attempt; doubled for each further one.
        timeout: seconds to connect, and between two pieces of the file.
        progress: whether a bar is drawn on standard error.
    """

    attempts: int = 3
    pause: float = 0.5
    timeout: tuple[float, float] = (10.0, 30.0)
    progress: bool = True

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> None:
        """Write what `url` serves to `output_file`; raises `requests.RequestException`."""
        import requests
        from tqdm import tqdm  # type: ignore[import-untyped]

        failures, done, tag = 0, 0, None
        bar = tqdm(
            desc=url.rsplit("/", 1)[-1],
            unit="B",
            unit_scale=True,
            file=sys.stderr,
            disable=not self.progress,
        )
        with bar, open(output_file, "wb") as file:
            while True:
                before = done
                try:
                    with self._open(url, done, tag) as response:
                        done, tag = self._start(response, file, bar), response.headers.get("ETag")
                        for piece in _pieces(response):
                            file.write(piece)
                            done += len(piece)
                            bar.update(len(piece))
                    return
                except requests.RequestException as error:
                    failures = failures + 1 if done <= before else 1
                    if failures >= self.attempts or not _is_passing(error):
                        raise
                time.sleep(self.pause * 2 ** (failures - 1))

    def _open(self, url: str, done: int, tag: str | None) -> requests.Response:
        import requests

        headers = {"Accept-Encoding": "identity"}  # a .gz must arrive as the bytes that it is
        if done:
            headers["Range"] = f"bytes={done}-"
            if tag and not tag.startswith("W/"):
                headers["If-Range"] = tag  # another version of the file starts again
        response = requests.get(url, headers=headers, timeout=self.timeout, stream=True)
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            response.close()
            headers.pop("Range")
            response = requests.get(url, headers=headers, timeout=self.timeout, stream=True)
        response.raise_for_status()
        return response

    def _start(self, response: requests.Response, file: BinaryIO, bar: Any) -> int:
        """Put `file` where the response goes on, and return that place."""
        place = 0
        if response.status_code == 206:  # "Content-Range: bytes 100-199/200"
            place = int(response.headers["Content-Range"].split()[1].split("-")[0])
        file.seek(place)
        file.truncate()
        if length := response.headers.get("Content-Length"):
            bar.total = place + int(length)
        bar.n = place
        bar.refresh()
        return place


def download_arrays(source: Source, folder: Path, downloader: ResumingDownloader) -> Arrays:
    """The arrays of `source` from its public host, by way of files in `folder`, checked by content.

    HELMHOLTZ_MIRROR, where it is set, names a folder (a URL) to take the files from instead.

    Raises:
        DatasetError: the host cannot be reached, or what it serves is not the set.
        OSError: `folder` cannot be written.
    """
    try:
        return _download_once(source, folder, downloader)
    except _WrongContentError:
        # The files arrived, but not as they should be: a connection that was cut unnoticed, or
        # leftovers of an earlier run. One more time from the beginning.
        try:
            return _download_once(source, folder, downloader)
        except _WrongContentError as error:
            raise DatasetError(f"{error} It was downloaded twice.") from error


class _WrongContentError(DatasetError):
    """The files are there, and are not those of the set."""


def _download_once(source: Source, folder: Path, downloader: ResumingDownloader) -> Arrays:
    import pooch  # type: ignore[import-untyped]
    import requests

    base = os.environ.get(MIRROR_VARIABLE) or source.base_url
    for file in source.files:
        url = f"{base.rstrip('/')}/{file.name}"
        known = file.md5 and f"md5:{file.md5}"
        try:
            with _quiet(pooch.get_logger()):
                pooch.retrieve(url, known, fname=file.name, path=folder, downloader=downloader)
        except requests.RequestException as error:
            raise DatasetError(f"{url} could not be downloaded: {_reason(error)}.") from error
        except ValueError as error:  # pooch: the MD5 sum differs
            raise _WrongContentError(f"{url} serves a file with another MD5 sum.") from error
    try:
        return parse_files(source, folder)
    except DatasetError as error:
        remove_files(source, folder)
        raise _WrongContentError(
            f"What {base} serves is not {source.dataset!r}: {error}"
        ) from error


def remove_files(source: Source, folder: Path) -> None:
    """Remove the public files of `source` from `folder`, which holds nothing else to keep."""
    for file in source.files:
        (folder / file.name).unlink(missing_ok=True)


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """The body as it was sent: a `.gz` stays one, even where the host calls that an encoding."""
    import requests
    import urllib3

    try:
        yield from response.raw.stream(1 << 16, decode_content=False)
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(error) from error


def _is_passing(error: requests.RequestException) -> bool:
    """Whether it may work a moment later: broken connections, a busy host; not "404 not found"."""
    return error.response is None or error.response.status_code in RETRIED_STATUSES


def _reason(error: BaseException) -> str:
    """The innermost cause, which is the one that says something ("Connection refused")."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return f"{type(error).__name__}: {error}"


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Without pooch's advice to programmers on each file."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
