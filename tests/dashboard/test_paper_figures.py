"""Figures of the papers beside our trainings: the section of the page, and what it is made of."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.logic.estimators import paper_figures as drawing
from dashboard.scripts.estimators import figure_script
from engine.checkpoints import write_curves
from engine.figures import (
    Figure,
    FigureRun,
    Panel,
    Reading,
    figure_path,
    list_figures,
    load_figure,
    marginals_path,
)
from tests.dashboard.conftest import Shelf, words
from tests.dashboard.running import printed_by, rows_of

OpenPage = Callable[..., AppTest]

POINTS = 40
BATCH = 100


def curve(panel: str, run: str, end: float) -> dict[str, list[Any]]:
    """A run that rises steeply to `end` on validation images, two nats above it in training."""
    steps = np.arange(POINTS) * 500.0
    train = end + 2 - 400 * np.exp(-np.arange(POINTS, dtype=float))
    valid = np.where(np.arange(POINTS) % 3 == 0, train - 2, np.nan)
    return {
        "panel": [panel] * POINTS, "run": [run] * POINTS, "step": steps.tolist(),
        "samples": (steps * BATCH).tolist(), "seconds": (steps / 10).tolist(),
        "train": train.tolist(), "valid": valid.tolist(),
    }  # fmt: skip


def record(name: str, *, without: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Put curves of all runs of a shipped figure on the shelf, but for some panels."""
    columns: dict[str, list[Any]] = {}
    for number, panel in enumerate(load_figure(name).panels):
        if panel.title in without:
            continue
        for place, run in enumerate(panel.runs):
            level = 900.0 if "Frey" in panel.title else -150.0
            for key, cells in curve(panel.title, run.label, level + 4 * number - place).items():
                columns.setdefault(key, []).extend(cells)
    write_curves(figure_path(name), columns)
    return {key: np.array(cells) for key, cells in columns.items()}


def panels(page: AppTest) -> list[dict[str, Any]]:
    """Without the toy's chart, which comes first."""
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")][1:]


def table(page: AppTest) -> Any:
    return page.dataframe[0].value


FIGURE = Figure(
    name="made",
    title="Made by a test",
    source="Nobody 2014, arXiv:0000.00000, Figure 9",
    axis="steps",
    quantity="elbo",
    note="",
    marginal_items=0,
    panels=(
        Panel(
            "left",
            (FigureRun("A", "none"), FigureRun("B", "none")),
            (Reading("B", -101.5, 400 * BATCH * 10.0, "page 7"), Reading("A", -99.0, None, "T 1")),
        ),
        Panel("right", (FigureRun("B", "none"), FigureRun("C", "none"))),
    ),
)


def columns(*curves: dict[str, list[Any]]) -> dict[str, np.ndarray]:
    return {key: np.array([cell for one in curves for cell in one[key]]) for key in curves[0]}


MADE = columns(curve("left", "A", -100.0), curve("left", "B", -110.0), curve("right", "B", -105.0))


def drawn(number: int, axis: str = "steps") -> Any:
    panel = FIGURE.panels[number]
    shown = drawing.limits(FIGURE.panels, MADE, axis)
    assert shown is not None
    runs = drawing.panel_runs(panel, MADE, axis)
    return drawing.panel_figure(FIGURE, panel, runs, axis, shown)


@pytest.mark.parametrize("name", list_figures())
def test_a_figure_that_is_not_recorded_says_what_to_run_and_shows_the_readings(
    name: str, shelf: Shelf, open_page: OpenPage
) -> None:
    page = open_page("estimators", figure=name)
    asked = sum(len(panel.runs) for panel in load_figure(name).panels)
    (info,) = [one.value for one in page.info if "recorded so far" in one.value]
    assert info.startswith(f"None of {asked} runs is recorded so far.")
    assert f"`python -m engine figure {name} --out pretrained`" in info
    assert panels(page) == []
    assert set(table(page)["Validation"]) == {"not recorded"}
    papers = [one.value for panel in load_figure(name).panels for one in panel.readings]
    assert [cell for cell in table(page)["Paper"] if cell] == [
        f"{value:.1f}".replace("-", "−") for value in papers
    ]


@pytest.mark.parametrize("name", list_figures())
def test_a_recorded_figure_is_drawn_panel_by_panel_and_a_link_opens_it(
    name: str, shelf: Shelf, open_page: OpenPage
) -> None:
    record(name)
    page = open_page("estimators")
    page.selectbox("estimators.figure").set_value(name).run()
    assert not page.exception
    figure = load_figure(name)
    shown = panels(page)
    assert len(shown) == len(figure.panels)
    assert not [one for one in page.info if "recorded so far" in one.value]
    colours: dict[str, set[str]] = {}
    for panel, chart in zip(figure.panels, shown, strict=True):
        layout = chart["layout"]
        assert layout["xaxis"]["type"] == ("log" if figure.axis == "samples" else "linear")
        assert "nats per image" in layout["yaxis"]["title"]["text"]
        titles = {"samples": "training images seen", "steps": "updates"}
        assert layout["xaxis"]["title"]["text"] == titles[figure.axis]
        curves = [trace for trace in chart["data"] if "reading" not in trace["meta"]]
        assert [(trace["meta"], trace["line"]["dash"]) for trace in curves] == [
            (f"{run.label}, {split}", dash)
            for run in panel.runs
            for split, dash in (("validation", "solid"), ("training", "dash"))
        ]
        named = [trace["name"] for trace in chart["data"] if trace.get("showlegend", True)]
        assert named == [run.label for run in panel.runs]
        readings = [trace for trace in chart["data"] if "reading" in trace["meta"]]
        assert [trace["y"][0] for trace in readings] == [one.value for one in panel.readings]
        for trace, reading in zip(readings, panel.readings, strict=True):
            assert reading.source.split()[0] in trace["hovertemplate"]
        for trace in chart["data"]:
            colours.setdefault(trace["name"], set()).add(trace["line"]["color"])
    assert all(len(one) == 1 for one in colours.values())  # a run has one colour in all panels
    assert len(set().union(*colours.values())) == len(colours)
    alt = [chart.proto.alt for chart in page.get("plotly_chart")][1]
    first = figure.panels[0]
    assert alt.startswith(f"{first.title}: ")
    assert f"{first.runs[0].label} −150.0" in alt

    page.segmented_control(f"estimators.figure.axis.{figure.axis}").set_value("seconds").run()
    assert not page.exception
    link = dict(page.query_params)
    default = {} if name == list_figures()[0] else {"figure": name}
    assert link == {**default, "against": "seconds"}
    fresh = open_page("estimators", **link)
    assert panels(fresh) == panels(page)
    assert "minutes" in panels(fresh)[0]["layout"]["xaxis"]["title"]["text"]
    assert not fresh.warning


def test_faces_and_digits_have_their_own_scale_and_panels_of_one_kind_share_it(
    shelf: Shelf, open_page: OpenPage
) -> None:
    record("kingma-2")
    found: dict[bool, set[tuple[tuple[float, ...], ...]]] = {True: set(), False: set()}
    page = open_page("estimators", figure="kingma-2")
    for panel, chart in zip(load_figure("kingma-2").panels, panels(page), strict=True):
        axes = tuple(tuple(chart["layout"][axis]["range"]) for axis in ("xaxis", "yaxis"))
        found["Frey" in panel.title].add(axes)
    ((_, faces),), ((_, digits),) = found[True], found[False]
    assert digits[1] < 0 < faces[0]


def test_a_panel_that_is_missing_is_said_and_the_others_are_drawn(
    shelf: Shelf, open_page: OpenPage
) -> None:
    first = load_figure("nvil-1").panels[0]
    record("nvil-1", without=(first.title,))
    page = open_page("estimators", figure="nvil-1")
    assert len(panels(page)) == len(load_figure("nvil-1").panels) - 1
    assert "Not recorded yet." in [one.value for one in page.caption]
    assert any("8 of 12 runs are recorded so far" in one.value for one in page.info)
    assert list(table(page)["Validation"][:4]) == ["not recorded"] * 4


def test_a_damaged_file_is_an_error_of_this_section_alone(
    shelf: Shelf, open_page: OpenPage
) -> None:
    record("nvil-1")
    path = figure_path("nvil-1")
    path.write_text(path.read_text() + "half a row,\n")
    page = open_page("estimators", figure="nvil-1")
    assert "every row needs" in page.error[0].value
    assert page.header[-1].value == "The estimators"
    path.write_text("panel,run\nSBN 200,C\n")  # of another kind
    page.run()
    assert not page.exception
    assert any("recorded so far" in one.value for one in page.info)


def test_the_table_has_our_ends_beside_the_readings(shelf: Shelf, open_page: OpenPage) -> None:
    record("nvil-1")
    found = table(open_page("estimators", figure="nvil-1"))
    row = found[found["Run"] == "C + IDB + VN"].iloc[0]
    assert row["Validation"] == "−153.0"
    assert row["Training"] == "−151.0"
    assert row["Paper"] == "−113.1"
    assert row["Validation − paper"] == "−39.9"
    assert row["Images seen"] == f"{39 * 500 * BATCH:,}"
    assert row["Source of the reading"] == "Table 1, NVIL"
    told = drawing.table(FIGURE, MADE)
    assert told["Source of the reading"][1] == "page 7, at 400,000 images"
    assert told["Source of the reading"][2] == "no reading"
    assert told["Validation"][3] == "not recorded"


def test_marginal_likelihoods_stand_in_a_table_of_their_own(
    shelf: Shelf, open_page: OpenPage
) -> None:
    record("kingma-3")
    assert len(open_page("estimators", figure="kingma-3").dataframe) == 1
    estimators = ("L_5000", "HMC and density estimate", "quadrature")
    cells: dict[str, list[Any]] = {
        "panel": ["1000 training images"] * 6, "run": ["AEVB"] * 6,
        "split": ["train"] * 3 + ["test"] * 3, "estimator": [*estimators] * 2, "items": [100] * 6,
        "value": [-140.26, -139.0, -140.0, -150.0, -149.0, -149.5],
        "standard_error": [2.34, 2.0, 2.0, 3.0, 3.0, 0.04],
    }  # fmt: skip
    write_curves(marginals_path("kingma-3"), cells)
    page = open_page("estimators", figure="kingma-3")
    found = page.dataframe[1].value
    assert list(found.columns) == ["Panel", "Run", "Images", *estimators]
    assert list(found["Images"]) == ["training", "test"]
    assert found["L_5000"][0] == "−140.3 ± 2.3"
    assert found["quadrature"][1] == "−149.5 ± 0.1"  # an error is never rounded to none
    assert "quadrature is exact" in words(page)


def test_a_reading_stands_where_the_paper_saw_so_many_images() -> None:
    for axis, place in (("steps", 4000.0), ("samples", 400_000.0), ("seconds", 400 / 60)):
        timed, untimed = [trace for trace in drawn(0, axis).data if trace.meta.endswith("reading")]
        assert timed.mode == "markers"
        assert timed.x == pytest.approx([place])
        assert timed.y[0] == -101.5
        assert "page 7" in timed.hovertemplate
        assert "−101.5" in timed.hovertemplate
        assert untimed.mode == "lines"
        assert untimed.line.dash == "dot"
        assert set(untimed.y) == {-99.0}
    run = drawing.panel_runs(FIGURE.panels[0], MADE, "seconds")[0]
    assert run.place(1e8) == pytest.approx(1e8 / BATCH / 10 / 60)  # at the pace it had


def test_names_stand_in_the_order_of_the_ends_below_all_of_them() -> None:
    figure = drawn(0)
    ranks = {trace.name: trace.legendrank for trace in figure.data if trace.showlegend}
    assert ranks == {"A": 1, "B": 2}
    assert (figure.layout.legend.x, figure.layout.legend.y) == (1, 0)
    low, high = figure.layout.yaxis.range
    assert low < -110 - 0.2 * (high - low)  # room for two names below the lowest end
    assert high > -98  # the training curve


def test_the_steep_rise_does_not_flatten_the_rest() -> None:
    shown = drawing.limits(FIGURE.panels, MADE, "samples")
    assert shown is not None
    assert -125 < shown.y[0] < -110
    assert shown.x[0] > 0
    seen = MADE["samples"][(MADE["train"] >= shown.y[0]) & (MADE["samples"] > 0)]
    assert shown.x[0] == pytest.approx(0.9 * seen.min())
    assert drawing.limits(FIGURE.panels, {}, "samples") is None


def test_counts_of_images_are_written_out_and_no_zero_has_a_sign() -> None:
    axis = drawn(0, "samples").layout.xaxis
    assert axis.ticktext == ("300k", "1M")
    assert axis.tickvals == (3e5, 1e6)
    panel = Panel("left", (FigureRun("A", "none"),), (Reading("A", -99.96, None, "T 1"),))
    told = drawing.table(replace(FIGURE, panels=(panel,)), MADE)
    assert told["Validation"] == ["−100.0"]
    assert told["Validation − paper"] == ["0.0"]


def test_csv_and_code_have_every_point_that_was_measured(shelf: Shelf) -> None:
    recorded = record("kingma-3")
    figure = load_figure("kingma-3")
    lines = list(csv.reader(io.StringIO(drawing.figure_csv(figure, recorded))))
    assert lines[0][:3] == ["panel", "run", "series"]
    assert "nats per image" in lines[0][6]
    measured = int(np.isfinite(recorded["train"]).sum() + np.isfinite(recorded["valid"]).sum())
    assert len(lines) == 1 + measured + sum(len(panel.readings) for panel in figure.panels)
    printed = rows_of(printed_by(figure_script("kingma-3")))
    names = {"validation": "valid", "training": "train", "the paper": "paper"}
    ours = {(row[0], row[1], names[row[2]], *row[3:6]): float(row[6]) for row in lines[1:]}
    assert len(printed) == len(ours)
    for *place, value in printed:
        assert float(value) == pytest.approx(ours[tuple(place)], rel=1e-6)


def test_the_code_prints_readings_too_and_csv_names_their_source(shelf: Shelf) -> None:
    printed = rows_of(printed_by(figure_script("nvil-1")))  # nothing is recorded
    readings = [one for panel in load_figure("nvil-1").panels for one in panel.readings]
    assert [float(line[-1]) for line in printed] == [one.value for one in readings]
    (diamond,) = [row for row in rows_of(drawing.figure_csv(FIGURE, {})) if row[1] == "B"]
    assert diamond == ["left", "B", "the paper", "", "400000", "", "-101.5", "page 7"]


def test_a_run_without_validation_is_told_as_such() -> None:
    lost = {**MADE, "valid": np.full(len(MADE["valid"]), math.nan)}
    runs = drawing.panel_runs(FIGURE.panels[0], lost, "steps")
    assert math.isnan(runs[0].end("valid"))
    assert runs[0].end("train") == pytest.approx(-98.0)
    shown = drawing.limits(FIGURE.panels, lost, "steps")
    assert shown is not None
    figure = drawing.panel_figure(FIGURE, FIGURE.panels[0], runs, "steps", shown)
    assert {trace.name for trace in figure.data} == {"A", "B"}
    assert "A not measured" in drawing.panel_told(FIGURE, FIGURE.panels[0], runs, "steps")
