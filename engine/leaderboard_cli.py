"""`python -m engine leaderboard`: our checkpoints beside the papers' rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from engine.checkpoints import list_checkpoints, read_card
from engine.leaderboard import Entry, Measured, Row, count_parameters, leaderboard, places
from engine.published import Published, Target

__all__ = ["json_rows", "leaderboard_command", "markdown_rows"]

COLUMNS = (
    "system", "published", "paper budget", "long budget", "parameters", "solid", "moonshot",
)  # fmt: skip
MARKS = {True: "met", False: "missed", None: ""}


@click.command("leaderboard")
@click.option("--json", "as_json", is_flag=True)
@click.option("--markdown", is_flag=True, help="The table of the README.")
def leaderboard_command(as_json: bool, markdown: bool) -> None:
    """Every system of the papers' tables: what was published, and what ours reach.

    Without options: the ranking of each protocol and kind of estimator that has numbers of ours.
    """
    cards = {name: read_card(name) for name in list_checkpoints()}
    rows = leaderboard(cards, {name: count_parameters(name) for name in cards})
    if as_json:
        click.echo(json.dumps(json_rows(rows)))
    elif markdown:
        click.echo(markdown_rows(rows))
    else:
        _print_rankings(rows)


def json_rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as plain JSON."""
    found = []
    for row in rows:
        table = asdict(row)
        for entry, plain in zip(row.entries, table["entries"], strict=True):
            plain["budget"] = entry.budget
        found.append(table)
    return found


def _print_rankings(rows: Sequence[Row]) -> None:
    pairs = dict.fromkeys(
        (row.system.protocol.key, one.kind)
        for row in rows
        for entry in row.entries
        for one in entry.measured
    )
    for protocol, kind in pairs:
        ranked = [place for place in places(rows, protocol, kind) if place.rank is not None]
        if not ranked:
            continue
        title = ranked[0].row.system.protocol.title
        click.echo(f"{title}, {kind}:")
        for place in ranked:
            measured = place.measured
            assert measured is not None
            there = "" if place.published is None else f"  published {_published(place.published)}"
            click.echo(f"{place.rank:4} {place.row.system.title:40} {_value(measured)}{there}")


def markdown_rows(rows: Sequence[Row]) -> str:
    """A table for each protocol; systems that are not trained yet are there, with empty cells."""
    blocks = []
    for protocol in dict.fromkeys(row.system.protocol for row in rows):
        lines = [COLUMNS, ("---",) * len(COLUMNS)]
        lines += [_cells(row) for row in rows if row.system.protocol == protocol]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        blocks.append(
            f"**{protocol.title}** ({protocol.unit}; {protocol.better} is better)\n\n{table}"
        )
    return "\n\n".join(blocks)


def _cells(row: Row) -> tuple[str, ...]:
    counts = [entry.parameters for entry in row.entries if entry.parameters is not None]
    return (
        row.system.title,
        "; ".join(_published(one) for one in row.system.published),
        _budget(row, "paper"),
        _budget(row, "long"),
        f"{counts[0] / 1e6:.2f} M" if counts else "",
        _verdict(row.system.solid, row.solid),
        _verdict(row.system.moonshot, row.moonshot),
    )


def _budget(row: Row, budget: str) -> str:
    entry: Entry | None = next((one for one in row.entries if one.budget == budget), None)
    if entry is None:
        return ""
    numbers = "; ".join(_value(one) for one in entry.measured)
    return f"`{entry.checkpoint}`: {numbers}, {entry.seconds / 60:.0f} min"


def _value(one: Measured) -> str:
    name = "exact" if one.estimator == "exact" else one.estimator
    return f"{name} {one.value:.2f} ± {one.standard_error:.2f} ({one.items} items)"


def _published(one: Published) -> str:
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
