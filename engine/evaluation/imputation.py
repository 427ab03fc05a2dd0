"""How good the imputations of a chain are, where the hidden pixels are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.checks import check_size
from engine.evaluation.completion_bound import conditional_bound
from engine.mcmc.imputation import build_kernel, check_arguments
from engine.mcmc.kernel import State
from engine.models.base import LatentVariableModel

__all__ = ["GUIDES", "Accuracy", "Quality", "accuracy", "quality", "summary"]

GUIDES = 32
"""Completed items whose q(z | x) make up the proposal for the observed pixels."""

Progress = Callable[[int], object]


@dataclass(frozen=True)
class Accuracy:
    """What a chain's imputations of each item are worth, ``(items,)`` float64 each.

    Attributes:
        error: bits: share of the hidden pixels that the best single guess (the bit that is more
            probable by the chain's mean) has wrong. Grey values: root mean square error of the
            chain's mean.
        draw_error: the same of single draws of the chain, on average over them.
        square: mean squared difference of the truth and the chain's mean.
        variance: mean variance that the chain gives the hidden pixels. In a calibrated chain its
            mean over the items is that of `square`.
        acceptance: mean over the transitions that count.
        bernoulli: whether the pixels are bits.
    """

    error: Tensor
    draw_error: Tensor
    square: Tensor
    variance: Tensor
    acceptance: Tensor
    bernoulli: bool


@dataclass(frozen=True)
class Quality(Accuracy):
    """An `Accuracy` with what the model thinks of the truth, ``(items,)`` float64.

    Attributes:
        log_conditional: log p(x_m | x_o) of the true hidden pixels in nats: the difference of
            two importance-sampled lower bounds, of log p(x) and of log p(x_o), and so itself no
            bound. It belongs to the model; the chain lends completed items to the second bound,
            which is the looser, and this the higher, the worse they are. Compare chains by `error`.
    """

    log_conditional: Tensor


@torch.no_grad()
def quality(
    model: LatentVariableModel,
    x: Tensor,
    observed: Tensor,
    *,
    method: str = "metropolis-within-gibbs",
    chains: int = 4,
    start: int = 20,
    warm_up: int = 100,
    transitions: int = 100,
    samples: int = 1000,
    generator: torch.Generator,
    progress: Progress | None = None,
) -> Quality:
    """Impute the hidden pixels of `x` by a chain and compare with what they are.

    Args:
        samples: K of both bounds.
        progress: called with the number of chain transitions and decoded images made since;
            `start + warm_up + transitions` times chains and twice `samples` for each item.
        model, x, observed, method, chains, start, warm_up, transitions: see `accuracy`.

    Raises:
        ValueError: as `accuracy`, or `samples` is below 1.
    """
    check_size("samples", samples)
    found, guides = accuracy(
        model,
        x,
        observed,
        method=method,
        chains=chains,
        start=start,
        warm_up=warm_up,
        transitions=transitions,
        generator=generator,
        progress=progress,
    )
    whole = conditional_bound(
        model, x, torch.ones_like(observed), x[None], samples=samples, generator=generator
    )
    if progress is not None:
        progress(samples * len(x))
    seen = conditional_bound(model, x, observed, guides, samples=samples, generator=generator)
    if progress is not None:
        progress(samples * len(x))
    return Quality(**vars(found), log_conditional=whole - seen)


@torch.no_grad()
def accuracy(
    model: LatentVariableModel,
    x: Tensor,
    observed: Tensor,
    *,
    method: str,
    chains: int,
    start: int,
    warm_up: int,
    transitions: int,
    generator: torch.Generator,
    progress: Progress | None = None,
) -> tuple[Accuracy, Tensor]:
    """How near the imputations of a chain are to the truth.

    Args:
        model: in evaluation mode.
        x: ``(items, data)``, whole.
        observed: bool ``(items, data)``; every item misses a pixel.
        method: a key of `engine.mcmc.METHODS`.
        chains: of each item.
        start: transitions of pseudo-Gibbs from the random fill.
        warm_up: transitions after them that do not count.
        transitions: that count.
        progress: called with the number of chain transitions made since.

    Returns:
        The accuracy, and completed items from all along the chain ``(guides, items, data)``, at
        most `GUIDES`, for `conditional_bound`.

    Raises:
        ValueError: as `impute`; an item misses nothing, or a number is below 1 (0 for `start`).
    """
    check_arguments(model, x, observed, chains)
    if bool(observed.all(-1).any()):
        raise ValueError("`observed` must miss a pixel of every item; one misses none.")
    for name, value in (("warm_up", warm_up), ("transitions", transitions)):
        check_size(name, value)
    first, kernel = build_kernel("pseudo-gibbs", model), build_kernel(method, model)
    state = first.init(x, observed, chains=chains, generator=generator)

    def count(work: int) -> None:
        if progress is not None:
            progress(work)

    for step in range(start + warm_up):
        state = (first if step < start else kernel).step(state, generator=generator)
        count(state.accepted.numel())
    tally = _Tally(x, observed, bits=model.likelihood_kind == "bernoulli")
    guides: list[Tensor] = []
    for step in range(transitions):
        state = kernel.step(state, generator=generator)
        tally.add(state)
        # Completed items from all along the chain, one chain after the other.
        if step * GUIDES // transitions != (step - 1) * GUIDES // transitions:
            guides.append(state.x[len(guides) % chains])
        count(state.accepted.numel())
    return tally.accuracy(), torch.stack(guides)


class _Tally:
    """Sums over the transitions that count."""

    def __init__(self, x: Tensor, observed: Tensor, *, bits: bool) -> None:
        self.x, self.missing, self.bits = x.double(), ~observed, bits
        self.mean, self.draws, self.squares = (torch.zeros_like(self.x) for _ in range(3))
        self.errors = torch.zeros_like(self.x)
        self.acceptance, self.count = self.x.new_zeros(len(x)), 0

    def add(self, state: State) -> None:
        """All chains of one state."""
        draws = state.x.double()
        self.mean += state.mean.double().mean(0)
        self.draws += draws.mean(0)
        self.squares += draws.square().mean(0)
        self.errors += (draws - self.x).square().mean(0)
        self.acceptance += state.accepted.double().mean(0)
        self.count += 1

    def accuracy(self) -> Accuracy:
        """The averages."""
        mean, draws = self.mean / self.count, self.draws / self.count
        if self.bits:
            variance = mean * (1 - mean)
            wrong = ((mean > 0.5) != (self.x > 0.5)).double()
        else:
            variance = self.squares / self.count - draws.square()
            wrong = (mean - self.x).square()
        error, draw_error = self._over(wrong), self._over(self.errors / self.count)
        if not self.bits:
            error, draw_error = error.sqrt(), draw_error.sqrt()
        return Accuracy(
            error=error,
            draw_error=draw_error,
            square=self._over((mean - self.x).square()),
            variance=self._over(variance),
            acceptance=self.acceptance / self.count,
            bernoulli=self.bits,
        )

    def _over(self, values: Tensor) -> Tensor:
        """The mean over each item's hidden pixels."""
        return torch.where(self.missing, values, 0).sum(-1) / self.missing.sum(-1)


def summary(result: Accuracy) -> list[dict[str, Any]]:
    """Means over the items with their standard errors: name, value, standard_error, unit.

    `calibration` is the mean `square` over the mean `variance`: 1 if the spread of the chain is
    that of its errors, above 1 if it is surer than it should be (delta method). `log_conditional`
    is there for a `Quality`.

    Raises:
        ValueError: there are fewer than two items.
    """
    count = len(result.error)
    if count < 2:
        raise ValueError(f"standard errors need at least 2 items; got {count}.")
    kind = "bit_error" if result.bernoulli else "rmse"
    unit = "share of hidden pixels" if result.bernoulli else "pixel value"
    columns = [
        (kind, result.error, unit),
        (f"{kind}_of_draws", result.draw_error, unit),
        ("acceptance", result.acceptance, "share of proposals"),
    ]
    if isinstance(result, Quality):
        columns.insert(0, ("log_conditional", result.log_conditional, "nats per item"))
    rows = [_entry(name, values, unit) for name, values, unit in columns]
    ratio = result.square.mean() / result.variance.mean()
    residual = (result.square - ratio * result.variance) / result.variance.mean()
    calibration = _entry("calibration", residual, "squared error over variance")
    return [*rows, calibration | {"value": float(ratio)}]


def _entry(name: str, values: Tensor, unit: str) -> dict[str, Any]:
    return {
        "name": name,
        "value": float(values.mean()),
        "standard_error": float(values.std()) / math.sqrt(len(values)),
        "unit": unit,
        "items": len(values),
    }
