"""The script that reads the learning curves which the Training page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["curves_script"]

_SCRIPT = '''\
"""{what} of {count}, as the chart shows it: CSV on standard output."""

import csv
import sys

import numpy as np

import engine

NAMES = {names!r}
PROGRESS, UNIT = {progress!r}, {unit!r}

writer = csv.writer(sys.stdout, lineterminator="\\n")
writer.writerow(["series", PROGRESS, {quantity!r}])
for name in NAMES:
    curves = engine.load_checkpoint(name).curves
    x = curves[PROGRESS] / UNIT
    for split, title in (("valid", "validation"), ("train", "training")):
        y = curves.get(f"{{split}}_{quantity}")
        if y is None:
            continue
        shown = np.isfinite(x) & np.isfinite(y){positive}
        for point in zip(x[shown], y[shown]):
            writer.writerow([f"{{name}}, {{title}}", *(f"{{value:.10g}}" for value in point)])
'''

_SEEDS_SCRIPT = '''\
"""{what} of {count}, lowest, highest and mean over seeds: CSV on standard output."""

import csv
import sys
from functools import reduce

import numpy as np

import engine

SERIES = {series!r}
PROGRESS, UNIT = {progress!r}, {unit!r}

writer = csv.writer(sys.stdout, lineterminator="\\n")
writer.writerow(["series", PROGRESS, {quantity!r}])
for name, seeds in SERIES.items():
    trainings = [engine.load_checkpoint(seed).curves for seed in seeds]
    for split, title in (("valid", "validation"), ("train", "training")):
        column = f"{{split}}_{quantity}"
        measured = [
            (curves, np.isfinite(curves[column]))
            for curves in trainings
            if column in curves and np.isfinite(curves[column]).any()
        ]
        if not measured:
            continue
        steps = reduce(np.intersect1d, [curves["step"][shown] for curves, shown in measured])
        rows = [(curves, shown & np.isin(curves["step"], steps)) for curves, shown in measured]
        x = np.mean([curves[PROGRESS][at] / UNIT for curves, at in rows], axis=0)
        y = np.stack([curves[column][at] for curves, at in rows])
        parts = {{"lowest": y.min(0), "highest": y.max(0), "mean": y.mean(0)}}
        told = {{part: f", {{part}} of {{len(y)}} seeds" for part in parts}}
        if len(y) == 1:
            parts, told = {{"mean": y[0]}}, {{"mean": ""}}
        for part, values in parts.items():
            for point in zip(x, values):{positive}
                numbers = (f"{{value:.10g}}" for value in point)
                writer.writerow([f"{{name}}, {{title}}{{told[part]}}", *numbers])
'''

_SKIP = """
                if point[0] <= 0:
                    continue"""


def curves_script(
    series: Mapping[str, Sequence[str]],
    quantity: str,
    progress: str,
    *,
    log_x: bool,
    apart: bool = False,
) -> str:
    """The lines of the charts as CSV; the papers' values are left out.

    Args:
        series: name to the names of all the checkpoints that belong to it, the seeds of a recipe.
        quantity: "elbo", "reconstruction" or "kl".
        progress: "samples" or "seconds"; seconds become minutes.
        log_x: leave out points at zero, as a logarithmic axis does.
        apart: each seed by itself.
    """
    names = [one for name, members in series.items() for one in members]
    values = {
        "what": {"elbo": "Bound", "reconstruction": "Reconstruction", "kl": "KL"}[quantity],
        "progress": progress,
        "unit": 60.0 if progress == "seconds" else 1.0,
        "quantity": quantity,
    }
    if apart or all(len(members) == 1 for members in series.values()):
        # A seed that is chosen by itself as well is drawn in its own place alone.
        names = [
            one
            for name, members in series.items()
            for one in members
            if one == name or one not in series
        ]
        return _SCRIPT.format(
            **values, names=names, count=_count(names), positive=" & (x > 0)" if log_x else ""
        )
    return _SEEDS_SCRIPT.format(
        **values,
        series={name: list(members) for name, members in series.items()},
        count=_count(list(dict.fromkeys(names))),
        positive=_SKIP if log_x else "",
    )


def _count(names: Sequence[str]) -> str:
    return f"{len(names)} training{'s' * (len(names) != 1)}"
