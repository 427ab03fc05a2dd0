"""Our checkpoints beside the papers' rows: ranked within one protocol and one kind of estimator."""

from __future__ import annotations

from engine.leaderboard.measured import Measured, is_met, measured_of
from engine.leaderboard.places import Place, kinds_of, places, published_of
from engine.leaderboard.rows import PAPER_BUDGET_S, Entry, Row, count_parameters, leaderboard

__all__ = [
    "PAPER_BUDGET_S",
    "Entry",
    "Measured",
    "Place",
    "Row",
    "count_parameters",
    "is_met",
    "kinds_of",
    "leaderboard",
    "measured_of",
    "places",
    "published_of",
]
