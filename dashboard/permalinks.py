"""The address as a link to the view: read with care, written as the view changes.

What stands in an address may come from anybody. Every value is read by a rule, what breaks its rule
is left out, and the page says so and shows its default: `show_problems` belongs on each page.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.errors import StreamlitAPIException

__all__ = [
    "decode_bits",
    "decode_numbers",
    "encode_bits",
    "encode_numbers",
    "follow",
    "keep",
    "pass_over",
    "read_bits",
    "read_choice",
    "read_choices",
    "read_integer",
    "read_numbers",
    "refuse",
    "show_problems",
    "write",
]

FEW = 32  # numbers that are written out; more are packed
MOST = 2048  # numbers in a value whose size is not given
_LONGEST = 24  # characters of one number; ours have 11 at most
_PROBLEMS, _PASSED = "permalinks.problems", "permalinks.passed"
_SEEN = "permalinks.seen"
_T = TypeVar("_T")


def encode_numbers(values: NDArray[np.floating] | Sequence[float]) -> str:
    """Numbers as text for an address: "0.25,-1.3" or, for more than `FEW`, packed 16-bit floats."""
    array = np.asarray(values, dtype=np.float64)
    if len(array) <= FEW:
        return ",".join(f"{value:.4g}" for value in array)
    return "~" + _to_text(array.astype("<f2").tobytes())


def decode_numbers(text: str, size: int | None, low: float, high: float) -> NDArray[np.float32]:
    """The inverse of `encode_numbers`.

    Args:
        text: from an address.
        size: how many there must be; None allows from 1 to `MOST`.
        low, high: what each must lie between.

    Raises:
        ValueError: it is something else; the message is the rule, without the text.
    """
    many = "numbers" if size is None else f"{size} number{'s' if size != 1 else ''}"
    rule = f"must be {many} between {low:g} and {high:g}, separated by commas"
    if len(text) > (size or MOST) * _LONGEST:  # before any work is put into it
        raise ValueError(rule)
    try:
        if text.startswith("~"):
            array = np.frombuffer(_from_text(text[1:]), dtype="<f2").astype(np.float32)
        else:
            array = np.array([float(part) for part in text.split(",")], dtype=np.float32)
    except ValueError:
        raise ValueError(rule) from None
    wrong_size = len(array) == 0 or (size is not None and len(array) != size)
    if wrong_size or not np.isfinite(array).all() or array.min() < low or array.max() > high:
        raise ValueError(rule)
    return array


def encode_bits(bits: NDArray[np.bool_]) -> str:
    """Bits as text for an address."""
    return _to_text(np.packbits(np.asarray(bits, dtype=bool)).tobytes())


def decode_bits(text: str, size: int) -> NDArray[np.bool_]:
    """The inverse of `encode_bits`, `(size,)`.

    Raises:
        ValueError: it is something else; the message is the rule, without the text.
    """
    rule = f"must be {size} bits as this page writes them"
    if len(text) > size + 4:  # before any work is put into it
        raise ValueError(rule)
    try:
        packed = np.frombuffer(_from_text(text), dtype=np.uint8)
    except ValueError:
        raise ValueError(rule) from None
    if len(packed) != math.ceil(size / 8):
        raise ValueError(rule)
    return np.unpackbits(packed)[:size].astype(bool)


def read_integer(name: str, default: int, low: int, high: int) -> int:
    """A whole number from the address, or the default where there is none or a wrong one."""
    text = st.query_params.get(name)
    if text is None:
        return default
    sign = text[1:] if text.startswith("-") else text
    if sign.isascii() and sign.isdigit() and len(sign) <= 12 and low <= int(text) <= high:
        return int(text)
    return refuse(name, f"must be a whole number from {low} to {high}", default)


def read_choice(name: str, options: Sequence[str], default: str) -> str:
    """One of a few words from the address, or the default."""
    text = st.query_params.get(name)
    if text is None or text in options:
        return text or default
    known = ", ".join(options) if len(options) <= 8 else f"one of {len(options)} known names"
    return refuse(
        name, f"must be one of: {known}" if len(options) <= 8 else f"must be {known}", default
    )


def read_choices(name: str, options: Sequence[str]) -> list[str] | None:
    """Words separated by commas, each at most once, or None.

    An empty value is an empty choice.
    """
    text = st.query_params.get(name)
    if text is None:
        return None
    parts = text.split(",", len(options) + 1) if text else []
    if len(set(parts)) == len(parts) and set(parts) <= set(options):
        return parts
    return refuse(name, "must be known names, separated by commas, each once", None)


def read_numbers(
    name: str, size: int | None, low: float = -1e4, high: float = 1e4
) -> NDArray[np.float32] | None:
    """Numbers from the address, or None."""
    text = st.query_params.get(name)
    if text is None:
        return None
    try:
        return decode_numbers(text, size, low, high)
    except ValueError as error:
        return refuse(name, str(error), None)


def read_bits(name: str, size: int) -> NDArray[np.bool_] | None:
    """Bits from the address, or None."""
    text = st.query_params.get(name)
    if text is None:
        return None
    try:
        return decode_bits(text, size)
    except ValueError as error:
        return refuse(name, str(error), None)


def write(**values: str | int | None) -> None:
    """Put values into the address; None takes one out. Nothing else in it changes."""
    for name, value in values.items():
        if value is None:
            if name in st.query_params:
                del st.query_params[name]
        elif st.query_params.get(name) != str(value):
            st.query_params[name] = str(value)


def refuse(name: str, rule: str, default: _T) -> _T:
    """Note that what stands under `name` breaks a rule, for `show_problems`; returns the default.

    Args:
        name: in the address.
        rule: goes on from the name ("must be ..."), without the refused text: it may be anything.
        default: what is used instead.
    """
    st.session_state.setdefault(_PROBLEMS, {})[name] = rule
    return default


def pass_over(name: str, why: str) -> None:
    """Note that what stands under `name` is sound but not for this page, for `show_problems`.

    Args:
        name: in the address.
        why: a whole sentence, in Markdown that holds no unchecked text.
    """
    st.session_state.setdefault(_PASSED, {})[name] = why


def follow(key: str, name: str, read: Callable[[], object]) -> None:
    """Give the widget `key` what the address has under `name`; call it before the widget is made.

    The address counts when the widget is new and when it has changed by itself (the browser went
    back); otherwise the visitor's choice does.

    Args:
        key: of the widget, which must be given no value of its own.
        name: in the address.
        read: the value that the address has, or the default; one of the functions above.
    """
    text = st.query_params.get(name)
    seen: dict[str, str | None] = st.session_state.setdefault(_SEEN, {})
    if key not in st.session_state or seen.get(key) != text:
        st.session_state[key] = read()
    seen[key] = text


def keep(key: str, name: str, text: str | None) -> None:
    """Keep in the address what the widget `key` shows now; None, the default, is left out."""
    write(**{name: text})
    st.session_state.setdefault(_SEEN, {})[key] = text


def show_problems() -> None:
    """Say what of the address could not be used, and take it out; call it when all is read."""
    problems: dict[str, str] = st.session_state.pop(_PROBLEMS, {})
    passed: dict[str, str] = st.session_state.pop(_PASSED, {})
    for name in (*problems, *passed):
        if name in st.query_params:
            # The values of bound widgets are Streamlit's own, and it has set them right.
            with contextlib.suppress(StreamlitAPIException):
                del st.query_params[name]
    if problems:
        rules = "; ".join(f"`{name}` {rule}" for name, rule in problems.items())
        st.warning(
            f"This link is damaged; what cannot be read of it is left at its default: {rules}.",
            icon=":material/link_off:",
        )
    for why in passed.values():
        st.info(why, icon=":material/alt_route:")


def _to_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _from_text(text: str) -> bytes:
    """Raises ValueError for what is no base64."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
