"""Figures: axes with titles, colours that the theme fills in, references with labels."""

from __future__ import annotations

import csv
import io
import tomllib
from pathlib import Path

import numpy as np
import pytest

from dashboard.components import charts

CONFIG = Path(__file__).resolve().parents[2] / ".streamlit" / "config.toml"


@pytest.fixture
def theme() -> dict:
    return tomllib.loads(CONFIG.read_text())["theme"]


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (WCAG 2.2, 1 to 21)."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_series_have_as_many_distinct_colours_as_the_theme_and_each_is_legible(
    theme: dict, scheme: str
) -> None:
    colours = theme[scheme]["chartCategoricalColors"]
    placeholders = {charts.series_colour(index) for index in range(len(colours))}
    assert len(placeholders) == len(set(colours)) == len(colours)
    assert charts.series_colour(len(colours)) == charts.series_colour(0)
    assert charts.series_dash(len(colours)) != charts.series_dash(0)
    background = theme[scheme]["backgroundColor"]
    assert all(contrast(colour, background) >= 3 for colour in colours)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_of_the_theme_is_legible(theme: dict, scheme: str) -> None:
    section = theme[scheme]
    for background in (section["backgroundColor"], section["secondaryBackgroundColor"]):
        assert contrast(section["textColor"], background) >= 7
        assert contrast(section["linkColor"], background) >= 4.5
    assert contrast(charts.MUTED_COLOUR, section["backgroundColor"]) >= 4
    # Words on a filled button are white.
    assert contrast(section["primaryColor"], "#ffffff") >= 3


def test_placeholders_are_those_that_streamlit_fills_in() -> None:
    from streamlit.elements.lib import streamlit_plotly_theme as filled

    assert [charts.series_colour(index) for index in range(10)] == [
        getattr(filled, f"CATEGORY_{index}") for index in range(10)
    ]


def test_axes_have_titles_and_logarithms_where_asked() -> None:
    figure = charts.figure("images seen", "ELBO (nats per image)", log_x=True, square=True)
    assert figure.layout.xaxis.title.text == "images seen"
    assert figure.layout.yaxis.title.text == "ELBO (nats per image)"
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "linear")
    assert figure.layout.yaxis.scaleanchor == "x"


def test_unmeasured_points_are_left_out_and_a_lone_one_is_a_marker() -> None:
    figure = charts.figure("x", "y")
    charts.add_line(figure, [1, 2, 3], [np.nan, 5.0, 6.0], "two", index=0)
    charts.add_line(figure, [1, 2], [np.nan, 7.0], "one", index=1, hover_name="one, validation")
    assert list(figure.data[0].x) == [2, 3]
    assert [trace.mode for trace in figure.data] == ["lines", "markers"]
    assert "one, validation" in figure.data[1].hovertemplate


def test_reference_is_a_line_with_its_label_on_the_side_asked_for() -> None:
    figure = charts.figure("x", "y")
    charts.add_reference(figure, -99.8, "SBN", side="left", below=True)
    (line,), (label,) = figure.layout.shapes, figure.layout.annotations
    assert line.y0 == line.y1 == label.y == -99.8
    assert (label.text, label.x, label.xanchor, label.yanchor) == ("SBN", 0, "left", "top")


def test_log_range_surrounds_the_positive_values() -> None:
    low, high = charts.log_range([float("nan"), -1.0, 0.0, 10.0, 1000.0])
    assert 0.5 < low < 1 < 3 < high < 3.5
    assert charts.log_range([0.0]) == (0.0, 1.0)


def test_csv_holds_every_point_of_every_series_and_the_reference_lines() -> None:
    figure = charts.figure("images seen", "ELBO (nats per image)")
    charts.add_line(figure, [1, 2, 3], [np.nan, -5.25, 1 / 3], "a, b", index=0)
    charts.add_line(figure, [4], [5], "c", index=1, hover_name="c, validation")
    charts.add_reference(figure, -99.8, "SBN")
    charts.add_reference(figure, -98.1, "", name="no room")
    assert list(csv.reader(io.StringIO(charts.csv_text(figure)))) == [
        ["series", "images seen", "ELBO (nats per image)"],
        ["a, b", "2", "-5.25"],
        ["a, b", "3", "0.3333333333"],
        ["c, validation", "4", "5"],
        ["SBN", "", "-99.8"],
        ["no room", "", "-98.1"],
    ]


def test_csv_has_errors_with_their_unit_and_the_places_that_points_stand_for() -> None:
    import plotly.graph_objects as go

    figure = charts.figure("images seen", "variance (nats²)")
    error = {"type": "data", "array": [0.5, 0.25], "arrayminus": [0.1, 0.2]}
    figure.add_trace(
        go.Scatter(x=[33, 100], y=[1, 2], customdata=[0, 100], error_y=error, name="a")
    )
    figure.add_trace(go.Scatter(x=[100], y=[3], name="b"))
    figure.add_trace(go.Bar(x=["SGVB"], y=[4], error_y={"array": [0.5]}, meta="part"))
    assert list(csv.reader(io.StringIO(charts.csv_text(figure)))) == [
        ["series", "images seen", "variance (nats²)", "error below (nats²)", "error above (nats²)"],
        ["a", "0", "1", "0.1", "0.5"],
        ["a", "100", "2", "0.2", "0.25"],
        ["b", "100", "3", "", ""],
        ["part", "SGVB", "4", "0.5", "0.5"],
    ]
