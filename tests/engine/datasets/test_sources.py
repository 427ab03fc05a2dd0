from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.datasets.sources import content_checksum, parse_files, read_npz, write_npz
from engine.errors import DatasetError


def test_checksum_is_that_of_the_bytes_in_row_order() -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert content_checksum(array) == "17e88db187afd62c"  # sha256 of 00 01 02 03 04 05
    assert content_checksum(np.asfortranarray(array)) == content_checksum(array)


def test_written_arrays_are_read_again(film, tmp_path) -> None:
    path = tmp_path / "new" / "frey_faces.npz"
    write_npz(path, film.arrays)
    np.testing.assert_array_equal(read_npz(path, film.source)["images"], film.arrays["images"])


def test_optional_arrays_are_read_and_others_are_not(film, tmp_path) -> None:
    path = tmp_path / "set.npz"
    write_npz(path, {**film.arrays, "labels": np.zeros(3), "surplus": np.zeros(3)})
    source = replace(film.source, optional=("labels", "names"))
    assert read_npz(path, source).keys() == {"images", "labels"}


def test_failed_write_leaves_the_old_file_and_nothing_else(film, tmp_path) -> None:
    path = tmp_path / "set.npz"
    write_npz(path, film.arrays)
    before = path.read_bytes()

    class Unreadable:
        def __array__(self, *args: object) -> np.ndarray:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_npz(path, {**film.arrays, "last": Unreadable()})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_other_content_is_refused_with_both_checksums(film, tmp_path) -> None:
    path, images = tmp_path / "set.npz", film.arrays["images"].copy()
    images[0, 0, 0] ^= 1
    write_npz(path, {"images": images})
    found, expected = content_checksum(images), film.source.checksums["images"]
    with pytest.raises(DatasetError, match=f"array 'images' of 'frey' .* {found}, not {expected}"):
        read_npz(path, film.source)


def test_missing_array_is_refused(film, tmp_path) -> None:
    write_npz(tmp_path / "set.npz", {"other": np.zeros(2)})
    with pytest.raises(DatasetError, match="holds no array 'images'"):
        read_npz(tmp_path / "set.npz", film.source)


def test_nothing_is_unpickled(film, tmp_path) -> None:
    path, executed = tmp_path / "set.npz", []

    class Payload:
        def __reduce__(self):
            return executed.append, ("ran",)

    np.savez(path, images=np.array([Payload()], dtype=object))
    with pytest.raises(DatasetError, match="truncated or not a"):
        read_npz(path, film.source)
    np.save(path.with_suffix(".npy"), np.zeros(3))
    with pytest.raises(DatasetError, match="truncated or not a"):
        read_npz(path.with_suffix(".npy"), film.source)
    assert executed == []


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_broken_npz_is_refused_or_holds_the_right_content(data, film, tmp_path) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, images=film.arrays["images"])  # not compressed: damage reaches the headers too
    body = bytearray(path.read_bytes())
    ends = st.one_of(st.integers(0, 300), st.integers(len(body) - 150, len(body) - 1))
    if data.draw(st.booleans(), label="truncate"):
        body = body[: data.draw(ends)]
    else:
        body[data.draw(ends)] ^= data.draw(st.integers(1, 255))
    path.write_bytes(body)
    refused = str(path)
    try:
        arrays = read_npz(path, film.source)
    except DatasetError as error:
        refused = str(error)
    else:
        np.testing.assert_array_equal(arrays["images"], film.arrays["images"])
    assert str(path) in refused


def test_public_files_are_parsed_and_checked(grey, tmp_path) -> None:
    arrays = parse_files(grey.source, grey.write(tmp_path))
    for name, array in grey.arrays.items():
        np.testing.assert_array_equal(arrays[name], array)


def test_missing_public_file_is_named(grey, tmp_path) -> None:
    grey.write(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DatasetError, match=r"t10k-labels-idx1-ubyte\.gz is missing"):
        parse_files(grey.source, tmp_path)
