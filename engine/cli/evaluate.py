"""`python -m engine evaluate`: log p(x) of a checkpoint, by importance sampling or by annealing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import click
import torch
from torch import Tensor

from engine.checkpoints import load_checkpoint
from engine.datasets.learned import learned_dataset
from engine.errors import EngineError
from engine.evaluation import ais, marginal
from engine.evaluation.grid import grid_posterior
from engine.evaluation.likelihood import bounds, curve_rows, metric, metrics, subset
from engine.evaluation.perplexity import perplexity_metrics
from engine.models import DBN, GenerativeModel, LatentVariableModel
from engine.progress import ProgressLine
from engine.random import make_generator
from engine.training.measuring import exact_metrics, measure, work
from engine.training.recipe import parse_recipe
from engine.training.settings import Evaluation

__all__ = ["OWN_DATA", "check_device", "evaluate", "print_metrics"]

AIS_CHAINS, AIS_TEMPERATURES = 16, 1000
SAMPLES = 5000
"""K where --limit is given alone."""

OWN_DATA = "Folder or .npz file of your own that it learned from."

Row = dict[str, Any]


def check_device(device: str | None) -> None:
    """Refuse the GPU where there is none, as a wrong call."""
    if device == "cuda" and not torch.cuda.is_available():
        raise click.UsageError("--device cuda: this torch finds no CUDA device; use cpu.")


def print_metrics(rows: list[Row]) -> None:
    """A line for each metric of a card."""
    for row in rows:
        value = f"{row['value']:10.3f} ± {row['standard_error']:.3f} {row.get('unit', 'nats')}"
        click.echo(
            f"{row['name']:>16} {value} "
            f"({row['estimator']}, K = {row['samples']}, {row['items']} {row['split']} items)"
        )


@click.command()
@click.argument("checkpoint")
@click.option(
    "--split",
    type=click.Choice(["train", "valid", "test"]),
    default=None,
    help="By default that of its card: test.",
)
@click.option("--data", default=None, help=OWN_DATA)
@click.option(
    "--samples", type=click.IntRange(min=1), default=None, help="K, of all items or of --limit."
)
@click.option("--limit", type=click.IntRange(min=2), default=None, help="Items, chosen at random.")
@click.option(
    "--method",
    type=click.Choice(["importance", "ais", "kernel", "quadrature"]),
    default="importance",
    show_default=True,
    help="For Gaussian latents, costly, use --limit. ais: annealed importance sampling with HMC; "
    "kernel: HMC and a density estimate, up to 4 latents; quadrature: a grid, up to 3.",
)
@click.option(
    "--chains",
    type=click.IntRange(min=2),
    default=None,
    help=f"Of ais, an item: {AIS_CHAINS} by default; else those that estimate log Z.",
)
@click.option(
    "--temperatures",
    type=click.IntRange(min=1),
    default=None,
    help=f"Of ais: {AIS_TEMPERATURES} by default, the paper takes 10000; else those of log Z.",
)
@click.option(
    "--simulated",
    type=click.IntRange(min=2),
    default=None,
    help="With ais: check it from both sides on so many items that the model makes itself.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=None, help="By default that of its card: 0."
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--json", "as_json", is_flag=True)
def evaluate(
    checkpoint: str,
    split: str | None,
    data: str | None,
    samples: int | None,
    limit: int | None,
    method: str,
    chains: int | None,
    temperatures: int | None,
    simulated: int | None,
    seed: int | None,
    device: str,
    as_json: bool,
) -> None:
    """ELBO and L_K of CHECKPOINT with standard errors, in nats per item.

    Of documents also the perplexity, from L_K; the exact log-likelihood where the model's density
    can be said; of a machine with an energy, log p(x) with log Z from both sides.

    Without --samples and --limit, the numbers of its card once more, by the [evaluation] of its
    recipe: there a costly L_K is that of some of the items, corrected by a cheaper number of all.
    With either, L_K of so many items or all; --samples is the number of densities that are
    averaged, where the model is a mixture of several (orderings).

    With --json and --samples or --limit also the K-curve: L_K for K from 1 on by the same draws.
    """
    if simulated is not None and method != "ais":
        raise click.UsageError("--simulated checks annealing: give --method ais as well.")
    check_device(device)
    loaded = load_checkpoint(checkpoint, device)
    model, name = loaded.model, loaded.name
    settings = _settings(loaded.card, name, split, samples, limit, chains, temperatures, seed)
    split = settings.split
    dataset = learned_dataset(loaded.card, data)
    x = subset(getattr(dataset, split), limit).to(device)
    answer: Row = {"checkpoint": name, "protocol": dataset.protocol}
    rows: list[Row]
    if method != "importance":
        if not isinstance(model, LatentVariableModel):
            raise EngineError(f"--method {method} needs a model with latents; {name} has none.")
        if method == "ais":
            numbers = (chains or AIS_CHAINS, temperatures or AIS_TEMPERATURES, simulated)
            rows = _annealed(model, x, split, *numbers, settings.seed, name)
        else:
            rows = [_marginal(model, x, split, method, settings.seed, name)]
    elif (
        (samples or limit) and isinstance(model, LatentVariableModel) and not isinstance(model, DBN)
    ):
        line = ProgressLine(name, settings.samples * len(x), "decoded images")
        generator = make_generator(settings.seed, x.device)
        result = bounds(model, x, samples=settings.samples, generator=generator, progress=line.add)
        words = perplexity_metrics(model, x, result, split)
        rows = [*metrics(result, split), *words, *exact_metrics(model, x, settings)]
        line.close()
        answer["curve"] = curve_rows(result)
    else:  # a DBN always: its bounds take a log Z that is estimated first
        rows = _measured(model, x, settings, name)
    answer["metrics"] = rows
    if as_json:
        click.echo(json.dumps(answer))
    else:
        print_metrics(rows)


def _settings(
    card: Row,
    name: str,
    split: str | None,
    samples: int | None,
    limit: int | None,
    chains: int | None,
    temperatures: int | None,
    seed: int | None,
) -> Evaluation:
    """The card's [evaluation] with what was asked for in its place."""
    own = parse_recipe(card["recipe"], name).evaluation
    asked: Row = {"split": split, "chains": chains, "temperatures": temperatures, "seed": seed}
    if samples is not None or limit is not None:
        asked["samples"] = samples or SAMPLES
        own = replace(own, items=None)
    return replace(own, **{key: value for key, value in asked.items() if value is not None})


def _measured(model: GenerativeModel, x: Tensor, settings: Evaluation, name: str) -> list[Row]:
    """The metrics of a card, with a line of progress."""
    line = ProgressLine(name, work(model, len(x), settings), "items x samples")
    rows = measure(model, x, settings, line.add)
    line.close()
    return rows


def _marginal(
    model: LatentVariableModel, x: Tensor, split: str, method: str, seed: int, name: str
) -> Row:
    """The metric of a method for few latents."""
    if method == "quadrature":
        line, values = ProgressLine(name, len(x), "items"), []
        for item in x:
            values.append(grid_posterior(model, item).log_marginal)
            line.add(1)
        estimate, what, samples = torch.tensor(values, dtype=torch.float64), "quadrature", 1
    else:
        line = ProgressLine(name, marginal.TRAJECTORIES * len(x) * marginal.DRAWS, "trajectories")
        generator = make_generator(seed, x.device)
        found = marginal.kernel_marginal(model, x, generator=generator, progress=line.add)
        estimate, what, samples = found.estimate, "HMC and density estimate", marginal.DRAWS
    line.close()
    return metric("log_likelihood", estimate, what, samples=samples, split=split)


def _annealed(
    model: LatentVariableModel,
    x: Tensor,
    split: str,
    chains: int,
    temperatures: int,
    simulated: int | None,
    seed: int,
    name: str,
) -> list[Row]:
    """The metrics of annealing: of `x`, and of both bounds on simulated items."""
    work = ais.trajectories(len(x) + 2 * (simulated or 0), chains=chains, temperatures=temperatures)
    line, generator = ProgressLine(name, work, "trajectories"), make_generator(seed, x.device)

    def row(key: str, split: str, values: Tensor, what: str) -> Row:
        estimator = f"{what}, {temperatures} temperatures"
        return metric(key, values, estimator, samples=chains, split=split)

    found = ais.anneal(
        model,
        x,
        chains=chains,
        temperatures=temperatures,
        generator=generator,
        progress=line.add,
    )
    rows = [row("AIS", split, found.estimate, "annealed importance sampling")]
    if simulated is not None:
        both = ais.bidirectional(
            model,
            simulated,
            chains=chains,
            temperatures=temperatures,
            generator=generator,
            progress=line.add,
        )
        rows += [
            row("AIS_lower", "simulated", both.lower.estimate, "annealed importance sampling"),
            row("AIS_upper", "simulated", both.upper.estimate, "reverse annealing"),
            row("AIS_gap", "simulated", both.gap, "bidirectional Monte Carlo"),
        ]
    line.close()
    return rows
