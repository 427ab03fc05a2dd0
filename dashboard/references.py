"""Values from the papers, drawn as lines beside our curves: those of the leaderboard's rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dashboard.cards import Card

__all__ = ["BOUND", "PaperValue", "matching"]

BOUND = "ELBO"


@dataclass(frozen=True)
class PaperValue:
    """One published number.

    Attributes:
        label: the system, for the line.
        value: nats per item, higher is better.
        estimator: its kind, as of `engine.leaderboard`; an ELBO lies below log p(x), so a curve of
            the first need not reach a line of another kind.
        source: where to look it up.
    """

    label: str
    value: float
    estimator: str
    source: str


def matching(shown: Mapping[str, Card]) -> list[PaperValue]:
    """The values that belong beside curves of these checkpoints, highest first.

    That is the main value of each row that names one of them, whatever its seed, where it is in
    nats.

    Args:
        shown: card by name of the checkpoint.
    """
    from engine.leaderboard.published import estimator_kind, systems
    from engine.seeds import split_name

    names = {(split_name(name) or (name, None))[0]: card for name, card in shown.items()}
    found = []
    for system in systems():
        card = next((names[name] for name in system.checkpoints if name in names), None)
        if card is None or card["dataset"] != system.protocol.dataset:
            continue
        main = next((one for one in system.published if one.value is not None), None)
        if main is None or main.value is None:
            continue
        kind = estimator_kind(main.estimator)
        if kind != "perplexity":
            found.append(PaperValue(system.title, main.value, kind, main.source))
    return sorted(found, key=lambda value: -value.value)
