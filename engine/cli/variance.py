"""`python -m engine variance`: gradient variance of the estimators at a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import click

from engine.checkpoints import load_checkpoint
from engine.cli.evaluate import OWN_DATA, check_device
from engine.estimators.variants import VARIANTS, build_variant, suitable_variants
from engine.evaluation.variance import FIT_STEPS
from engine.progress import ProgressLine
from engine.variance_jobs import Job, Result, run_jobs
from engine.variance_record import write_record

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
@click.option("--data", default=None, help=OWN_DATA)
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
@click.option(
    "--oracle-draws",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Gradients of an unbiased estimator, on each minibatch and for each estimator of the "
    "ELBO, that the bias is measured against where the truth cannot be enumerated.",
)
@click.option(
    "--processes",
    type=_COUNT,
    default=1,
    show_default=True,
    help="Estimators measured side by side, each by one thread.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Folder for NAME.variance.csv, the columns that a training records.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def variance(
    checkpoint: str,
    estimators: str | None,
    data: str | None,
    draws: int,
    minibatches: int,
    batch_size: int,
    split: str,
    fit_steps: int,
    seed: int,
    device: str,
    oracle_draws: int,
    processes: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Gradient variance of the estimators at CHECKPOINT, given the minibatch.

    The trace of the covariance of the gradient of the mean objective, by layer, over the draws of
    the estimator alone; the model is frozen and in evaluation mode, and every estimator sees the
    same minibatches and noise. A checkpoint holds no baselines: those of NVIL are fitted first.
    """
    check_device(device)
    keys = _chosen(estimators)
    loaded = load_checkpoint(checkpoint)
    model = loaded.model
    if model.kind != "latent":
        raise ValueError(
            f"the variants of `variance` need a model with latents; {loaded.name} is of the kind "
            f"{model.kind!r}."
        )
    keys = keys or suitable_variants(
        model.latent_kind,
        len(model.layer_sizes),
        factorial=getattr(model, "factorial_recognition", True),
    )
    costs = {key: build_variant(key, model).evaluations for key in keys}
    jobs = [
        Job(
            checkpoint=checkpoint,
            key=key,
            draws=draws,
            minibatches=minibatches,
            batch_size=batch_size,
            split=split,
            fit_steps=fit_steps,
            seed=seed,
            device=device,
            oracle_draws=oracle_draws,
            data=data,
        )
        # the longest first, so that no process is left with it at the end
        for key in sorted(keys, key=costs.__getitem__, reverse=processes > 1)
    ]
    progress = ProgressLine(loaded.name, draws * minibatches * len(jobs), "gradients")
    found = {result.job.key: result for result in run_jobs(jobs, processes, progress.add)}
    progress.close()
    results = [found[key] for key in keys]
    if out is not None:
        write_record(out, loaded.name, loaded.card, results)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "checkpoint": loaded.name,
                    "dataset": loaded.card["dataset"],
                    "split": split,
                    "batch_size": batch_size,
                    "seed": seed,
                    "estimators": {one.job.key: one.summary for one in results},
                    "rows": [row for one in results for row in one.rows],
                }
            )
        )
        return
    click.echo(
        f"{loaded.name}: {draws} draws on each of {minibatches} minibatches of {batch_size} "
        f"{split} items of {loaded.card['dataset']}"
    )
    _print_table(results)


def _print_table(results: list[Result]) -> None:
    """What was measured, a line for each estimator and part of the model."""
    fitted = max(one.summary["fit_steps"] for one in results)
    if fitted:
        click.echo(f"baselines and running statistics fitted on {fitted} minibatches first")
    truths = {one.summary["truth"] for one in results} - {None}
    if truths:
        click.echo(f"bias: its squared length in standard errors, against {', '.join(truths)}")
    wide = max(len(key) for key in VARIANTS) + 2
    head = f"{'estimator':<{wide}}{'layer':<20}{'trace':>11}{'± se':>10}{'|mean|²':>12}{'SNR':>9}"
    click.echo(f"{head}{'bias z':>9}{'evals':>7}{'× trace':>11}{'ms/draw':>9}")
    for one in results:
        for row in one.rows:
            snr, z = ("" if row[name] is None else f"{row[name]:.3g}" for name in ("snr", "bias_z"))
            click.echo(
                f"{row['estimator']:<{wide}}{row['layer']:<20}{row['trace']:>11.4g}"
                f"{row['trace_se']:>10.2g}{row['mean_square']:>12.4g}{snr:>9}{z:>9}"
                f"{row['evaluations']:>7}{row['variance_evaluations']:>11.4g}"
                f"{1000 * one.summary['seconds_per_draw']:>9.2f}"
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
