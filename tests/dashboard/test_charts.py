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


def mixed(one: str, other: str, share: float) -> str:
    """The colour that `share` of one over the rest of the other gives."""
    pairs = [(int(one[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_of_the_theme_is_legible_on_each_of_its_backgrounds(theme: dict, scheme: str) -> None:
    """WCAG 2.2 AA: 4.5 for text."""
    section = theme[scheme]
    sidebar = section["sidebar"]
    pages = [section["backgroundColor"], section["secondaryBackgroundColor"]]
    for background in [*pages, sidebar["backgroundColor"], sidebar["secondaryBackgroundColor"]]:
        assert contrast(section["textColor"], background) >= 7
        # Captions, and the titles of charts, are the text's colour at 60 %.
        faded = mixed(section["textColor"], background, 0.6)
        assert contrast(faded, background) >= 4.5
    for background in pages:
        assert contrast(section["linkColor"], background) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_filled_with_the_primary_colour_is_seen_and_its_white_words_are_legible(
    theme: dict, scheme: str
) -> None:
    """WCAG 2.2 AA: 3 for what is needed to understand a control, 4.5 for the words on it."""
    section = theme[scheme]
    assert contrast(section["primaryColor"], "#ffffff") >= 4.5
    for background in (section["backgroundColor"], section["secondaryBackgroundColor"]):
        assert contrast(section["primaryColor"], background) >= 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_reference_lines_are_seen_and_their_labels_are_in_the_colour_of_text(
    theme: dict, scheme: str
) -> None:
    figure = charts.figure("x", "y")
    charts.add_reference(figure, 1.0, "SBN")
    assert contrast(figure.layout.shapes[0].line.color, theme[scheme]["backgroundColor"]) >= 3
    assert figure.layout.annotations[0].font.color is None


# Severe deficiencies of the cones on linear RGB: Machado, Oliveira and Fernandes (2009), Table 1.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]]
    ),
}  # fmt: skip


def lab(colour: str, deficiency: str) -> np.ndarray:
    """A colour as it is seen, in CIE L*a*b* (D65)."""
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(DEFICIENCIES[deficiency] @ linear, 0, 1)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    ratio = to_xyz @ seen / np.array([0.9505, 1.0, 1.089])
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("deficiency", list(DEFICIENCIES))
def test_the_first_series_and_the_classes_are_told_apart_with_every_kind_of_colour_vision(
    theme: dict, deficiency: str
) -> None:
    """A just noticeable difference is about 2.3."""
    palettes = {
        "light": theme["light"]["chartCategoricalColors"][:6],
        "dark": theme["dark"]["chartCategoricalColors"][:6],
        "classes": list(charts.CLASS_COLOURS),
    }
    for name, colours in palettes.items():
        seen = [lab(colour, deficiency) for colour in colours]
        nearest = min(
            float(np.linalg.norm(one - other))
            for i, one in enumerate(seen)
            for other in seen[i + 1 :]
        )
        print(f"{name}, {deficiency}: the nearest two differ by {nearest:.1f}")
        assert nearest > 5, (name, deficiency)


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


def test_a_band_lies_between_two_curves_and_both_are_in_the_values_of_the_chart() -> None:
    fig = charts.figure("step", "ELBO (nats per image)")
    edges = ("vae, lowest", "vae, highest")
    charts.add_band(fig, [1, 2], [3, 4], [5, 7], "vae", index=9, opacity=0.25, hover_names=edges)
    low, high = fig.data
    assert (low.fill, high.fill) == (None, "tonexty")
    assert high.fillcolor == charts.series_colour(9) + "40"  # a quarter of 255
    assert {low.legendgroup, high.legendgroup} == {"vae"}
    assert list(csv.reader(io.StringIO(charts.csv_text(fig))))[1:] == [
        ["vae, lowest", "1", "3"],
        ["vae, lowest", "2", "4"],
        ["vae, highest", "1", "5"],
        ["vae, highest", "2", "7"],
    ]
