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
from engine.evaluation import ais, marginal
from engine.evaluation.grid import grid_posterior
from engine.evaluation.likelihood import bounds, curve_rows, metric, metrics, subset
from engine.evaluation.perplexity import perplexity_metrics
from engine.models.base import LatentVariableModel
from engine.models.rbm import RBM
from engine.progress import ProgressLine
from engine.random import make_generator
from engine.training.recipe import parse_recipe
from engine.training.run import exact_metrics, measure
from engine.training.settings import Evaluation

__all__ = ["OWN_DATA", "check_device", "evaluate", "print_metrics"]

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
@click.option("--split", type=click.Choice(["train", "valid", "test"]), default="test")
@click.option("--data", default=None, help=OWN_DATA)
@click.option("--samples", type=click.IntRange(min=1), default=5000, show_default=True)
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
    "--chains", type=click.IntRange(min=1), default=16, show_default=True, help="Of ais, an item."
)
@click.option(
    "--temperatures",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Of ais; the paper takes 10000.",
)
@click.option(
    "--simulated",
    type=click.IntRange(min=2),
    default=None,
    help="With ais: check it from both sides on so many items that the model makes itself.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--json", "as_json", is_flag=True)
def evaluate(
    checkpoint: str,
    split: str,
    data: str | None,
    samples: int,
    limit: int | None,
    method: str,
    chains: int,
    temperatures: int,
    simulated: int | None,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """ELBO and L_K of CHECKPOINT with standard errors, in nats per item.

    Of documents also the perplexity, from L_K.

    The exact log-likelihood where the model's density can be said; --samples is then the number of
    densities that are averaged, where the model is a mixture of several (orderings).

    Of a machine with an energy, log p(x) with log Z from both sides, annealed as its recipe says.

    With --json also the K-curve: L_K for K from 1 to --samples by the same draws.
    """
    if simulated is not None and method != "ais":
        raise click.UsageError("--simulated checks annealing: give --method ais as well.")
    check_device(device)
    loaded = load_checkpoint(checkpoint, device)
    dataset = learned_dataset(loaded.card, data)
    x = subset(getattr(dataset, split), limit).to(device)
    answer: Row = {"checkpoint": loaded.name, "protocol": dataset.protocol}
    if method == "ais":
        rows = _annealed(loaded.model, x, split, chains, temperatures, simulated, seed, loaded.name)
        answer["metrics"] = rows
    elif method != "importance":
        answer["metrics"] = rows = [_marginal(loaded.model, x, split, method, seed, loaded.name)]
    elif isinstance(loaded.model, RBM):
        settings = parse_recipe(loaded.card["recipe"], loaded.name).evaluation
        settings = replace(settings, split=split, seed=seed)
        line = ProgressLine(loaded.name, 2 * settings.chains * settings.temperatures, "sweeps")
        rows = measure(loaded.model, x, settings, line.add)
        line.close()
        answer["metrics"] = rows
    elif loaded.model.kind != "latent":
        settings = Evaluation(samples, split, seed=seed)
        work = min(samples, getattr(loaded.model, "terms", 1)) * len(x)
        line = ProgressLine(loaded.name, work, "densities")
        rows = measure(loaded.model, x, settings, line.add)
        line.close()
        answer["metrics"] = rows
    else:
        line = ProgressLine(loaded.name, samples * len(x), "decoded images")
        generator = make_generator(seed, x.device)
        result = bounds(loaded.model, x, samples=samples, generator=generator, progress=line.add)
        settings = Evaluation(samples, split, seed=seed)
        words = perplexity_metrics(loaded.model, x, result, split)
        rows = [*metrics(result, split), *words, *exact_metrics(loaded.model, x, settings)]
        line.close()
        answer |= {"metrics": rows, "curve": curve_rows(result)}
    if as_json:
        click.echo(json.dumps(answer))
    else:
        print_metrics(rows)


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
