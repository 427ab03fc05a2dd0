"""The script that reads the learning curves which the Training page shows."""

from __future__ import annotations

from collections.abc import Sequence

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


def curves_script(names: Sequence[str], quantity: str, progress: str, *, log_x: bool) -> str:
    """The lines of the charts as CSV; the papers' values are left out.

    Args:
        names: of checkpoints.
        quantity: "elbo", "reconstruction" or "kl".
        progress: "samples" or "seconds"; seconds become minutes.
        log_x: leave out points at zero, as a logarithmic axis does.
    """
    return _SCRIPT.format(
        what={"elbo": "ELBO", "reconstruction": "Reconstruction", "kl": "KL"}[quantity],
        count=f"{len(names)} training{'s' * (len(names) != 1)}",
        names=list(names),
        progress=progress,
        unit=60.0 if progress == "seconds" else 1.0,
        quantity=quantity,
        positive=" & (x > 0)" if log_x else "",
    )
