"""The command line: a thin layer over the functions of the engine."""

from __future__ import annotations

import json
from typing import Any

import click
import torch

from engine.benchmark import benchmark
from engine.checkpoints import list_checkpoints, read_card
from engine.cli.data import data
from engine.cli.evaluate import evaluate, print_metrics
from engine.cli.impute import impute
from engine.cli.impute_table import impute_table
from engine.cli.leaderboard import leaderboard_command
from engine.cli.train import figure_command, measure_command, train_command
from engine.cli.variance import variance
from engine.errors import EngineError, RecipeError
from engine.report import readme_tables


class WrongCall(click.ClickException):
    """One line, like the other failures, with the exit status of a wrong call."""

    exit_code = 2


class Commands(click.Group):
    """Exit status 1 with one clear line where the work fails; 2 where the call was wrong.

    A recipe is part of the call: one that does not exist or asks for what there is not is wrong.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Turn the engine's errors into messages; bugs keep their traceback."""
        try:
            return super().invoke(ctx)
        except (EngineError, ValueError, OSError) as error:
            if isinstance(error, BrokenPipeError):  # nobody reads on: click leaves quietly
                raise
            kind = WrongCall if isinstance(error, RecipeError) else click.ClickException
            raise kind(" ".join(str(error).split())) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Helmholtz: train and measure recognition models."""
    torch.set_flush_denormal(True)  # tiny moments of rarely used weights cost tens of times more
    torch.set_float32_matmul_precision("high")


def _echo_json(value: object) -> None:
    click.echo(json.dumps(value))


@main.command("list")
@click.option("--json", "as_json", is_flag=True)
@click.option("--markdown", is_flag=True, help="The tables of the README.")
def list_command(as_json: bool, markdown: bool) -> None:
    """The checkpoints with their data, estimator and numbers."""
    cards = {name: read_card(name) for name in list_checkpoints()}
    if as_json:
        _echo_json(cards)
        return
    if markdown:
        click.echo(readme_tables(cards))
        return
    if not cards:
        click.echo("no checkpoints yet: `python -m engine train RECIPE` makes one.", err=True)
    for name, card in cards.items():
        click.echo(f"{name}: {card['model']} on {card['dataset']} ({card['protocol']})")
        print_metrics(card["metrics"])


main.add_command(train_command)
main.add_command(measure_command)
main.add_command(figure_command)
main.add_command(evaluate)
main.add_command(impute)
main.add_command(impute_table)
main.add_command(leaderboard_command)
main.add_command(data)
main.add_command(variance)
main.add_command(benchmark)

if __name__ == "__main__":
    main()
