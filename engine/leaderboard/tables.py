"""The leaderboard as tables: JSON, markdown for the README, CSV of a ranking."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from engine.leaderboard import Entry, Measured, Place, Row, kinds_of
from engine.leaderboard.measured import some_of
from engine.leaderboard.published import Published, Target, better_of
from engine.markdown import pipe_table
from engine.seeds import say_spread

__all__ = ["json_rows", "markdown_rows", "ranking_csv", "say_measured", "say_published"]

COLUMNS = (
    "system", "published", "paper budget", "long budget", "parameters", "solid", "moonshot",
)  # fmt: skip
MARKS = {True: "met", False: "missed", None: ""}
CSV_COLUMNS = (
    "rank", "system", "family", "protocol", "published", "published_estimator", "certainty",
    "source", "checkpoint", "value", "standard_error", "estimator", "samples", "items", "split",
    "parameters", "training_seconds", "budget", "solid", "moonshot", "seeds", "seeds_mean",
    "seeds_deviation", "not_ranked",
)  # fmt: skip


def json_rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as plain JSON."""
    found = []
    for row in rows:
        table = asdict(row)
        for entry, plain in zip(row.entries, table["entries"], strict=True):
            plain["budget"] = entry.budget
        found.append(table)
    return found


def ranking_csv(found: Sequence[Place]) -> str:
    """The places of a ranking, a line each; empty where there is nothing."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for place in found:
        row, entry, published, measured = place.row, place.entry, place.published, place.measured
        said: tuple[Any, ...] = ("",) * 4
        if published is not None:
            said = (published.value, published.estimator, published.certainty, published.source)
        ours: tuple[Any, ...] = ("",) * 6
        if measured is not None:
            ours = (
                f"{measured.value:.4f}",
                f"{measured.standard_error:.4f}",
                measured.estimator,
                measured.samples,
                measured.items,
                measured.split,
            )
        trained: tuple[Any, ...] = ("",) * 3
        if entry is not None:
            trained = (entry.parameters, f"{entry.seconds:.1f}", entry.budget)
        system = row.system
        name = "" if entry is None else entry.checkpoint
        verdicts = (MARKS[row.solid], MARKS[row.moonshot])
        seeds: tuple[Any, ...] = ("",) * 3
        if measured is not None and (spread := measured.spread) is not None:
            seeds = (len(spread.seeds), f"{spread.mean:.4f}", f"{spread.deviation:.4f}")
        head = (place.rank, system.title, system.family, system.protocol.title)
        writer.writerow([*head, *said, name, *ours, *trained, *verdicts, *seeds, place.reason])
    return stream.getvalue()


def markdown_rows(rows: Sequence[Row]) -> str:
    """A table for each protocol; systems that are not trained yet are there, with empty cells."""
    blocks = []
    for protocol in dict.fromkeys(row.system.protocol for row in rows):
        table = pipe_table(
            COLUMNS, [_cells(row) for row in rows if row.system.protocol == protocol]
        )
        kinds = kinds_of(rows, protocol.key) or ["L_K"]  # rows in words alone
        units = {protocol.unit_of(kind): better_of(kind) for kind in kinds}
        told = ", ".join(f"{unit}: {better} is better" for unit, better in units.items())
        blocks.append(f"**{protocol.title}** ({told})\n\n{table}")
    return "\n\n".join(blocks)


def _cells(row: Row) -> tuple[str, ...]:
    counts = [entry.parameters for entry in row.entries if entry.parameters is not None]
    return (
        row.system.title,
        "; ".join(say_published(one) for one in row.system.published),
        _budget(row, "paper"),
        _budget(row, "long"),
        f"{counts[0] / 1e6:.2f} M" if counts else "",
        _verdict(row.system.solid, row.solid),
        _verdict(row.system.moonshot, row.moonshot),
    )


def _budget(row: Row, budget: str) -> str:
    """All checkpoints that were trained on a budget, the preferred one first."""
    return "; ".join(_say_entry(entry) for entry in row.entries if entry.budget == budget)


def _say_entry(entry: Entry) -> str:
    # Of each kind that of the most samples: the others are in its card.
    best = [entry.best(kind) for kind in dict.fromkeys(one.kind for one in entry.measured)]
    numbers = "; ".join(say_measured(one) for one in best if one is not None)
    return f"`{entry.checkpoint}`: {numbers}, {entry.seconds / 60:.0f} min"


def say_measured(one: Measured) -> str:
    """Estimator, value and standard error, on how many items; mean and deviation over seeds."""
    items = f"{some_of(one.how)}{one.items}"
    seeds = "" if one.spread is None else f"; {say_spread(one.spread)}"
    return f"{one.estimator} {one.value:.2f} ± {one.standard_error:.2f} ({items} items{seeds})"


def say_published(one: Published) -> str:
    """Estimator, value and what tells it from others; words alone where there is no value."""
    words = f" ({one.words})" if one.words else ""
    if one.value is None:
        return one.words
    about = "about " if one.approximate else ""
    return f"{one.estimator} {about}{one.value:g}{words}"


def _verdict(targets: Sequence[Target], met: bool | None) -> str:
    told = []
    for target in targets:
        number = "" if target.value is None else f"{target.estimator} {target.value:g}"
        told.append(number or target.note)
    mark = MARKS[met]
    return f"{', '.join(told)}{f': **{mark}**' if mark else ''}"
