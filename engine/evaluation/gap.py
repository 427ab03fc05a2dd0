"""What is lost between log p(x) and the ELBO of one item, and to what.

Cremer, Li and Duvenaud (2018), arXiv:1801.03558, Eq. 6: log p(x) - L(q) is the family's gap
log p(x) - L(q*), where q* is the best member for this item alone, plus the gap of amortisation
L(q*) - L(q).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from engine.checks import check_size
from engine.distributions import Distribution
from engine.evaluation import exact
from engine.evaluation.grid import RESOLVED, GridPosterior, grid_posterior
from engine.evaluation.importance import (
    KS,
    KCurve,
    bounds_of_weights,
    check_repetitions,
    draw,
    one_item,
)
from engine.evaluation.local import fit_local
from engine.models.base import LatentVariableModel

MAX_BITS = 16
"""Latent bits up to which log p(x) is summed over all states."""

_TRIAL_DRAWS = 1000  # that choose q* among the candidates


class Measured(NamedTuple):
    """A number of nats with its standard error, 0 where it is exact."""

    value: float
    standard_error: float

    def __sub__(self, other: Measured) -> Measured:
        """The difference of two independent measurements."""
        error = math.hypot(self.standard_error, other.standard_error)
        return Measured(self.value - other.value, error)


@dataclass(frozen=True)
class Anatomy:
    """The parts of the gap of one item, in nats.

    Attributes:
        elbo: L(q) of the amortised q.
        local_elbo: L(q*) of the best q that was found for this item, from other draws.
        log_marginal: log p(x). By importance sampling it is itself a bound from below, of as
            many draws as there were, half of them from q* where q* was found.
        source: how log p(x) was found; a grid whose error is too large is not trusted with it.
        curve: L_K of the amortised q; its L_1 is `elbo`.
        amortised: q(z | x).
        local: q*; the amortised q itself where the search found no better.
        grid: the true posterior, where the latents are one or two Gaussian ones.
    """

    elbo: Measured
    local_elbo: Measured
    log_marginal: Measured
    source: Literal["grid", "enumeration", "importance"]
    curve: KCurve
    amortised: Distribution
    local: Distribution
    grid: GridPosterior | None

    @property
    def amortisation_gap(self) -> Measured:
        """L(q*) - L(q): what a recognition network with this family gives away here."""
        return self.local_elbo - self.elbo

    @property
    def family_gap(self) -> Measured:
        """Log p(x) - L(q*): what no member of the family can reach."""
        return self.log_marginal - self.local_elbo


def anatomy(
    model: LatentVariableModel,
    x: Tensor,
    *,
    samples: int = 5000,
    repetitions: int = 4,
    steps: int = 300,
    generator: torch.Generator,
    progress: Callable[[float], object] | None = None,
) -> Anatomy:
    """Take the gap of one item apart.

    Args:
        model: read only.
        x: ``(data,)`` or ``(1, data)``.
        samples: the largest K.
        repetitions: sets of as many draws, for standard errors.
        steps: of the search for q*; see `fit_local`.
        progress: called with the share of the work that is done, up to 1. What it raises ends
            this, which is how a caller stops it.

    Raises:
        ValueError: `x` is not one item, `samples` or `steps` is below 1 or `repetitions` below 2.
    """
    x = one_item(model, x)
    check_repetitions(repetitions)
    check_size("samples", samples)
    latents = sum(model.layer_sizes)
    grid = None
    if model.latent_kind == "gaussian" and latents <= 2:
        grid = grid_posterior(model, x)
    # With the top of the posterior known, the search begins there as well: there may be a better
    # mode than the one next to the amortised q.
    centres = [None] if grid is None else [None, grid.peak.to(x)]
    total = repetitions * samples
    # A step costs about as much as 50 draws, whose decoding has no way back.
    report = _Report(progress, 2 * total + len(centres) * (50 * steps + _TRIAL_DRAWS))

    with torch.no_grad():
        amortised = model.recognition(x)
    candidates = [amortised] + [
        fit_local(
            model,
            x,
            steps=steps,
            centre=centre,
            generator=generator,
            progress=lambda step: report.add(50 * step),
        )
        for centre in centres
    ]
    local = max(candidates, key=lambda q: _trial(model, x, q, generator))
    both = [amortised, local]
    first, second = (
        draw(model, x, q, total, densities=both, generator=generator, progress=report.add)
        for q in both
    )
    ks = [k for k in KS if k < samples] + [samples]
    curve = bounds_of_weights(
        (first.log_joint - first.log_densities[0]).view(repetitions, samples), ks
    )
    source: Literal["grid", "enumeration", "importance"]
    if grid is not None and grid.error < RESOLVED:
        source, log_marginal = "grid", Measured(grid.log_marginal, 0.0)
    elif model.latent_kind == "bernoulli" and latents <= MAX_BITS:
        with torch.no_grad():
            source, log_marginal = "enumeration", Measured(float(exact.log_marginal(model, x)), 0.0)
    else:
        # One proposal, half q and half q*: where either covers the posterior, so does this.
        weights = [
            (draws.log_joint - draws.log_densities.logsumexp(0) + math.log(2)).view(repetitions, -1)
            for draws in (first, second)
        ]
        bound = bounds_of_weights(torch.cat(weights, dim=1), [2 * samples])
        source = "importance"
        log_marginal = Measured(float(bound.bound[0]), float(bound.standard_error[0]))
    report.finish()
    return Anatomy(
        elbo=_mean(first.log_joint - first.log_densities[0]),
        local_elbo=_mean(second.log_joint - second.log_densities[1]),
        log_marginal=log_marginal,
        source=source,
        curve=curve,
        amortised=amortised,
        local=local,
        grid=grid,
    )


def _trial(
    model: LatentVariableModel, x: Tensor, q: Distribution, generator: torch.Generator
) -> float:
    """The ELBO of `q` from draws that serve for nothing else."""
    draws = draw(model, x, q, _TRIAL_DRAWS, generator=generator)
    return float((draws.log_joint - draws.log_densities[0]).mean())


def _mean(values: Tensor) -> Measured:
    return Measured(float(values.mean()), float(values.std()) / math.sqrt(len(values)))


class _Report:
    """Adds up the work that is done and passes on its share."""

    def __init__(self, progress: Callable[[float], object] | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def add(self, work: int) -> None:
        self.done += work
        if self.progress is not None:
            self.progress(min(self.done / self.total, 1.0))

    def finish(self) -> None:
        self.add(self.total)
