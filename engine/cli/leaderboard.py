"""`python -m engine leaderboard`: our checkpoints beside the papers' rows."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from engine.checkpoints import list_checkpoints, read_card
from engine.leaderboard import Row, count_parameters, leaderboard, places
from engine.leaderboard.tables import json_rows, say_measured, say_published

__all__ = ["leaderboard_command"]


@click.command("leaderboard")
@click.option("--json", "as_json", is_flag=True)
def leaderboard_command(as_json: bool) -> None:
    """Every system of the papers' tables: what was published, and what ours reach.

    Without --json: the ranking of each protocol and kind of estimator that has numbers of ours.
    `list --markdown` prints all of it as tables.
    """
    cards = {name: read_card(name) for name in list_checkpoints()}
    rows = leaderboard(cards, {name: count_parameters(name) for name in cards})
    if as_json:
        click.echo(json.dumps(json_rows(rows)))
    else:
        _print_rankings(rows)


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
            there = (
                "" if place.published is None else f"  published {say_published(place.published)}"
            )
            click.echo(
                f"{place.rank:4} {place.row.system.title:40} {say_measured(measured)}{there}"
            )
