"""Widgets that follow the address: in a new browser, after a choice, and on the way back."""

from __future__ import annotations

import ast

import pytest
from streamlit.testing.v1 import AppTest


def page_of_widgets() -> None:
    import streamlit as st

    from dashboard import permalinks
    from dashboard.components import linked

    titles = {"a": "First", "b": "Second"}
    st.text(
        repr(
            {
                "box": linked.choose_one("Box", titles, name="box", key="box!"),
                "row": linked.choose_segment("Row", titles, name="row", key="row!", default="b"),
                "many": linked.choose_many("Many", titles, name="many", key="many!", default=["a"]),
                "number": linked.choose_number("N", -5, 50, 7, name="number", key="number!"),
                "slide": linked.slide("S", (5, 50, 500), 50, name="slide", key="slide!"),
                "on": linked.toggle("On", True, name="on", key="on!"),
            }
        )
    )
    permalinks.show_problems()


AT_FIRST = {"box": "a", "row": "b", "many": ["a"], "number": 7, "slide": 50, "on": True}
OTHER = {"box": "b", "row": "a", "many": "b,a", "number": "-3", "slide": "500", "on": "no"}
READ = {"box": "b", "row": "a", "many": ["b", "a"], "number": -3, "slide": 500, "on": False}


def opened(**query: str) -> AppTest:
    page = AppTest.from_function(page_of_widgets, default_timeout=30)
    for name, value in query.items():
        page.query_params[name] = value
    return clean(page.run())


def clean(page: AppTest) -> AppTest:
    assert not page.exception, page.exception
    return page


def shown(page: AppTest) -> dict:
    return ast.literal_eval(page.text[0].value)


def test_without_an_address_the_defaults_are_shown_and_the_address_stays_empty() -> None:
    page = opened()
    assert shown(page) == AT_FIRST
    assert page.query_params == {}
    assert not page.warning


def test_every_widget_is_as_the_address_says() -> None:
    page = opened(**OTHER)
    assert shown(page) == READ
    assert page.query_params == OTHER
    assert not page.warning
    assert shown(page.run()) == READ


def test_choices_go_into_the_address_and_defaults_out_of_it() -> None:
    page = opened()
    page.selectbox("box!").set_value("b")
    page.segmented_control("row!").set_value("a")
    page.multiselect("many!").set_value([])
    page.number_input("number!").set_value(50)
    page.select_slider("slide!").set_value(5)
    page.toggle("on!").set_value(False)
    clean(page.run())
    assert page.query_params == {
        "box": "b", "row": "a", "many": "", "number": "50", "slide": "5", "on": "no",
    }  # fmt: skip
    fresh = opened(**page.query_params)
    assert shown(fresh) == shown(page)
    page.selectbox("box!").set_value("a")
    page.toggle("on!").set_value(True)
    clean(page.run())
    assert page.query_params == {"row": "a", "many": "", "number": "50", "slide": "5"}


def test_an_address_that_changes_by_itself_is_followed() -> None:
    page = opened(box="b")
    page.query_params["box"] = "a"
    page.query_params["number"] = "9"
    found = shown(clean(page.run()))
    assert (found["box"], found["number"]) == ("a", 9)


@pytest.mark.parametrize("name", list(OTHER))
def test_a_broken_value_gives_the_default_a_message_and_a_clean_address(name: str) -> None:
    page = opened(**{name: "*nonsense*"})
    assert shown(page) == AT_FIRST
    assert f"`{name}` must be" in page.warning[0].value
    assert "nonsense" not in page.warning[0].value
    assert page.query_params == {}
