"""`python -m engine impute-table`: the recorded table of imputation quality, shown or made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from engine.checkpoints import load_checkpoint
from engine.cli.evaluate import OWN_DATA
from engine.errors import EngineError
from engine.evaluation.imputation_plan import SHIPPED_PLAN, ImputationPlan, load_plan
from engine.evaluation.imputation_report import imputation_markdown
from engine.evaluation.imputation_table import (
    ImputationRow,
    measure_group,
    read_table,
    table_path,
    write_table,
)
from engine.mcmc.imputation import suitable_methods
from engine.progress import ProgressLine

__all__ = ["impute_table"]

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group("impute-table")
def impute_table() -> None:
    """The table of imputation quality: show the recorded one, or measure it."""


@impute_table.command()
@click.argument("table", type=_FILE, required=False)
@click.option("--markdown", is_flag=True, help="The table of the README.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(table: Path | None, markdown: bool, as_json: bool) -> None:
    """Print TABLE, by default the recorded one."""
    rows = read_table(table)
    if as_json:
        click.echo(json.dumps({"rows": [asdict(row) for row in rows]}))
    elif not rows:
        raise EngineError(
            f"{table or table_path()} has no rows: `python -m engine impute-table measure` "
            "makes them."
        )
    elif markdown:
        click.echo(imputation_markdown(rows))
    else:
        _print(rows)


@impute_table.command()
@click.argument("plan", type=_FILE, default=SHIPPED_PLAN)
@click.option("--data", default=None, help=OWN_DATA)
@click.option("--out", type=_FILE, default=None, help="CSV to write; by default the recorded one.")
@click.option("--resume", is_flag=True, help="Keep what --out has already of the same plan.")
def measure(plan: Path, data: str | None, out: Path | None, resume: bool) -> None:
    """Measure what PLAN (a TOML file; by default the shipped one) lists.

    All methods that suit a model complete the same items under the same masks, with as many
    transitions each. The CSV is written anew after each checkpoint and mask.
    """
    wanted, target = load_plan(plan), out or table_path()
    groups = [(name, mask) for name in wanted.checkpoints for mask in wanted.masks]
    done = _kept(wanted, target) if resume else {}
    todo = [group for group in groups if group not in done]
    methods = {name: suitable_methods(load_checkpoint(name).model) for name, _ in todo}
    each = wanted.items * wanted.chains * (wanted.start + wanted.warm_up + wanted.transitions)
    work = each * sum(len(methods[name]) for name, _ in todo)
    line = ProgressLine(target.name, work, "chain transitions")
    for name, mask in todo:
        done[name, mask] = measure_group(wanted, name, mask, data=data, progress=line.add)
        write_table(target, [row for group in groups for row in done.get(group, [])])
    line.close()
    _print(read_table(target))


def _kept(plan: ImputationPlan, path: Path) -> dict[tuple[str, str], list[ImputationRow]]:
    """The rows at `path` that `plan` would make again."""
    same = ("split", "items", "chains", "start", "warm_up", "transitions", "samples", "seed")
    kept: dict[tuple[str, str], list[ImputationRow]] = {}
    for row in read_table(path):
        if all(getattr(row, name) == getattr(plan, name) for name in same):
            kept.setdefault(row.group, []).append(row)
    return kept


def _print(rows: Sequence[ImputationRow]) -> None:
    """A line for each row."""
    wide = max(len(row.checkpoint) for row in rows) + 2
    click.echo(
        f"{'checkpoint':<{wide}}{'hidden':<8}{'method':<25}{'log p(x_m | x_o)':>18}"
        f"{'error':>17}{'− pseudo-Gibbs':>19}{'calibration':>14}{'accepted':>10}"
    )
    for row in rows:
        click.echo(
            f"{row.checkpoint:<{wide}}{row.mask:<8}{row.method:<25}"
            f"{row.log_conditional:>10.2f} ± {row.log_conditional_se:<5.2f}"
            f"{row.error:>9.4f} ± {row.error_se:.4f}{row.change:>+10.4f} ± {row.change_se:.4f}"
            f"{row.calibration:>7.2f} ± {row.calibration_se:.2f}{row.acceptance:>10.1%}"
        )
