"""Links: what is written is read back, and what anybody may have put there does no harm."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from dashboard.permalinks import (
    FEW,
    decode_bits,
    decode_numbers,
    encode_bits,
    encode_numbers,
)

HUGE = 2_000_000  # characters: far more than a server takes as an address

floats = st.floats(-999, 999, allow_nan=False, width=32)


@given(st.lists(floats, min_size=1, max_size=FEW))
def test_few_numbers_come_back_to_four_digits(values: list[float]) -> None:
    text = encode_numbers(values)
    assert not text.startswith("~")
    back = decode_numbers(text, len(values), -1000, 1000)
    np.testing.assert_allclose(back, values, rtol=6e-4, atol=1e-30)
    # What was read is written as it stood: a link does not drift as it is passed on.
    assert encode_numbers(back) == text


@given(st.lists(floats, min_size=FEW + 1, max_size=700))
def test_many_numbers_come_back_as_16_bit_floats(values: list[float]) -> None:
    text = encode_numbers(values)
    back = decode_numbers(text, len(values), -1000, 1000)
    np.testing.assert_array_equal(back, np.array(values).astype(np.float16).astype(np.float32))
    assert encode_numbers(back) == text
    assert len(text) < 3 * len(values) + 2


@given(st.lists(st.booleans(), min_size=1, max_size=900))
def test_bits_come_back(values: list[bool]) -> None:
    text = encode_bits(np.array(values))
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert decode_bits(text, len(values)).tolist() == values


anything = st.one_of(
    st.text(max_size=60),
    st.text("0123456789.,-+eEnaif~_ ", max_size=60),
    st.binary(max_size=60).map(lambda data: "~" + data.decode("latin-1")),
    st.sampled_from(
        ["", "~", ",", "nan", "inf", "1e999", "-1e999", "1,,2", "~AAA", "~AA==", "0x1"]
    ),
)


@given(anything, st.sampled_from([None, 1, 2, 40]))
def test_anything_is_read_as_numbers_in_range_or_refused_by_the_rule(text, size) -> None:
    try:
        found = decode_numbers(text, size, -5, 5)
    except ValueError as error:
        rule = str(error)
        assert rule.startswith("must be ")
        assert rule.endswith("between -5 and 5, separated by commas")
    else:
        assert found.dtype == np.float32
        assert size in (None, len(found))
        assert ((found >= -5) & (found <= 5)).all()


@given(anything, st.sampled_from([1, 8, 560]))
def test_anything_is_read_as_bits_or_refused_by_the_rule(text, size) -> None:
    try:
        found = decode_bits(text, size)
    except ValueError as error:
        rule = str(error)
        assert rule == f"must be {size} bits as this page writes them"
    else:
        assert found.shape == (size,)
        assert found.dtype == bool


@pytest.mark.parametrize(
    "read",
    [
        lambda text: decode_numbers(text, 2, -5, 5),
        lambda text: decode_numbers(text, None, -5, 5),
        lambda text: decode_bits(text, 784),
    ],
    ids=["two numbers", "any numbers", "bits"],
)
@pytest.mark.parametrize("start", ["", "~", "1,"])
@pytest.mark.parametrize("filling", ["1,", "9", "A", "-", "é"])
def test_a_huge_forged_value_is_refused_at_once(
    read: Callable[[str], object], start: str, filling: str
) -> None:
    text = start + filling * (HUGE // len(filling))
    began = time.perf_counter()
    with pytest.raises(ValueError, match="must be"):
        read(text)
    assert time.perf_counter() - began < 0.05


def reading() -> None:
    import numpy as np
    import streamlit as st

    from dashboard import permalinks

    values = {
        "seed": permalinks.read_integer("seed", 3, -10, 100),
        "method": permalinks.read_choice("method", ["gibbs", "metropolis"], "gibbs"),
        "parts": permalinks.read_choices("parts", ["a", "b"]),
        "z": permalinks.read_numbers("z", 2),
        "mask": permalinks.read_bits("mask", 4),
    }
    st.text(repr({k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in values.items()}))
    permalinks.show_problems()


DEFAULTS = {"seed": 3, "method": "gibbs", "parts": None, "z": None, "mask": None}


def opened(**query: str) -> tuple[dict, list[str]]:
    page = AppTest.from_function(reading, default_timeout=30)
    for name, value in query.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception, page.exception
    return ast.literal_eval(page.text[0].value), [warning.value for warning in page.warning]


def test_a_whole_link_is_read_without_a_word() -> None:
    found, warnings = opened(
        seed="-7", method="metropolis", parts="b,a", z="0.25,-1.3", mask=encode_bits([1, 0, 1, 1])
    )
    assert found["seed"] == -7
    assert found["method"] == "metropolis"
    assert found["parts"] == ["b", "a"]
    assert found["z"] == pytest.approx([0.25, -1.3])
    assert found["mask"] == [True, False, True, True]
    assert warnings == []


def test_an_address_without_values_gives_the_defaults_without_a_word() -> None:
    assert opened() == (DEFAULTS, [])


def test_an_empty_choice_is_a_choice() -> None:
    assert opened(parts="")[0]["parts"] == []


@pytest.mark.parametrize(
    ("name", "values", "rule"),
    [
        (
            "seed",
            ["", "x", "1.5", "101", "-11", "1e3", "٣", "--1", "9" * 5000],
            "a whole number from -10 to 100",
        ),
        ("method", ["", "Gibbs", "gibbs,metropolis", "<b>x</b>"], "one of: gibbs, metropolis"),
        ("parts", ["c", "a,a", "a,", ",", "a;b", "a," * 5000], "known names"),
        (
            "z",
            ["", "1", "1,2,3", "nan,1", "1,inf", "1e5,0", "~AA"],
            "2 numbers between -10000 and 10000",
        ),
        ("mask", ["", "AAAA", "*", "é"], "4 bits"),
    ],
)
def test_a_broken_value_gives_its_default_and_a_message_with_the_rule(name, values, rule) -> None:
    for value in values:
        found, warnings = opened(**{name: value})
        assert found == DEFAULTS, value
        (warning,) = warnings
        assert "This link is damaged" in warning
        assert f"`{name}` must be {rule}" in warning


def test_all_broken_values_are_told_in_one_message_without_their_text() -> None:
    evil = "[click](javascript:alert(1)) `x` :red[y]"
    found, (warning,) = opened(seed=evil, method=evil, parts=evil, z=evil, mask=evil)
    assert found == DEFAULTS
    assert all(f"`{name}`" in warning for name in DEFAULTS)
    for piece in ("click", "javascript", "red["):
        assert piece not in warning


def test_what_was_refused_is_taken_out_of_the_address_and_the_rest_stays() -> None:
    page = AppTest.from_function(reading, default_timeout=30)
    for name, value in {"seed": "x", "z": "1,2", "other": "stays"}.items():
        page.query_params[name] = value
    assert page.run().warning
    assert page.query_params == {"z": "1,2", "other": "stays"}
    assert not page.run().warning


def writing() -> None:
    import streamlit as st

    from dashboard import permalinks

    permalinks.write(z="1,2", seed=4, step=None, gone=None)
    st.text(dict(st.query_params))


def test_writing_changes_what_is_named_and_nothing_else() -> None:
    page = AppTest.from_function(writing, default_timeout=30)
    for name, value in {"other": "stays", "seed": "9", "gone": "x"}.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    assert ast.literal_eval(page.text[0].value) == {"other": "stays", "z": "1,2", "seed": "4"}


def problem_once() -> None:
    import streamlit as st

    from dashboard import permalinks

    if not st.session_state.get("read"):
        st.session_state["read"] = True
        permalinks.refuse("z", "must be so", None)
    permalinks.show_problems()


def test_a_problem_is_told_once() -> None:
    page = AppTest.from_function(problem_once, default_timeout=30).run()
    assert "`z` must be so" in page.warning[0].value
    assert not page.run().warning
