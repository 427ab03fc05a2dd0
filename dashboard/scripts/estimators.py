"""The scripts that give the numbers of the Estimators page: toy, measurement, recorded curves."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["figure_script", "measured_script", "recorded_script", "toy_script"]

_RECORDED = '''\
"""Gradient variances recorded during a training: CSV on standard output."""

import csv
import math
import sys

from engine.checkpoints import checkpoint_path, read_curves

LAYER = {layer!r}

curves = read_curves(checkpoint_path({name!r}).with_suffix(".variance.csv"))
rows = [dict(zip(curves, values)) for values in zip(*curves.values())]
writer = csv.writer(sys.stdout, lineterminator="\\n")
writer.writerow(["estimator", "samples", {quantity!r}])
for row in rows:
    if row["layer"] == LAYER:
        trace, mean_square = float(row["trace"]), float(row["mean_square"])
        snr = math.sqrt(max(mean_square, 0.0) / trace) if trace > 0 else math.nan
        value = {value}
        writer.writerow([row["estimator"], f"{{row['samples']:.10g}}", f"{{value:.10g}}"])
'''

_MEASURED = '''\
"""Gradient variance at a checkpoint, all estimators on one minibatch: CSV on standard output."""

import csv
import sys

import torch

import engine
from engine.estimators.variants import build_variant
from engine.evaluation.bias import {biases}
from engine.evaluation.variance import GradientRace, fit_state
{imports}from engine.random import derive_seed

ESTIMATORS = {keys!r}
SIZE, DRAWS, SEED, NOISE = {size}, {draws}, {seed}, {noise}

torch.set_num_threads(1)
model = {model}.eval().requires_grad_(False)
pool = {pool}


def minibatches(seed):
    generator = engine.make_generator(seed)
    while True:
        yield pool[torch.randint(len(pool), (SIZE,), generator=generator)]


x = next(minibatches(SEED))
built = {{key: build_variant(key, model) for key in ESTIMATORS}}
for estimator in built.values():  # fit the baselines, which a checkpoint does not keep
    estimator.reset_parameters(engine.make_generator(derive_seed(NOISE, 0)))
    fit_state(
        model,
        estimator,
        minibatches(derive_seed(NOISE, 1)),
        steps={fit_steps},
        generator=engine.make_generator(derive_seed(NOISE, 2)),
    )
truths = {{key: enumerated(model, one, x) for key, one in built.items()}}  # of tiny models
truths = {{key: truth for key, truth in truths.items() if truth is not None}}
{oracle}race = GradientRace(model, built, x, draws=DRAWS, seed=NOISE, truths=truths)
while race.advance() is not None:
    pass
rows = race.rows()
writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\\n")
writer.writeheader()
writer.writerows(rows)
'''

_ORACLE = """\
name = ORACLES[model.latent_kind]  # stands in for a truth that nobody can sum
one = build_variant(name, model)
noise = derive_seed(NOISE, ORACLE_STREAM)
truth = oracle(model, one, x, draws={draws}, seed=noise, name=name)
truths |= {{key: truth for key, one in built.items() if one.objective == "elbo"}}
"""
_FIGURE = '''\
"""A figure of a paper: our curves, then the paper's readings; CSV on standard output."""

import csv
import math
import sys

from engine.figures import load_figure, recorded

NAME = {name!r}

figure, curves = load_figure(NAME), recorded(NAME)
rows = [dict(zip(curves, values)) for values in zip(*curves.values())]
writer = csv.writer(sys.stdout, lineterminator="\\n")
writer.writerow(["panel", "run", "series", "step", "samples", "seconds", figure.quantity])
for panel in figure.panels:
    for run in panel.runs:
        for series in ("valid", "train"):
            for row in rows:
                here = (row["panel"], row["run"]) == (panel.title, run.label)
                if here and math.isfinite(row[series]):
                    places = (row["step"], row["samples"], row["seconds"], row[series])
                    cells = (f"{{value:.10g}}" for value in places)
                    writer.writerow([panel.title, run.label, series, *cells])
    for reading in panel.readings:
        seen = "" if reading.samples is None else f"{{reading.samples:.10g}}"
        writer.writerow([panel.title, reading.label, "paper", "", seen, "", reading.value])
'''

_TOY = '''\
"""Variances of four estimators of dL/da, L = E[(b - t)^2]: known and measured, CSV on stdout."""

import csv
import sys

from engine.evaluation.toy import ToyProblem
from engine.evaluation.toy_race import ToyRace

race = ToyRace(ToyProblem(target={target!r}, probability={probability!r}), draws={draws})
while race.advance():
    pass
rows = race.rows()
writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\\n")
writer.writeheader()
writer.writerows(rows)
'''


def toy_script(target: float, probability: float, *, draws: int) -> str:
    """Closed forms and a measurement of `draws` estimates by each."""
    return _TOY.format(target=target, probability=probability, draws=draws)


def figure_script(name: str) -> str:
    """All points of the panels of the figure `name`."""
    return _FIGURE.format(name=name)


def recorded_script(name: str, layer: str, quantity: str) -> str:
    """The recorded curves of one part of the model.

    Args:
        name: of the checkpoint.
        layer: e.g. "recognition 1".
        quantity: "trace" or "snr".
    """
    return _RECORDED.format(
        name=name, layer=layer, quantity=quantity, value="trace" if quantity == "trace" else "snr"
    )


def measured_script(
    name: str | None,
    keys: Sequence[str],
    images: tuple[str, str] | int,
    *,
    size: int,
    draws: int,
    seed: int,
    noise: int,
    fit_steps: int,
    oracle: int = 0,
) -> str:
    """The live measurement, from the first draw to the last.

    Args:
        name: of the checkpoint; the tiny belief network where it is None.
        keys: of `engine.estimators.variants.VARIANTS`.
        images: data set and split; or how many of the model's own samples stand in for them.
        size: images of the minibatch.
        draws: of each estimator.
        seed: chooses the minibatch.
        noise: seed of the draws.
        fit_steps: minibatches that fit each baseline.
        oracle: draws that stand in for a truth that cannot be enumerated; 0: none do.
    """
    pool = (
        f"model.sample({images}, generator=engine.make_generator(0))"
        if isinstance(images, int)
        else f"engine.load_dataset({images[0]!r}).{images[1]}"
    )
    tiny = name is None
    return _MEASURED.format(
        model="TINY['bars']().model" if tiny else f"engine.load_checkpoint({name!r}).model",
        biases="ORACLE_STREAM, ORACLES, enumerated, oracle" if oracle else "enumerated",
        oracle=_ORACLE.format(draws=oracle) if oracle else "",
        imports="from engine.mcmc.tiny import TINY\n" if tiny else "",
        keys=list(keys),
        pool=pool,
        size=size,
        draws=draws,
        seed=seed,
        noise=noise,
        fit_steps=fit_steps,
    )
