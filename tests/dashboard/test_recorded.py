"""Gradient variances recorded at one state of a model: dots side by side."""

from __future__ import annotations

import math
from typing import Any

from dashboard.logic.estimators.recorded import recorded_figure, told_last

LABELS = ("score function", "+ baseline", "DisARM")


def rows() -> list[dict[str, Any]]:
    """A trained model measured once; the mean gradient of the first drowns in its noise."""
    return [
        {
            "step": 500, "samples": 50_000, "estimator": label, "layer": layer,
            "trace": 1000.0 / 10**index, "trace_se": 1.0, "mean_square": 0.1 + index,
            "mean_square_se": 0.5, "draws": 100, "minibatches": 10,
        }
        for index, label in enumerate(LABELS)
        for layer in ("recognition 1", "generative")
    ]  # fmt: skip


def test_one_state_is_drawn_as_a_dot_for_each_estimator_in_order() -> None:
    figure = recorded_figure(rows(), "generative", "trace")
    assert [trace.name for trace in figure.data] == list(LABELS)
    assert {trace.mode for trace in figure.data} == {"markers"}
    assert [(trace.x[0], trace.y[0]) for trace in figure.data] == [
        ("score function", 1000.0), ("+ baseline", 100.0), ("DisARM", 10.0),
    ]  # fmt: skip
    assert [trace.error_y["array"][0] for trace in figure.data] == [1.0] * 3
    assert list(figure.layout.xaxis.categoryarray) == list(LABELS)
    assert figure.layout.xaxis.type == "category"
    assert figure.layout.yaxis.type == "log"
    assert len({trace.marker.color for trace in figure.data}) == 3


def test_a_ratio_that_drowns_is_an_open_triangle_at_its_upper_end() -> None:
    figure = recorded_figure(rows(), "recognition 1", "snr")
    drowned, clear = figure.data[0], figure.data[1]
    assert drowned.marker.symbol == "triangle-down-open"
    assert math.isclose(drowned.y[0], math.sqrt(0.6 / 1000))
    assert drowned.meta == "score function, upper end"
    assert clear.marker.symbol == "circle"
    assert math.isclose(clear.y[0], math.sqrt(1.1 / 100))


def test_what_was_recorded_at_several_states_is_a_line() -> None:
    several = [{**row, "samples": samples} for samples in (0, 50_000) for row in rows()]
    figure = recorded_figure(several, "generative", "trace")
    assert {trace.mode for trace in figure.data} == {"lines+markers"}
    assert [len(trace.x) for trace in figure.data] == [2] * 3


def test_the_last_state_is_told_in_words() -> None:
    assert told_last(rows(), "generative", "trace") == (
        "score function 1,000, + baseline 100, DisARM 10"
    )
