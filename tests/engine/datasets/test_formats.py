from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from scipy.io import savemat

from engine.datasets.formats import read_amat, read_idx
from engine.datasets.matrices import read_frey_film
from engine.errors import DatasetError

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
IDX = struct.pack(">HBB3I", 0, 8, 3, 2, 3, 4) + IMAGES.tobytes()


@pytest.mark.parametrize("body", [IDX, gzip.compress(IDX)])
def test_idx_file_is_read_gzipped_or_not(body, tmp_path) -> None:
    path = tmp_path / "images"
    path.write_bytes(body)
    np.testing.assert_array_equal(read_idx(path), IMAGES)
    assert read_idx(path).flags.writeable  # torch warns about arrays that are not


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not an IDX file"),
        (b"<html>", "not an IDX file"),
        (b"\0\0\x0d\x01" + bytes(8), "not an IDX file of unsigned bytes"),
        (b"\0\0\x08\xc8" + struct.pack(">200I", *[1] * 200) + b"1", "is damaged"),
        (IDX[:9], "ends? inside the IDX header"),
        (IDX[:-1], r"truncated: 23 bytes for shape \(2, 3, 4\), not 24"),
        (IDX + b"x", "holds too much: 25 bytes"),
        (gzip.compress(IDX)[:-4], "may be truncated"),
        (gzip.compress(IDX)[:12] + b"xxxx", "may be truncated"),
    ],
)
def test_malformed_idx_file_is_refused_by_name(body, message, tmp_path) -> None:
    path = tmp_path / "images"
    path.write_bytes(body)
    with pytest.raises(DatasetError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["{}\n{}\n", "{}\n{}", "{} \r\n{} \r\n"])
def test_rows_of_bits_are_read_and_packed(text, tmp_path) -> None:
    rows = np.random.default_rng(0).integers(0, 2, (2, 16))
    path = tmp_path / "rows.amat"
    path.write_text(text.format(*(" ".join(map(str, row)) for row in rows)), newline="")
    np.testing.assert_array_equal(read_amat(path, 16), np.packbits(rows, axis=1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1 0 1 0 1 0 1\n0 1 0\n", "truncated or no table of bits"),
        ("0 1 0 1\n0 1 0 1\n", r"shape \(2, 4\), not \(n, 8\)"),
        ("0 1 0 1 0 1 0 2\n", "holds the value 2"),
        ("0 1 0 1 0 1 0 1000\n", "truncated or no table of bits"),
        ("0 1 0 1 0 1 0 -1\n", "truncated or no table of bits"),
        ("0 1 0 1 0 1 0 x\n", "truncated or no table of bits"),
        ("<html></html>", "truncated or no table of bits"),
        ("", "shorter than one row"),
        ("0 1 0 1 0 1 0 \xe9\n", "truncated or no table of bits"),
    ],
)
def test_malformed_rows_of_bits_are_refused_by_name(text, message, tmp_path) -> None:
    path = tmp_path / "rows.amat"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(DatasetError, match=message) as caught:
        read_amat(path, 8)
    assert str(path) in str(caught.value)


def test_film_columns_are_frames_in_row_order(tmp_path) -> None:
    film = np.random.default_rng(0).integers(0, 256, (3, 28, 20), dtype=np.uint8)
    savemat(tmp_path / "film.mat", {"ff": film.reshape(3, 560).T})
    np.testing.assert_array_equal(read_frey_film(tmp_path / "film.mat"), film)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"other": np.zeros((560, 2), np.uint8)}, "must hold a numeric array `ff`"),
        ({"ff": np.zeros((560, 2))}, r"must hold `ff`, uint8 \(560, n\); got float64"),
        ({"ff": np.zeros((2, 560), np.uint8)}, r"must hold `ff`, .*; got uint8 \(2, 560\)"),
    ],
)
def test_film_with_other_arrays_is_refused(content, message, tmp_path) -> None:
    savemat(tmp_path / "film.mat", content)
    with pytest.raises(DatasetError, match=message):
        read_frey_film(tmp_path / "film.mat")


@pytest.mark.parametrize("keep", [0, 60, 200, -10])
def test_truncated_film_is_refused(keep, tmp_path) -> None:
    path = tmp_path / "film.mat"
    savemat(path, {"ff": np.ones((560, 3), np.uint8)})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DatasetError, match=r"truncated or no MATLAB 5 file|must hold .*`ff`"):
        read_frey_film(path)
