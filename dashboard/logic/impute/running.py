"""R-hat and effective sample sizes of a recording as it grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Running", "diagnosed_steps"]

FEWEST = 5  # draws of a chain that are diagnosed
_FIELDS = ("r_hat", "ess_bulk", "ess_tail")


def diagnosed_steps(last: int, warm_up: int) -> list[int]:
    """The steps at which diagnostics are computed, up to `last`: dense at first."""
    steps = [*range(10, 50, 5), *range(50, 100, 10), *range(100, last + 1, 50)]
    return [step for step in steps if warm_up + FEWEST <= step <= last]


@dataclass
class Running:
    """Diagnoses of one trace at `diagnosed_steps`, each of the steps after the warm-up.

    What is known stays: a recording only grows, so only new steps are computed.

    Attributes:
        warm_up: last step left out.
        steps: that were diagnosed.
        values: R-hat, bulk and tail effective sample size at each.
    """

    warm_up: int
    steps: list[int] = field(default_factory=list)
    values: list[tuple[float, float, float]] = field(default_factory=list)

    def update(self, trace: NDArray[np.floating]) -> None:
        """Go on to the end of the trace `(steps, chains)`, from step 0."""
        from engine.mcmc.diagnostics import diagnose

        for step in diagnosed_steps(len(trace) - 1, self.warm_up)[len(self.steps) :]:
            found = diagnose(trace[self.warm_up + 1 : step + 1].T)
            self.steps.append(step)
            self.values.append((float(found.r_hat), float(found.ess_bulk), float(found.ess_tail)))

    def message(self) -> dict[str, Any]:
        """As JSON can hold it: null where nothing can be said, "inf" for infinity."""
        columns: Sequence[Sequence[float]] = list(zip(*self.values, strict=True)) or [[], [], []]
        return {
            "steps": self.steps,
            **{
                name: [_plain(value) for value in column]
                for name, column in zip(_FIELDS, columns, strict=True)
            },
        }


def _plain(value: float) -> float | str | None:
    if np.isnan(value):
        return None
    return round(value, 4) if np.isfinite(value) else "inf"
