"""What a browser or an address may say of the Sample page's views, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.logic.sample.sample_views import (
    Draws,
    Turned,
    locks_from_text,
    locks_to_text,
    read_draws,
    read_turned,
)

TURNED = {"units": [2, 5], "values": [0.35, -3], "last": 5, "below": "draw"}
DRAWS = {"seed": 3, "step": 9, "locks": [[0, 1], [4, 3]], "show": "means"}


def test_a_report_of_dials_is_read() -> None:
    wanted = Turned((2, 5), (0.35, -3.0), 5, "draw")
    assert read_turned(TURNED, 6, bits=False) == wanted
    assert wanted.header() == {"units": [2, 5], "values": [0.35, -3.0], "below": "draw"}


@pytest.mark.parametrize(
    "change",
    [
        {"units": [5, 2]},
        {"units": [2, 2]},
        {"units": [2, 6]},
        {"units": [2, True]},
        {"units": [2.0, 5]},
        {"units": "25"},
        {"values": [1]},
        {"values": [1, float("nan")]},
        {"values": [1, 1e9]},
        {"values": [1, "0"]},
        {"values": [1, True]},
        {"last": 6},
        {"below": "<script>"},
    ],
)
def test_a_forged_report_of_dials_is_refused(change: dict[str, Any]) -> None:
    assert read_turned({**TURNED, **change}, 6, bits=False) is None


def test_bits_are_zero_or_one() -> None:
    report = {**TURNED, "values": [1, 0]}
    assert read_turned(report, 6, bits=True) == Turned((2, 5), (1.0, 0.0), 5, "draw")
    assert read_turned(TURNED, 6, bits=True) is None


def test_a_report_of_draws_is_read() -> None:
    draws = read_draws(DRAWS, 2)
    assert draws == Draws(3, 9, ((0, 1), (4, 3)), "means")
    assert draws.mask == 3
    assert draws.header() == DRAWS


@pytest.mark.parametrize(
    "change",
    [
        {"seed": -1},
        {"seed": 1.5},
        {"step": 10**9},
        {"step": True},
        {"locks": [[0, 1], [0, 3]]},
        {"locks": [[4, 1], [0, 3]]},
        {"locks": [[10, 1]]},
        {"locks": [[0, 4]]},
        {"locks": [[0]]},
        {"locks": [0, 1]},
        {"locks": [[tick, 1] for tick in range(200)], "step": 500},
        {"show": "all"},
    ],
)
def test_a_forged_report_of_draws_is_refused(change: dict[str, Any]) -> None:
    assert read_draws({**DRAWS, **change}, 2) is None


@pytest.mark.parametrize("report", [None, 3, "x", [], {}])
def test_what_is_no_report_is_refused(report: object) -> None:
    assert read_turned(report, 6, bits=False) is None
    assert read_draws(report, 2) is None


def test_locks_come_back_from_an_address() -> None:
    locks = ((0, 2), (5, 3), (7, 0))
    assert locks_to_text(locks) == "0.2-5.3-7.0"
    assert locks_from_text("0.2-5.3-7.0", 2, 9) == locks
    for text in ("", "5", "0.2-", "0.2-0.3", "0.4", "10.1", "١.1", "-1.1", "0.2-" * 150 + "0.2"):
        with pytest.raises(ValueError, match="as this page writes them"):
            locks_from_text(text, 2, 9)
