"""`python -m engine data`: which data sets are here, fetch them, check them by content."""

from __future__ import annotations

import json
from typing import Any

import click

from engine.datasets import (
    DATASETS,
    Dataset,
    fetch_dataset,
    find_dataset,
    has_host,
    load_dataset,
)
from engine.errors import DatasetError

__all__ = ["data"]

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
set_name = click.argument("name", required=False, type=click.Choice(list(DATASETS)))


@click.group()
def data() -> None:
    """The data sets: which are here, fetch them, check them."""


@data.command("list")
@as_json
def list_sets(as_json: bool) -> None:
    """List the data sets and where each would be read from."""
    rows = []
    for name in DATASETS:
        path = find_dataset(name)
        rows.append({"name": name, "path": path and str(path)})
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['name']:<15}{row['path'] or 'not here'}")


@data.command()
@set_name
@as_json
def fetch(name: str | None, as_json: bool) -> None:
    """Bring NAME, or every set, from its public host to the user's cache folder.

    What is already here is checked and left alone. HELMHOLTZ_MIRROR names another host (the URL of
    a folder with the same files), HELMHOLTZ_CACHE another cache folder.
    """
    rows = []
    for each in [name] if name else DATASETS:
        row: dict[str, Any] = {"name": each, "ok": True}
        if name is None and not has_host(each) and find_dataset(each) is None:
            row["ok"] = None  # nobody serves it, and nobody asked for it in particular
        else:
            try:
                row["path"] = str(fetch_dataset(each))
            except DatasetError as error:
                row.update(ok=False, error=str(error))
        rows.append(row)
        if not as_json:
            _report(row, row.get("path"))
    _finish(rows, as_json)


@data.command()
@set_name
@as_json
def check(name: str | None, as_json: bool) -> None:
    """Read NAME, or every set that is here, and check it by content."""
    rows = []
    for each in [name] if name else DATASETS:
        path = find_dataset(each)
        row: dict[str, Any] = {"name": each, "path": path and str(path)}
        if path is None and name is None:
            row["ok"] = None  # not here, and nobody asked for it in particular
        else:
            try:
                row.update(ok=True, **_description(load_dataset(each, download=False)))
            except DatasetError as error:
                row.update(ok=False, error=str(error))
        rows.append(row)
        if not as_json:
            items = row.get("items")
            _report(row, items and f"{' / '.join(map(str, items.values()))} items, {path}")
    _finish(rows, as_json)


def _description(dataset: Dataset) -> dict[str, Any]:
    return {
        "items": {split: len(pixels) for split, pixels in dataset.pixels.items()},
        "image_shape": list(dataset.image_shape),
        "likelihood": dataset.likelihood,
        "labels": dataset.labels is not None,
        "words": len(dataset.vocabulary),
        "protocol": dataset.protocol,
    }


def _report(row: dict[str, Any], good: str | None) -> None:
    if row["ok"] is None:
        click.echo(f"{row['name']:<15}not here")
    elif row["ok"]:
        click.echo(f"{row['name']:<15}ok: {good}")
    else:
        click.echo(f"{row['name']}: {row['error']}", err=True)


def _finish(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        _print_json(rows)
    if any(row["ok"] is False for row in rows):
        raise SystemExit(1)


def _print_json(rows: list[dict[str, Any]]) -> None:
    click.echo(json.dumps({"datasets": rows}))
