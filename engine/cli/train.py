"""`python -m engine train`, `measure` and `figure`: of one recipe, or all that a figure shows."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import torch

from engine.checkpoints import SUFFIX, Checkpoint, load_checkpoint, pretrained_folder
from engine.cli.evaluate import check_device, print_metrics
from engine.figures import figure_path, list_figures, load_figure
from engine.training.figure import make_runs
from engine.training.loop import TrainRecord
from engine.training.recipe import Recipe, load_recipe
from engine.training.run import measure_again, train

__all__ = ["figure_command", "measure_command", "train_command"]


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

    def record(self, recipe: Recipe, record: TrainRecord) -> None:
        """Where a run is."""
        text = (
            f"{recipe.name}: step {record.step}/{record.steps}, ELBO {record.elbo:.2f}, "
            f"{record.samples_per_second:,.0f} samples/s, {record.seconds_left / 60:.1f} min left"
        )
        if record.point is not None:
            text += f", valid ELBO {record.point['valid_elbo']:.2f}"
        self.show(text, force=record.step == record.steps)

    def measuring(self, recipe: Recipe) -> Callable[[int], None]:
        """What counts the images decoded while the card's numbers are made."""
        decoded = [0]

        def count(images: int) -> None:
            decoded[0] += images
            self.show(f"{recipe.name}: evaluating, {decoded[0] / 1e6:.1f} million images decoded")

        return count

    def close(self) -> None:
        """End the line."""
        if self.stream.isatty():
            click.echo(err=True)


def choose_device(device: str | None) -> str:
    """The device asked for, or the GPU where there is one; a wrong call where there is none."""
    check_device(device)
    return device or ("cuda" if torch.cuda.is_available() else "cpu")


@click.command("train")
@click.argument("recipe")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    show_default=True,
)
@click.option("--resume", is_flag=True, help="Go on from the last saved state in --out.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default=None)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=None,
    help="Another one than the recipe's own names the checkpoint NAME-seed-N.",
)
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
    device = choose_device(device)
    parsed = load_recipe(recipe, overrides, seed)
    bar = _Bar()
    checkpoint = train(
        parsed,
        out,
        device=device,
        resume=resume,
        on_record=lambda record: bar.record(parsed, record),
        on_evaluation=bar.measuring(parsed),
    )
    bar.close()
    _print_checkpoint(checkpoint, as_json)


def _print_checkpoint(checkpoint: Checkpoint, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"path": str(checkpoint.path), "card": checkpoint.card}))
    else:
        click.echo(f"{checkpoint.path}")
        print_metrics(checkpoint.card["metrics"])


@click.command("measure")
@click.argument("recipe")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Where its checkpoint is; the shipped ones by default.",
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default=None)
@click.option("--json", "as_json", is_flag=True, help="Print the card as one JSON object.")
def measure_command(recipe: str, out: Path | None, device: str | None, as_json: bool) -> None:
    """Measure the checkpoint of RECIPE again, and keep the numbers in its card.

    For a recipe whose [evaluation] was changed after the training: nothing is trained. Where its
    `storage` was changed to 16 bits, the weights are rounded first.
    """
    parsed = load_recipe(recipe)
    path = (out or pretrained_folder()) / f"{parsed.name}{SUFFIX}"
    loaded = load_checkpoint(path, choose_device(device))
    bar = _Bar()
    checkpoint = measure_again(parsed, loaded, bar.measuring(parsed))
    bar.close()
    _print_checkpoint(checkpoint, as_json)


@click.command("figure")
@click.argument("name", type=click.Choice(list_figures()))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Of the checkpoints that have recipes of their own, and of the curves: figures/NAME.csv.",
)
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Of all other runs: kept, so that a stopped command goes on.",
)
@click.option(
    "--panel", "panels", type=int, multiple=True, help="Train this panel only, from 0; repeatable."
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default=None)
def figure_command(
    name: str, out: Path, work: Path, panels: tuple[int, ...], device: str | None
) -> None:
    """Make the curves of a paper's figure: train the runs that are missing, gather all."""
    bar = _Bar()
    make_runs(
        load_figure(name),
        out,
        work,
        panels=panels,
        device=choose_device(device),
        on_record=bar.record,
    )
    bar.close()
    click.echo(f"{figure_path(name, out)}")
