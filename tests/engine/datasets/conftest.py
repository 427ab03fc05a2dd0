"""A public host on loopback, and small sets in the public formats for it to serve."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from engine.datasets.download import ResumingDownloader
from engine.datasets.frey import FREY
from engine.datasets.mnist import BINARIZED_MNIST, MNIST
from engine.datasets.sources import Arrays, RemoteFile, Source, content_checksum


@dataclass
class Host:
    """What the server serves and how badly; every request is noted in `requests`."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # (name, Range)
    drops: list[int] = field(default_factory=list)  # bytes sent before each of the next hang-ups
    statuses: list[int] = field(default_factory=list)  # of the next answers; 0: as usual
    bodies: list[bytes] = field(default_factory=list)  # of the next answers, before `files`
    ranges: bool = True  # whether "Range" is understood
    lengths: bool = True  # whether "Content-Length" is sent
    tags: list[str] = field(default_factory=list)  # "ETag" of the next answers
    encoding: str | None = None  # "Content-Encoding" to claim


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host: Host

    def do_GET(self) -> None:
        host, name = self.host, self.path.lstrip("/")
        wanted = self.headers.get("Range")
        host.requests.append((name, wanted))
        if host.statuses and (status := host.statuses.pop(0)):
            return self.send_empty(status)
        if name not in host.files:
            return self.send_empty(404)
        body, start = host.bodies.pop(0) if host.bodies else host.files[name], 0
        tag = host.tags.pop(0) if host.tags else None
        if wanted and host.ranges and self.headers.get("If-Range") in (None, tag):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if tag:
            self.send_header("ETag", tag)
        if host.encoding:
            self.send_header("Content-Encoding", host.encoding)
        if host.lengths:
            self.send_header("Content-Length", str(len(body) - start))
        if host.drops or not host.lengths:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body[start:][: host.drops.pop(0)] if host.drops else body[start:])

    def send_empty(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Nothing: `Host.requests` has it."""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    host = Host()
    handler = type("HostHandler", (Handler,), {"host": host})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        host.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield host
        server.shutdown()
        thread.join()


# Noted before `cache` takes the variable away.
REAL_ROOT = os.environ.get("HELMHOLTZ_DATA")


@pytest.fixture
def real_root() -> Path:
    if not REAL_ROOT or not (Path(REAL_ROOT) / "mnist.npz").is_file():
        pytest.skip("HELMHOLTZ_DATA names no folder with the real data sets")
    return Path(REAL_ROOT)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and no data root: no test sees what this machine has."""
    monkeypatch.setenv("HELMHOLTZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HELMHOLTZ_DATA", raising=False)
    monkeypatch.delenv("HELMHOLTZ_MIRROR", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def impatient() -> ResumingDownloader:
    return ResumingDownloader(pause=0.0, progress=False)


@dataclass
class PublicSet:
    """A small set: its arrays, its public files, and the source that describes both."""

    source: Source
    arrays: Arrays
    files: dict[str, bytes]

    def at(self, url: str) -> Source:
        return replace(self.source, base_url=url)

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, body in self.files.items():
            (folder / name).write_bytes(body)
        return folder


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def grey_set(train: int = 60, test: int = 12) -> PublicSet:
    random = np.random.default_rng(0)
    arrays = {
        "train_images": random.integers(0, 256, (train, 28, 28), dtype=np.uint8),
        "train_labels": (np.arange(train) % 10).astype(np.uint8),
        "test_images": random.integers(0, 256, (test, 28, 28), dtype=np.uint8),
        "test_labels": (np.arange(test) % 10).astype(np.uint8),
    }
    names = (file.name for file in MNIST.files)
    files = {
        name: gzip.compress(idx(array), 1, mtime=0)
        for name, array in zip(names, arrays.values(), strict=True)
    }
    return PublicSet(describe(MNIST, arrays, files, md5=True), arrays, files)


def static_set(grey: PublicSet) -> PublicSet:
    """Rows drawn from `grey`: training and validation rows shuffled, with 50 and 10 of 60."""
    random = np.random.default_rng(1)
    order = random.permutation(60)
    images = {
        "train": grey.arrays["train_images"][order[:50]],
        "valid": grey.arrays["train_images"][order[50:]],
        "test": grey.arrays["test_images"],
    }
    arrays, files = {}, {}
    for split, values in images.items():
        bits = random.random((len(values), 784)) < values.reshape(-1, 784) / 255
        arrays[f"{split}_bits"] = np.packbits(bits, axis=1)
        rows = [" ".join(map(str, row)) for row in bits.astype(int)]
        files[f"binarized_mnist_{split}.amat"] = ("\n".join(rows) + "\n").encode()
    return PublicSet(describe(BINARIZED_MNIST, arrays, files, md5=False), arrays, files)


def film_set(frames: int = 45) -> PublicSet:
    from scipy.io import savemat

    film = np.random.default_rng(2).integers(0, 256, (frames, 28, 20), dtype=np.uint8)
    buffer = io.BytesIO()
    savemat(buffer, {"ff": film.reshape(frames, 560).T})
    arrays, files = {"images": film}, {"frey_rawface.mat": buffer.getvalue()}
    return PublicSet(describe(FREY, arrays, files, md5=False), arrays, files)


def describe(source: Source, arrays: Arrays, files: dict[str, bytes], md5: bool) -> Source:
    return replace(
        source,
        files=tuple(
            RemoteFile(name, hashlib.md5(body).hexdigest() if md5 else None)
            for name, body in files.items()
        ),
        checksums={name: content_checksum(array) for name, array in arrays.items()},
    )


@pytest.fixture(scope="session")
def grey() -> PublicSet:
    return grey_set()


@pytest.fixture(scope="session")
def static(grey: PublicSet) -> PublicSet:
    return static_set(grey)


@pytest.fixture(scope="session")
def film() -> PublicSet:
    return film_set()
