"""`python -m engine impute`: how well a checkpoint fills in hidden pixels."""

from __future__ import annotations

import json
from typing import Any

import click
from torch import Generator, Tensor

from engine.checkpoints import load_checkpoint
from engine.datasets import load_dataset
from engine.datasets.masks import half_mask, random_mask, square_mask
from engine.evaluate_cli import check_device
from engine.evaluation.imputation import quality, summary
from engine.evaluation.likelihood import subset
from engine.mcmc.imputation import METHODS
from engine.progress import ProgressLine
from engine.random import derive_seed, make_generator

__all__ = ["MASKS", "impute", "make_mask"]

MASKS = ("60", "80", "square", "half")

_MASK, _CHAIN = range(2)  # streams of a seed

_COUNT = click.IntRange(min=1)


def make_mask(
    name: str, image_shape: tuple[int, int], items: int, *, generator: Generator
) -> Tensor:
    """Bool ``(items, data)``, true = observed.

    "60" and "80": so many per cent of the pixels of each image missing at random; "square": one
    with half the side of the image missing in the middle; "half": the lower half.

    Raises:
        ValueError: no mask of that name.
    """
    if name == "square":
        return square_mask(image_shape, min(image_shape) // 2, batch=items)
    if name == "half":
        return half_mask(image_shape, "bottom", batch=items)
    if name not in MASKS:
        raise ValueError(f"`name` must be one of {', '.join(MASKS)}; got {name!r}.")
    return random_mask(image_shape, int(name) / 100, batch=items, generator=generator)


@click.command()
@click.argument("checkpoint")
@click.option("--mask", type=click.Choice(MASKS), default="80", show_default=True)
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
    loaded = load_checkpoint(checkpoint, device)
    dataset = load_dataset(loaded.card["dataset"])
    x = subset(getattr(dataset, split), items, seed).to(device)
    observed = make_mask(
        mask, dataset.image_shape, len(x), generator=make_generator(derive_seed(seed, _MASK))
    ).to(device)
    work = len(x) * ((start + warm_up + transitions) * chains + 2 * samples)
    line = ProgressLine(f"{loaded.name}, {mask}, {method}", work, "decoded images")
    found = quality(
        loaded.model.eval(),
        x,
        observed,
        method=method,
        chains=chains,
        start=start,
        warm_up=warm_up,
        transitions=transitions,
        samples=samples,
        generator=make_generator(derive_seed(seed, _CHAIN), x.device),
        progress=line.add,
    )
    line.close()
    rows: list[dict[str, Any]] = summary(found)
    if as_json:
        answer = {
            "checkpoint": loaded.name,
            "dataset": dataset.name,
            "split": split,
            "mask": mask,
            "hidden": float((~observed).double().mean()),
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
    click.echo(f"{loaded.name}: {len(x)} {split} items of {dataset.name}, {mask} hidden, {method}")
    for row in rows:
        click.echo(
            f"{row['name']:>20} {row['value']:10.4f} ± {row['standard_error']:.4f} {row['unit']}"
        )
