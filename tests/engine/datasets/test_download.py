"""Downloads from a host on loopback that serves the public formats, well and badly."""

from __future__ import annotations

import gzip
import logging
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.datasets.download import ResumingDownloader
from engine.datasets.places import load_arrays
from engine.errors import DatasetError


def files_under(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def assert_same(arrays, expected) -> None:
    assert arrays.keys() >= expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(arrays[name], array)


@pytest.mark.parametrize("name", ["grey", "static", "film"])
def test_set_is_downloaded_parsed_and_kept_for_the_next_time(
    name, request, host, cache, impatient
) -> None:
    public = request.getfixturevalue(name)
    host.files = public.files
    assert_same(load_arrays(public.at(host.url), downloader=impatient), public.arrays)
    assert [asked for asked, _ in host.requests] == list(public.files)
    assert files_under(cache) == [f"{public.source.name}.npz"]

    host.requests.clear()
    assert_same(load_arrays(public.at(host.url), downloader=impatient), public.arrays)
    assert host.requests == []


def test_download_goes_on_where_the_connection_broke(host, film, impatient) -> None:
    host.files, host.drops = film.files, [5000, 7000]
    assert_same(load_arrays(film.at(host.url), downloader=impatient), film.arrays)
    assert [wanted for _, wanted in host.requests] == [None, "bytes=5000-", "bytes=12000-"]


def test_download_starts_again_where_the_host_knows_no_ranges(host, film, impatient) -> None:
    host.files, host.drops, host.ranges = film.files, [5000], False
    assert_same(load_arrays(film.at(host.url), downloader=impatient), film.arrays)
    assert [wanted for _, wanted in host.requests] == [None, "bytes=5000-"]


def test_download_starts_again_where_the_file_has_changed_meanwhile(host, grey, impatient) -> None:
    name = next(iter(grey.files))
    size = len(grey.files[name])
    # More arrives of the old file than the new one holds: nothing of it may stay behind.
    host.files, host.bodies, host.drops = grey.files, [bytes(size + 2000)], [size + 1000]
    host.tags = ['"old"', '"new"']
    assert_same(load_arrays(grey.at(host.url), downloader=impatient), grey.arrays)
    assert host.requests[:2] == [(name, None), (name, f"bytes={size + 1000}-")]
    assert len(host.requests) == 5


def test_download_goes_on_where_the_tag_says_that_the_file_is_the_same(
    host, film, impatient
) -> None:
    host.files, host.drops, host.tags = film.files, [5000, 3000], ['"same"'] * 3
    assert_same(load_arrays(film.at(host.url), downloader=impatient), film.arrays)
    assert [wanted for _, wanted in host.requests] == [None, "bytes=5000-", "bytes=8000-"]


def test_download_starts_again_where_the_host_refuses_the_range(host, film, impatient) -> None:
    host.files, host.drops, host.statuses = film.files, [5000], [0, 416]
    assert_same(load_arrays(film.at(host.url), downloader=impatient), film.arrays)
    assert [wanted for _, wanted in host.requests] == [None, "bytes=5000-", None]


def test_connection_that_breaks_each_time_gives_up_and_leaves_nothing(
    host, film, cache, impatient
) -> None:
    host.files, host.drops = film.files, [0] * 100
    with pytest.raises(DatasetError, match="could not be downloaded"):
        load_arrays(film.at(host.url), downloader=impatient)
    assert len(host.requests) == impatient.attempts
    assert files_under(cache) == []


def test_connection_cut_unnoticed_is_downloaded_once_more(host, film, impatient) -> None:
    host.files, host.drops, host.lengths = film.files, [5000], False
    assert_same(load_arrays(film.at(host.url), downloader=impatient), film.arrays)
    assert [wanted for _, wanted in host.requests] == [None, None]


def test_missing_file_is_named_and_not_asked_for_again(host, grey, cache, impatient) -> None:
    missing = "t10k-images-idx3-ubyte.gz"
    host.files = {name: body for name, body in grey.files.items() if name != missing}
    with pytest.raises(DatasetError, match=rf"{host.url}/{missing} could not .* 404"):
        load_arrays(grey.at(host.url), downloader=impatient)
    assert [name for name, _ in host.requests].count(missing) == 1
    assert not (cache / "mnist.npz").exists()


def test_busy_host_is_asked_again(host, film, impatient) -> None:
    host.files, host.statuses = film.files, [503, 429]
    assert_same(load_arrays(film.at(host.url), downloader=impatient), film.arrays)
    assert len(host.requests) == 3


def test_files_that_arrived_before_a_failure_are_not_fetched_again(host, grey, impatient) -> None:
    first, *others = grey.files
    host.files = {first: grey.files[first]}
    with pytest.raises(DatasetError, match="404"):
        load_arrays(grey.at(host.url), downloader=impatient)
    host.files = grey.files
    host.requests.clear()
    assert_same(load_arrays(grey.at(host.url), downloader=impatient), grey.arrays)
    assert [name for name, _ in host.requests] == others


def test_corrupted_file_is_refused_by_its_md5_sum(host, grey, cache, impatient) -> None:
    name = next(iter(grey.files))
    body = bytearray(grey.files[name])
    body[len(body) // 2] ^= 1
    host.files = {**grey.files, name: bytes(body)}
    with pytest.raises(DatasetError, match=f"{name} serves a file with another MD5 sum"):
        load_arrays(grey.at(host.url), downloader=impatient)
    assert files_under(cache) == []


def test_other_content_in_the_right_format_is_refused_by_its_checksum(
    host, static, cache, impatient
) -> None:
    name = "binarized_mnist_valid.amat"
    body = static.files[name]
    host.files = {**static.files, name: (b"1" if body[:1] == b"0" else b"0") + body[1:]}
    with pytest.raises(DatasetError, match=r"'valid_bits' .* has the checksum"):
        load_arrays(static.at(host.url), downloader=impatient)
    assert files_under(cache) == []


def test_truncated_text_file_is_refused(host, static, cache, impatient) -> None:
    name = "binarized_mnist_test.amat"
    host.files = {**static.files, name: static.files[name][:-400]}
    with pytest.raises(DatasetError, match=f"{name} is truncated"):
        load_arrays(static.at(host.url), downloader=impatient)
    assert files_under(cache) == []


def test_login_page_in_place_of_the_file_is_refused(host, film, cache, impatient) -> None:
    host.files = {"frey_rawface.mat": b"<html>Please log in to this network</html>"}
    with pytest.raises(DatasetError, match="no MATLAB 5 file"):
        load_arrays(film.at(host.url), downloader=impatient)
    assert files_under(cache) == []


def test_gz_file_stays_one_where_the_host_calls_it_an_encoding(host, grey, impatient) -> None:
    host.files, host.encoding = grey.files, "gzip"
    assert_same(load_arrays(grey.at(host.url), downloader=impatient), grey.arrays)


def test_unreachable_host_says_what_was_tried_and_what_to_do(film, cache, impatient) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(DatasetError) as caught:
        load_arrays(film.at(url), downloader=impatient)
    message = str(caught.value)
    for part in (
        "'frey' is not here",
        "HELMHOLTZ_DATA is not set",
        str(cache / "frey_faces.npz"),
        f"{url}/frey_rawface.mat could not be downloaded: ConnectionRefusedError",
        "python -m engine data fetch frey",
        "'digits-mini'",
    ):
        assert part in message


def test_cache_that_cannot_be_written_is_an_error_of_the_data_set(
    host, film, cache, impatient
) -> None:
    host.files = film.files
    cache.write_text("a file where the folder should be")
    with pytest.raises(DatasetError, match="'frey' is not here"):
        load_arrays(film.at(host.url), downloader=impatient)


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:200] + b"x" + b[201:]]
)
def test_broken_file_in_the_cache_is_named_and_fetched_again(
    damage, host, film, cache, impatient, caplog
) -> None:
    host.files = film.files
    load_arrays(film.at(host.url), downloader=impatient)
    kept = cache / "frey_faces.npz"
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    with caplog.at_level(logging.WARNING):
        assert_same(load_arrays(film.at(host.url), downloader=impatient), film.arrays)
    assert str(kept) in caplog.text
    assert "fetched again" in caplog.text
    assert len(host.requests) == 2
    assert len(kept.read_bytes()) == len(whole)


def test_mirror_takes_the_place_of_the_public_host(host, film, impatient, monkeypatch) -> None:
    host.files = film.files
    monkeypatch.setenv("HELMHOLTZ_MIRROR", f"{host.url}/")
    assert_same(load_arrays(film.source, downloader=impatient), film.arrays)
    assert [name for name, _ in host.requests] == ["frey_rawface.mat"]


def test_progress_is_drawn_on_standard_error_alone(host, film, capsys) -> None:
    host.files, host.drops = film.files, [5000]
    load_arrays(film.at(host.url), downloader=ResumingDownloader(pause=0.0))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "frey_rawface.mat: 100%" in shown.err


def test_truncated_gz_is_refused_where_no_md5_sum_is_known(host, grey, cache, impatient) -> None:
    source = replace(
        grey.at(host.url), files=tuple(replace(file, md5=None) for file in grey.source.files)
    )
    name = "train-images-idx3-ubyte.gz"
    host.files = {**grey.files, name: grey.files[name][:-100]}
    with pytest.raises(DatasetError, match=f"{name} cannot be read, it may be truncated"):
        load_arrays(source, downloader=impatient)
    short = gzip.decompress(grey.files[name])[:-10]
    host.files = {**grey.files, name: gzip.compress(short)}
    with pytest.raises(DatasetError, match=rf"{name} is truncated"):
        load_arrays(source, downloader=impatient)
    assert files_under(cache) == []
