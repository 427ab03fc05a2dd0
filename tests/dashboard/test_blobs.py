"""The binary message to the browser, taken apart here as dashboard/frontend/blob.js does there."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from dashboard.blobs import TYPES, pack, pack_bits


def unpack(data: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """By the words of the format alone: nothing of `dashboard.blobs` is used."""
    assert data[:4] == b"HHZ1"
    (length,) = struct.unpack("<I", data[4:8])
    header = json.loads(data[8 : 8 + length])
    found = {}
    for name, entry in header.pop("arrays").items():
        assert entry["offset"] % 8 == 0
        assert entry["offset"] >= 8 + length
        kind = np.dtype(entry["type"]).newbyteorder("<")
        found[name] = np.frombuffer(data, kind, entry["size"], entry["offset"])
    return header, found


some_array = st.sampled_from(TYPES).flatmap(
    lambda kind: arrays_of.arrays(kind, arrays_of.array_shapes(min_dims=1, min_side=0, max_side=5))
)
some_header = st.dictionaries(
    st.text(max_size=5).filter(lambda name: name != "arrays"),
    st.one_of(st.none(), st.booleans(), st.integers(-1000, 1000), st.text(max_size=200)),
    max_size=5,
)


@given(some_header, st.dictionaries(st.text(max_size=8), some_array, max_size=6))
def test_every_message_comes_back_whole(header, arrays) -> None:
    data = pack(header, arrays)
    found_header, found = unpack(data)
    assert found_header == header
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array.ravel())
    ends = [len(data) % 8 == 0 or not arrays, len(data) >= sum(a.nbytes for a in arrays.values())]
    assert all(ends)


def test_arrays_that_lie_otherwise_in_memory_are_sent_in_c_order() -> None:
    array = np.arange(6, dtype=np.int32).reshape(2, 3)
    _, found = unpack(pack({}, {"f": np.asfortranarray(array), "step": array[:, ::2]}))
    assert found["f"].tolist() == [0, 1, 2, 3, 4, 5]
    assert found["step"].tolist() == [0, 2, 3, 5]


def test_big_endian_arrays_are_sent_little_endian() -> None:
    _, found = unpack(pack({}, {"a": np.array([1, 256], dtype=">u2")}))
    assert found["a"].tolist() == [1, 256]


@pytest.mark.parametrize("kind", ["float64", "int64", "bool", "complex64", "O"])
def test_an_array_of_another_type_is_refused_by_name(kind: str) -> None:
    with pytest.raises(ValueError, match=r"`arrays\['weights'\]` must be one of"):
        pack({}, {"weights": np.zeros(2, dtype=kind)})


def test_a_header_must_leave_the_key_of_the_arrays_free() -> None:
    with pytest.raises(ValueError, match='must not have the key "arrays"'):
        pack({"arrays": {}}, {})


def test_what_json_cannot_hold_is_refused_and_not_sent_as_something_else() -> None:
    with pytest.raises(ValueError, match="JSON"):
        pack({"loss": float("nan")}, {})


@given(arrays_of.arrays(bool, st.tuples(st.integers(1, 4), st.integers(1, 30))))
def test_bits_are_packed_row_by_row_with_the_highest_first(bits) -> None:
    packed = pack_bits(bits)
    assert packed.shape == (len(bits), -(-bits.shape[1] // 8))
    for row, packed_row in zip(bits, packed, strict=True):
        read = [(packed_row[i // 8] >> (7 - i % 8)) & 1 for i in range(len(row))]
        assert read == row.tolist()
