"""`python -m engine impute`: how well a checkpoint fills in hidden pixels."""

from __future__ import annotations

import json
from typing import Any

import click

from engine.cli.evaluate import OWN_DATA, check_device
from engine.datasets.masks import NAMED
from engine.evaluation.imputation import quality, summary
from engine.evaluation.imputation_task import load_task
from engine.mcmc.imputation import METHODS
from engine.progress import ProgressLine

__all__ = ["impute"]

_COUNT = click.IntRange(min=1)


@click.command()
@click.argument("checkpoint")
@click.option("--data", default=None, help=OWN_DATA)
@click.option("--mask", type=click.Choice(NAMED), default="80", show_default=True)
@click.option(
    "--method",
    type=click.Choice(list(METHODS)),
    default="metropolis-within-gibbs",
    show_default=True,
)
@click.option("--items", type=click.IntRange(min=2), default=100, show_default=True)
@click.option("--chains", type=_COUNT, default=4, show_default=True, help="Of each item.")
@click.option(
    "--start",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Transitions of pseudo-Gibbs from the random fill.",
)
@click.option("--warm-up", type=_COUNT, default=100, show_default=True)
@click.option("--transitions", type=_COUNT, default=100, show_default=True)
@click.option(
    "--samples", type=_COUNT, default=1000, show_default=True, help="K of log p(x_m | x_o)."
)
@click.option("--split", type=click.Choice(["train", "valid", "test"]), default="test")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def impute(
    checkpoint: str,
    data: str | None,
    mask: str,
    method: str,
    items: int,
    chains: int,
    start: int,
    warm_up: int,
    transitions: int,
    samples: int,
    split: str,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """How well CHECKPOINT fills in hidden pixels, by a Markov chain.

    log p(hidden | visible) is the difference of two importance-sampled bounds; bit error (RMSE for
    grey values) that of the chain's mean and of its draws; calibration the squared error of the
    mean over the variance that the chain claims, 1 where its spread is honest. Standard errors are
    those over the items.
    """
    check_device(device)
    task = load_task(
        checkpoint, mask, data=data, split=split, items=items, seed=seed, device=device
    )
    work = len(task.x) * ((start + warm_up + transitions) * chains + 2 * samples)
    line = ProgressLine(f"{task.checkpoint}, {mask}, {method}", work, "decoded images")
    found = quality(
        task.model,
        task.x,
        task.observed,
        method=method,
        chains=chains,
        start=start,
        warm_up=warm_up,
        transitions=transitions,
        samples=samples,
        generator=task.chains_generator(),
        progress=line.add,
    )
    line.close()
    rows: list[dict[str, Any]] = summary(found)
    if as_json:
        answer = {
            "checkpoint": task.checkpoint,
            "dataset": task.dataset,
            "split": split,
            "mask": mask,
            "hidden": task.hidden,
            "method": method,
            "chains": chains,
            "start": start,
            "warm_up": warm_up,
            "transitions": transitions,
            "samples": samples,
            "seed": seed,
            "log_conditional": "difference of two importance-sampled lower bounds",
            "metrics": rows,
        }
        click.echo(json.dumps(answer))
        return
    click.echo(
        f"{task.checkpoint}: {len(task.x)} {split} items of {task.dataset}, {mask} hidden, {method}"
    )
    for row in rows:
        click.echo(
            f"{row['name']:>20} {row['value']:10.4f} ± {row['standard_error']:.4f} {row['unit']}"
        )
