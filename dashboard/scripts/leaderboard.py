"""The script that makes the ranking which the Leaderboard page shows."""

from __future__ import annotations

__all__ = ["ranking_script"]

_SCRIPT = '''\
"""All systems by {kind} under the protocol {protocol}: CSV on standard output."""

import engine
from engine.leaderboard import count_parameters, leaderboard, places
from engine.leaderboard.tables import ranking_csv

names = engine.list_checkpoints()
cards = {{name: engine.read_card(name) for name in names}}
rows = leaderboard(cards, {{name: count_parameters(name) for name in names}})
print(ranking_csv(places(rows, {protocol!r}, {kind!r})), end="")
'''


def ranking_script(protocol: str, kind: str) -> str:
    """The ranking of a protocol and a kind of estimator, and the rows that do not compare."""
    return _SCRIPT.format(protocol=protocol, kind=kind)
