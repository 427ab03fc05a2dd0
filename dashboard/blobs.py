"""One binary message for the browser: a JSON header and named arrays.

A component of Streamlit takes bytes only as the whole of its data, so everything that it needs goes
into one message; `dashboard/frontend/blob.js` takes it apart.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["TYPES", "pack", "pack_bits"]

TYPES = ("float16", "float32", "int16", "int32", "uint8", "uint16", "uint32")
_MAGIC = b"HHZ1"
_ALIGN = 8


def pack(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The message: "HHZ1", the header's length (uint32), the header, then each array from a
    multiple of 8 bytes on; little-endian throughout.

    Args:
        header: what JSON can hold; gets a key "arrays" with type, offset and size of each.
        arrays: any shape, of one of `TYPES`; the browser sees them flat, in C order.

    Raises:
        ValueError: an array is of another type, or `header` has a key "arrays".
    """
    if "arrays" in header:
        raise ValueError('`header` must not have the key "arrays": the message writes its own.')
    for name, array in arrays.items():
        if array.dtype.name not in TYPES:
            raise ValueError(f"`arrays[{name!r}]` must be one of {TYPES}; got {array.dtype}.")
    # Offsets depend on the header's length and the header holds the offsets: they are written
    # relative to the first array at first, whose place is known once the digits are counted.
    relative, total = {}, 0
    for name, array in arrays.items():
        relative[name] = total
        total += -(-array.nbytes // _ALIGN) * _ALIGN
    start = 0
    while True:
        table = {
            name: {"type": array.dtype.name, "offset": start + relative[name], "size": array.size}
            for name, array in arrays.items()
        }
        text = json.dumps({**header, "arrays": table}, separators=(",", ":"), allow_nan=False)
        encoded = text.encode()
        needed = -(-(len(_MAGIC) + 4 + len(encoded)) // _ALIGN) * _ALIGN
        if needed <= start:
            break
        start = needed
    out = bytearray(start + total)
    out[:8] = _MAGIC + struct.pack("<I", len(encoded))
    out[8 : 8 + len(encoded)] = encoded
    for name, array in arrays.items():
        place = start + relative[name]
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        out[place : place + array.nbytes] = little.tobytes()
    return bytes(out)


def pack_bits(bits: NDArray[Any]) -> NDArray[np.uint8]:
    """Rows of bits `(n, width)`, eight to a byte with the highest first, `(n, ceil(width / 8))`."""
    return np.packbits(np.asarray(bits) > 0, axis=-1)
