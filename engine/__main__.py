"""The command line: a thin layer over the functions of the engine."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import click
import torch

from engine.benchmark import benchmark
from engine.checkpoints import list_checkpoints, read_card
from engine.data_cli import data
from engine.errors import EngineError, RecipeError
from engine.evaluate_cli import check_device, evaluate, print_metrics
from engine.impute_cli import impute
from engine.impute_table_cli import impute_table
from engine.report import markdown_table
from engine.training.loop import TrainRecord
from engine.training.recipe import load_recipe
from engine.training.run import train
from engine.variance_cli import variance


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


class _Bar:
    """One progress line on standard error, redrawn at most four times a second."""

    def __init__(self) -> None:
        self.shown = 0.0
        self.stream = sys.stderr

    def show(self, text: str, force: bool = False) -> None:
        """Redraw the line: in place on a terminal, else a line every half minute."""
        now = time.monotonic()
        tty = self.stream.isatty()
        if not force and now - self.shown < (0.25 if tty else 30):
            return
        self.shown = now
        click.echo(f"\r{text:<100}" if tty else text, err=True, nl=not tty)

    def close(self) -> None:
        """End the line."""
        if self.stream.isatty():
            click.echo(err=True)


@main.command("train")
@click.argument("recipe")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    show_default=True,
)
@click.option("--resume", is_flag=True, help="Go on from the last saved state in --out.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default=None)
@click.option("--seed", type=click.IntRange(min=0), default=None)
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE")
@click.option("--json", "as_json", is_flag=True, help="Print the card as one JSON object.")
def train_command(
    recipe: str,
    out: Path,
    resume: bool,
    device: str | None,
    seed: int | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train what RECIPE (a TOML file or a shipped name) describes."""
    check_device(device)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    parsed = load_recipe(recipe, overrides, seed)
    bar = _Bar()

    def on_record(record: TrainRecord) -> None:
        text = (
            f"{parsed.name}: step {record.step}/{record.steps}, ELBO {record.elbo:.2f}, "
            f"{record.samples_per_second:,.0f} samples/s, {record.seconds_left / 60:.1f} min left"
        )
        if record.point is not None:
            text += f", valid ELBO {record.point['valid_elbo']:.2f}"
        bar.show(text, force=record.step == record.steps)

    decoded = [0]

    def on_evaluation(count: int) -> None:
        decoded[0] += count
        bar.show(f"{parsed.name}: evaluating, {decoded[0] / 1e6:.1f} million images decoded")

    checkpoint = train(
        parsed,
        out,
        device=device,
        resume=resume,
        on_record=on_record,
        on_evaluation=on_evaluation,
    )
    bar.close()
    if as_json:
        _echo_json({"path": str(checkpoint.path), "card": checkpoint.card})
    else:
        click.echo(f"{checkpoint.path}")
        print_metrics(checkpoint.card["metrics"])


@main.command("list")
@click.option("--json", "as_json", is_flag=True)
@click.option("--markdown", is_flag=True, help="The table of the README.")
def list_command(as_json: bool, markdown: bool) -> None:
    """The checkpoints with their data, estimator and numbers."""
    cards = {name: read_card(name) for name in list_checkpoints()}
    if as_json:
        _echo_json(cards)
        return
    if markdown:
        click.echo(markdown_table(cards))
        return
    if not cards:
        click.echo("no checkpoints yet: `python -m engine train RECIPE` makes one.", err=True)
    for name, card in cards.items():
        click.echo(f"{name}: {card['model']} on {card['dataset']} ({card['protocol']})")
        print_metrics(card["metrics"])


main.add_command(evaluate)
main.add_command(impute)
main.add_command(impute_table)
main.add_command(data)
main.add_command(variance)
main.add_command(benchmark)

if __name__ == "__main__":
    main()
