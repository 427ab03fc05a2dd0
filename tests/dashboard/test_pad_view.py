"""The view of the latent pad in the address: there and back, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import streamlit as st
from hypothesis import given
from hypothesis import strategies as some

from dashboard.logic.latent_space import pad_view
from dashboard.logic.latent_space.pad_view import (
    MOST_PINS,
    PadRules,
    PadView,
    Pin,
    checked,
    link,
    read,
)

RULES = PadRules(
    latents=3, bits=False, axes=3, quantiles=False, classes=10, images=100, has_plane=True
)
BITS = replace(RULES, latents=40, bits=True)
VIEW = PadView(
    show="manifold",
    axes=(2, 0),
    tool="lasso",
    grey=(3, 7),
    window=(0.5, -1.25, 2.0),
    pins=(
        Pin(np.array([1.5, -2.25, 0.125], np.float32)),
        Pin(np.array([0, 0, 1], np.float32), 42),
        Pin(np.array([0.5, 0.25, -1], np.float32)),
    ),
    hold=1,
    between=(0, 2),
)


class Address(dict):
    """As much of `st.query_params` as is used."""


@pytest.fixture(autouse=True)
def address(monkeypatch: pytest.MonkeyPatch) -> Address:
    there = Address()
    monkeypatch.setattr(st, "query_params", there)
    monkeypatch.setattr(st, "session_state", {})
    return there


def put(address: Address, view: PadView) -> None:
    address.clear()
    address.update({name: text for name, text in link(view).items() if text is not None})


def damaged() -> set[str]:
    return set(st.session_state.get("permalinks.problems", {}))


def same(first: PadView, second: PadView) -> bool:
    return first.for_browser() == second.for_browser()


def test_the_default_view_leaves_the_address_empty(address: Address) -> None:
    put(address, PadView())
    assert address == {}
    assert same(read(RULES), PadView())


def test_a_view_comes_back_from_the_address(address: Address) -> None:
    put(address, VIEW)
    assert same(read(RULES), VIEW)
    assert damaged() == set()


def test_a_view_comes_back_from_the_browser() -> None:
    found = checked(VIEW.for_browser(), RULES)
    assert found is not None
    assert same(found, VIEW)


def test_long_codes_come_back_as_sixteen_bit_floats(address: Address) -> None:
    z = np.random.default_rng(0).uniform(size=40).astype(np.float16).astype(np.float32)
    put(address, PadView(pins=(Pin(z),)))
    np.testing.assert_array_equal(read(BITS).pins[0].z, z)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("show", "<b>"),
        ("show", "tables"),
        ("axes", "1"),
        ("axes", "1,1"),
        ("axes", "1,4"),
        ("axes", "0,1"),
        ("scale", "quantiles"),  # three latents
        ("drag", "draw"),
        ("grey", "10"),
        ("grey", "3,3"),
        ("grey", "-1"),
        ("window", "0,0"),
        ("window", "0,0,0"),
        ("window", "0,0,-1"),
        ("window", "0,0,nan"),
        ("window", "0,0,1e9"),
        ("pins", "1,2"),
        ("pins", "1,2,nan"),
        ("pins", "1,2,3@100"),
        ("pins", "1,2,3@x"),
        ("pins", ";"),
        ("pins", ";".join(["1,2,3"] * (MOST_PINS + 1))),
    ],
)
def test_what_breaks_a_rule_is_named_and_left_at_its_default(
    name: str, text: str, address: Address
) -> None:
    put(address, VIEW)
    address[name] = text
    found = read(RULES)
    assert name in damaged()
    attribute = {"drag": "tool"}.get(name, name)
    assert getattr(found, attribute) == getattr(PadView(), attribute)


def test_pins_that_are_no_probabilities_are_refused(address: Address) -> None:
    address["pins"] = "1,2,3"
    assert read(replace(RULES, bits=True)).pins == ()
    assert damaged() == {"pins"}


@pytest.mark.parametrize(
    "change",
    [
        {"show": "tables"},
        {"show": 3},
        {"axes": [0, 0]},
        {"axes": [0, 3]},
        {"axes": [0]},
        {"axes": "ab"},
        {"axes": None},
        {"scale": "quantiles"},
        {"tool": "erase"},
        {"grey": [10]},
        {"grey": [True]},
        {"grey": 4},
        {"window": [0, 0]},
        {"window": [0, 0, 0]},
        {"window": [0, float("inf"), 1]},
        {"window": "abc"},
        {"pins": [{"z": [1, 2], "image": -1}]},
        {"pins": [{"z": [1, 2, "3"], "image": -1}]},
        {"pins": [{"z": [1, 2, float("nan")], "image": -1}]},
        {"pins": [{"z": [1, 2, 3], "image": 100}]},
        {"pins": [{"z": [1, 2, 3]}]},
        {"pins": [{"z": [1, 2, 3], "image": -1}] * (MOST_PINS + 1)},
        {"pins": {"z": 1}},
        {"hold": 3},
        {"hold": -2},
        {"between": [0, 99]},
        {"between": [0.5, 1]},
    ],
)
def test_what_no_pad_reports_is_refused(change: dict) -> None:
    assert checked({**VIEW.for_browser(), **change}, RULES) is None


some_json = some.recursive(
    some.none() | some.booleans() | some.floats() | some.integers() | some.text(max_size=4),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=4), inner),
    max_leaves=8,
)


@given(value=some_json, part=some.sampled_from(sorted(VIEW.for_browser())))
def test_forged_reports_never_raise(value: object, part: str) -> None:
    found = checked({**VIEW.for_browser(), part: value}, RULES)
    assert found is None or isinstance(found, PadView)
    assert checked(value, RULES) is None


def test_a_map_without_a_plane_or_classes_offers_less(address: Address) -> None:
    fewer = replace(RULES, axes=2, classes=0, has_plane=False)
    address.update({"show": "manifold", "grey": "1"})
    assert same(read(fewer), PadView())
    assert damaged() == {"show", "grey"}
    assert checked({**PadView().for_browser(), "show": "manifold"}, fewer) is None


def test_the_names_of_the_parts_are_those_of_the_link() -> None:
    assert set(pad_view.names()) == set(link(VIEW))
