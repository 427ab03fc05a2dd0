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
from engine.checkpoints import list_checkpoints, load_checkpoint, read_card
from engine.data_cli import data
from engine.datasets import load_dataset
from engine.errors import EngineError, RecipeError
from engine.evaluation.likelihood import subset
from engine.report import markdown_table
from engine.training.loop import TrainRecord
from engine.training.recipe import Evaluation, load_recipe
from engine.training.run import measure, train
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


def _check_device(device: str | None) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        raise click.UsageError("--device cuda: this torch finds no CUDA device; use cpu.")


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
    _check_device(device)
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
        _print_metrics(checkpoint.card["metrics"])


def _print_metrics(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        click.echo(
            f"{row['name']:>16} {row['value']:10.3f} ± {row['standard_error']:.3f} nats "
            f"({row['estimator']}, K = {row['samples']}, {row['items']} {row['split']} items)"
        )


@main.command("evaluate")
@click.argument("checkpoint")
@click.option("--split", type=click.Choice(["train", "valid", "test"]), default="test")
@click.option("--samples", type=click.IntRange(min=1), default=5000, show_default=True)
@click.option("--limit", type=click.IntRange(min=2), default=None, help="Items, chosen at random.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--json", "as_json", is_flag=True)
def evaluate_command(
    checkpoint: str,
    split: str,
    samples: int,
    limit: int | None,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """ELBO and L_K of CHECKPOINT with standard errors, in nats per item."""
    _check_device(device)
    loaded = load_checkpoint(checkpoint, device)
    dataset = load_dataset(loaded.card["dataset"])
    x = subset(getattr(dataset, split), limit).to(device)
    total, decoded, bar = samples * len(x), [0], _Bar()
    started = time.monotonic()

    def on_progress(count: int) -> None:
        decoded[0] += count
        speed = decoded[0] / max(time.monotonic() - started, 1e-9)
        left = (total - decoded[0]) / speed / 60
        bar.show(f"{loaded.name}: {decoded[0] / total:.1%}, {left:.1f} min left")

    rows = measure(loaded.model, x, Evaluation(samples, split, seed=seed), on_progress)
    bar.close()
    if as_json:
        _echo_json({"checkpoint": loaded.name, "protocol": dataset.protocol, "metrics": rows})
    else:
        _print_metrics(rows)


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
        _print_metrics(card["metrics"])


main.add_command(data)
main.add_command(variance)
main.add_command(benchmark)

if __name__ == "__main__":
    main()
