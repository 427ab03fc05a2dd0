"""`python -m engine variance`: gradient variance of the estimators at a checkpoint."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import click

from engine.checkpoints import load_checkpoint
from engine.datasets import load_dataset
from engine.estimators.variants import VARIANTS, build_variant, suitable_variants
from engine.evaluation.variance import FIT_STEPS, fixed_minibatches, measure, prepare

__all__ = ["variance"]

_COUNT = click.IntRange(min=1)


@click.command()
@click.argument("checkpoint")
@click.option(
    "--estimators",
    metavar="NAME,NAME",
    default=None,
    help=f"Of {', '.join(VARIANTS)}; by default all that suit the model.",
)
@click.option("--draws", type=click.IntRange(min=2), default=100, show_default=True)
@click.option("--minibatches", type=_COUNT, default=5, show_default=True)
@click.option("--batch-size", type=_COUNT, default=100, show_default=True)
@click.option("--split", type=click.Choice(["train", "valid", "test"]), default="train")
@click.option(
    "--fit-steps",
    type=click.IntRange(min=0),
    default=FIT_STEPS,
    show_default=True,
    help="Minibatches that fit baselines and running statistics to the frozen model first.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def variance(
    checkpoint: str,
    estimators: str | None,
    draws: int,
    minibatches: int,
    batch_size: int,
    split: str,
    fit_steps: int,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Gradient variance of the estimators at CHECKPOINT, given the minibatch.

    The trace of the covariance of the gradient of the mean objective, by layer, over the draws of
    the estimator alone; the model is frozen and in evaluation mode, and every estimator sees the
    same minibatches and noise. A checkpoint holds no baselines: those of NVIL are fitted first.
    """
    keys = _chosen(estimators)
    loaded = load_checkpoint(checkpoint, device)
    model = loaded.model
    suitable = suitable_variants(model.latent_kind, len(model.layer_sizes))
    built = {key: build_variant(key, model) for key in keys or suitable}
    dataset = load_dataset(loaded.card["dataset"]).to(device)
    batches = fixed_minibatches(dataset, minibatches, batch_size, seed, split)
    fitted, seconds = {}, {}
    rows: list[dict[str, Any]] = []
    progress = _Progress(loaded.name, draws * minibatches * len(built))
    for key, estimator in built.items():
        progress.say(f"fitting {key}")
        fitted[key] = prepare(
            model,
            estimator,
            dataset,
            batch_size=batch_size,
            steps=fit_steps,
            seed=seed,
            split=split,
        )
        started = time.perf_counter()
        rows += measure(
            model, {key: estimator}, batches, draws=draws, seed=seed, progress=progress.add
        )
        seconds[key] = time.perf_counter() - started
    progress.close()
    if as_json:
        summary = {
            key: {
                "objective": estimator.objective,
                "unbiased": estimator.unbiased,
                "fit_steps": fitted[key],
                "seconds_per_draw": seconds[key] / (draws * minibatches),
            }
            for key, estimator in built.items()
        }
        click.echo(
            json.dumps(
                {
                    "checkpoint": loaded.name,
                    "dataset": dataset.name,
                    "split": split,
                    "batch_size": batch_size,
                    "seed": seed,
                    "estimators": summary,
                    "rows": rows,
                }
            )
        )
        return
    click.echo(
        f"{loaded.name}: {draws} draws on each of {minibatches} minibatches of {batch_size} "
        f"{split} items of {dataset.name}"
    )
    if any(fitted.values()):
        click.echo(f"baselines and running statistics fitted on {fit_steps} minibatches first")
    click.echo(f"{'estimator':<16}{'layer':<20}{'trace':>11}{'± se':>10}{'|mean|²':>12}{'SNR':>9}")
    for row in rows:
        snr = "" if row["snr"] is None else f"{row['snr']:.3g}"
        click.echo(
            f"{row['estimator']:<16}{row['layer']:<20}{row['trace']:>11.4g}"
            f"{row['trace_se']:>10.2g}{row['mean_square']:>12.4g}{snr:>9}"
        )


def _chosen(names: str | None) -> list[str]:
    """The named variants, each once; a wrong call where one is unknown."""
    if names is None:
        return []
    keys = list(dict.fromkeys(part.strip() for part in names.split(",") if part.strip()))
    unknown = [key for key in keys if key not in VARIANTS]
    if unknown or not keys:
        raise click.BadParameter(
            f"unknown estimators {unknown}; choose from {', '.join(VARIANTS)}."
            if unknown
            else f"name at least one of {', '.join(VARIANTS)}.",
            param_hint="--estimators",
        )
    return keys


class _Progress:
    """One line on standard error: the share done, and the time left."""

    def __init__(self, name: str, total: int) -> None:
        self.name, self.total, self.done = name, total, 0
        self.started, self.shown = time.monotonic(), 0.0
        self.note = ""

    def say(self, note: str) -> None:
        """What is going on beside the drawing."""
        self.note = note
        self._show()

    def add(self, draws: int) -> None:
        """So many more gradients are drawn."""
        self.done += draws
        self.note = ""
        self._show()

    def _show(self) -> None:
        tty, now = sys.stderr.isatty(), time.monotonic()
        if now - self.shown < (0.25 if tty else 10):
            return
        self.shown = now
        left = (now - self.started) / max(self.done, 1) * (self.total - self.done)
        text = f"{self.name}: {self.done} of {self.total} gradients"
        text += f", {self.note}" if self.note else f", {left:.0f} s left"
        click.echo(f"\r{text:<80}" if tty else text, err=True, nl=not tty)

    def close(self) -> None:
        """End the line."""
        if sys.stderr.isatty():
            click.echo(err=True)
