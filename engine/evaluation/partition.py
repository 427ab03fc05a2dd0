"""log Z of a restricted Boltzmann machine by annealed importance sampling, from both sides.

Salakhutdinov and Murray (2008), "On the quantitative analysis of deep belief networks": from the
machine without hidden units whose biases give the data's mean, with the couplings and biases
growing with beta,

.. math:: \\log p^*_\\beta(x) = (1 - \\beta)\\, a^\\top x + \\beta\\, b^\\top x
          + \\sum_j \\log(1 + e^{\\beta (c_j + (x^\\top W)_j)}),

a Gibbs sweep at each temperature. The estimate of Z has no bias, so that of log Z is on average
too low, and log p(x) too high. Chains that go the other way, from draws of the machine, estimate
1 / Z and err to the other side, as far as their first states are such draws (Burda, Grosse and
Salakhutdinov 2015, arXiv:1412.8566, on why both are needed).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.checks import check_size
from engine.evaluation.likelihood import standard_error
from engine.evaluation.validation import energy_likelihoods
from engine.models.base import GenerativeModel
from engine.models.dbn import DBN
from engine.models.rbm import RBM
from engine.random import bernoulli

__all__ = [
    "QUICK",
    "LogPartition",
    "anneal_partition",
    "machine_of",
    "partition_metrics",
    "sandwich",
    "sandwich_metrics",
    "schedule",
    "settle",
]

QUICK = (100, 1000)
"""Chains and temperatures of an estimate while training: a few seconds."""

EQUILIBRIUM_SWEEPS = 1000
"""Gibbs sweeps from the particles to the states from which reverse chains start."""

_KNOTS = ((0.0, 0), (0.5, 500), (0.9, 4500), (1.0, 14500))  # beta at a step: Sec. 4.1

Progress = Callable[[int], object]


@dataclass(frozen=True)
class LogPartition:
    """What the chains say of log Z, nats.

    Attributes:
        log_weights: of each chain, ``(chains,)`` float64: the mean of exp(log_weights) is Z, or
            1 / Z of `reverse` ones, on average.
        reverse: whether the chains went from the machine to the base rates.
    """

    log_weights: Tensor
    reverse: bool

    @property
    def estimate(self) -> float:
        """Log Z: on average too low, or too high of `reverse` chains (Jensen)."""
        log_mean = float(self.log_weights.logsumexp(0)) - math.log(len(self.log_weights))
        return -log_mean if self.reverse else log_mean

    @property
    def standard_error(self) -> float:
        """Of `estimate` (delta method); NaN of one chain.

        As untrustworthy as the estimate where a single chain has most of the weight.
        """
        log_mean = -self.estimate if self.reverse else self.estimate
        relative = (self.log_weights - log_mean).exp()
        return float(relative.std()) / math.sqrt(len(relative))


def schedule(temperatures: int) -> Tensor:
    """`temperatures` + 1 values of beta from 0 to 1, float64, spaced as in the paper.

    A thirtieth of them up to 0.5, a quarter up to 0.9, the rest above: the paper's 500, 4000 and
    10 000 of 14 500.

    Raises:
        ValueError: `temperatures` is below 1.
    """
    check_size("temperatures", temperatures)
    place = torch.linspace(0, _KNOTS[-1][1], temperatures + 1, dtype=torch.float64)
    betas = torch.zeros_like(place)
    for (low, start), (high, end) in pairwise(_KNOTS):
        inside = (place >= start) & (place <= end)
        betas[inside] = low + (high - low) * (place[inside] - start) / (end - start)
    betas[-1] = 1.0
    return betas


@torch.no_grad()
def anneal_partition(
    machine: RBM,
    *,
    chains: int = 100,
    temperatures: int = 14_500,
    start: Tensor | None = None,
    generator: torch.Generator,
    progress: Progress | None = None,
) -> LogPartition:
    """Log Z of `machine` by `chains` chains that move together.

    Args:
        start: draws of the machine ``(chains, data)``, from which the chains go to the base
            rates; None: the other way.
        progress: called with the number of sweeps after each temperature; what it raises ends
            this. Their number is chains times (temperatures - 1).

    Raises:
        ValueError: a number is below 1 or the shape of `start` is wrong.
    """
    check_size("chains", chains)
    if start is not None and start.shape != (chains, machine.data_dim):
        raise ValueError(
            f"`start` must be ({chains}, {machine.data_dim}); got {tuple(start.shape)}."
        )
    path = _Path(machine)
    betas = schedule(temperatures).tolist()
    x = path.base_draws(chains, generator) if start is None else start
    if start is not None:
        betas.reverse()
    weights = x.new_zeros(chains, dtype=torch.float64)
    for step in range(1, temperatures + 1):
        before, now = betas[step - 1], betas[step]
        logits = machine.hidden_logits(x)
        weights += path.change(x, logits, before, now).double()
        if step < temperatures:  # a move at the last temperature would change no weight
            x = path.move(logits, now, generator)
            if progress is not None:
                progress(chains)
    known = path.log_base_partition()
    return LogPartition(
        weights - known if start is not None else weights + known, start is not None
    )


class _Path:
    """The machines between the base rates and `machine`."""

    def __init__(self, machine: RBM) -> None:
        self.machine = machine
        self.base = machine.base_logits()

    def base_draws(self, chains: int, generator: torch.Generator) -> Tensor:
        """Draws of the machine at beta 0, ``(chains, data)``."""
        return bernoulli(self.base.sigmoid().expand(chains, -1), generator=generator)

    def log_base_partition(self) -> float:
        """Log Z at beta 0, where the hidden units are free."""
        free = self.machine.hidden * math.log(2)
        return float(F.softplus(self.base.double()).sum()) + free

    def change(self, x: Tensor, logits: Tensor, before: float, now: float) -> Tensor:
        """Log p* at `now` less that at `before`, ``(chains,)``, for hidden `logits` at 1."""
        bias = x @ (self.machine.visible_bias - self.base)
        hidden = F.softplus(now * logits) - F.softplus(before * logits)
        return (now - before) * bias + hidden.sum(-1)

    def move(self, logits: Tensor, beta: float, generator: torch.Generator) -> Tensor:
        """A Gibbs sweep at `beta` from the states with hidden `logits` at 1."""
        h = bernoulli((beta * logits).sigmoid(), generator=generator)
        visible = (1 - beta) * self.base + beta * self.machine.visible_logits(h)
        return bernoulli(visible.sigmoid(), generator=generator)


def machine_of(model: GenerativeModel) -> RBM | None:
    """The machine whose log Z the density of `model` needs, or None."""
    if isinstance(model, DBN):
        return model.top
    return model if isinstance(model, RBM) else None


@torch.no_grad()
def settle(
    model: GenerativeModel,
    *,
    chains: int = QUICK[0],
    temperatures: int = QUICK[1],
    generator: torch.Generator,
    progress: Progress | None = None,
) -> LogPartition | None:
    """Estimate log Z and leave it in the model's `log_partition`; None where there is none."""
    machine = machine_of(model)
    if machine is None:
        return None
    found = anneal_partition(
        machine, chains=chains, temperatures=temperatures, generator=generator, progress=progress
    )
    machine.log_partition.fill_(found.estimate)
    return found


@torch.no_grad()
def sandwich(
    machine: RBM,
    *,
    chains: int = 100,
    temperatures: int = 14_500,
    generator: torch.Generator,
    progress: Progress | None = None,
) -> tuple[LogPartition, LogPartition]:
    """Log Z of `machine` from below and from above; the first is left in the machine.

    The reverse chains start at Gibbs chains of `EQUILIBRIUM_SWEEPS` sweeps from the particles:
    above, as far as these draw from the machine.
    """
    below = anneal_partition(
        machine, chains=chains, temperatures=temperatures, generator=generator, progress=progress
    )
    above = anneal_partition(
        machine,
        chains=chains,
        temperatures=temperatures,
        start=machine.sample(chains, generator=generator, sweeps=EQUILIBRIUM_SWEEPS),
        generator=generator,
        progress=progress,
    )
    machine.log_partition.fill_(below.estimate)
    return below, above


def sandwich_metrics(
    model: RBM,
    x: Tensor,
    *,
    chains: int = 100,
    temperatures: int = 14_500,
    split: str,
    generator: torch.Generator,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """The log-likelihood of `x` ``(items, data)`` with log Z from both sides, as a card's entries.

    The standard errors of the first two are those of the items and of the chains together.
    `log_likelihood_lower` takes log Z from reverse chains: it is the careful one, and the two
    should agree. Leaves log Z in the model.
    """
    below, above = sandwich(
        model, chains=chains, temperatures=temperatures, generator=generator, progress=progress
    )
    values = energy_likelihoods(model, x)
    value, error = float(values.mean()), standard_error(values)
    low = value + below.estimate - above.estimate
    rows = partition_metrics(below, above, temperatures, split, len(x))
    return [
        rows[0] | _number("log_likelihood", value, error, below),
        rows[1] | _number("log_likelihood_lower", low, error, above),
        *rows,
    ]


def partition_metrics(
    below: LogPartition, above: LogPartition, temperatures: int, split: str, items: int
) -> list[dict[str, Any]]:
    """Both estimates of log Z as entries of a card, with the standard errors of their chains."""
    return [
        _number(name, found.estimate, 0, found)
        | {
            "estimator": f"{what}, {temperatures} temperatures",
            "samples": len(found.log_weights),
            "split": split,
            "items": items,
        }
        for name, what, found in (
            ("log_partition", "AIS", below),
            ("log_partition_upper", "reverse AIS", above),
        )
    ]


def _number(name: str, value: float, error: float, chains: LogPartition) -> dict[str, Any]:
    """Part of an entry: a value whose `error` joins that of the chains."""
    spread = math.hypot(error, chains.standard_error)
    return {"name": name, "value": value, "standard_error": spread}
