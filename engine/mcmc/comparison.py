"""The methods of imputation side by side with the truth, where the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.checks import check_size
from engine.evaluation.conditional import exact_conditional
from engine.mcmc.diagnostics import standard_error
from engine.mcmc.imputation import build_kernel, check_arguments, suitable_methods
from engine.models.base import LatentVariableModel


@dataclass(frozen=True)
class MethodResult:
    """How often one method visited each completion.

    Attributes:
        frequencies: ``(completions,)``, summing to one.
        standard_errors: of the frequencies, ``(completions,)``, by their effective sample sizes:
            successive states resemble each other. NaN for a completion never visited, or always.
        acceptance: share of the proposals that were taken; 1 for pseudo-Gibbs.
        total_variation: distance to the exact law, half the sum of the absolute differences, in
            [0, 1]. Sampling noise alone makes it larger than zero.
    """

    frequencies: Tensor
    standard_errors: Tensor
    acceptance: float
    total_variation: float


@dataclass(frozen=True)
class Comparison:
    """The bars: exact, and as each method has it.

    Attributes:
        completions: ``(completions, data)``, missing pixels in counting order.
        exact: p(x_m | x_o) of each, ``(completions,)``.
        methods: by the name of the method.
    """

    completions: Tensor
    exact: Tensor
    methods: dict[str, MethodResult]


def compare(
    model: LatentVariableModel,
    x: Tensor,
    observed: Tensor,
    *,
    methods: Sequence[str] | None = None,
    transitions: int = 400,
    chains: int = 64,
    warm_up: int = 40,
    generator: torch.Generator,
) -> Comparison:
    """Run every method on one item of a tiny model and count which completions it visits.

    Args:
        model: see `exact_conditional` for what is small enough.
        x: ``(data,)``.
        observed: bool ``(data,)``.
        methods: keys of `METHODS`, one after the other with the same generator; all that suit the
            model if None.
        transitions: counted, of each chain.
        chains: of each method.
        warm_up: transitions from the random fill that are not counted.

    Raises:
        ValueError: as `exact_conditional` and `impute`; a number is below 1.
    """
    check_size("transitions", transitions)
    check_size("warm_up", warm_up)
    law = exact_conditional(model, x, observed)
    check_arguments(model, x[None], observed[None], chains)
    exact = law.probabilities
    results = {}
    for method in suitable_methods(model) if methods is None else methods:
        codes, acceptance = _visits(
            model, x, observed, method, transitions, chains, warm_up, generator
        )
        visited = codes[..., None] == torch.arange(len(exact), device=codes.device)
        share = visited.double().mean((0, 1))
        results[method] = MethodResult(
            frequencies=share,
            standard_errors=torch.from_numpy(standard_error(visited.cpu().numpy())),
            acceptance=acceptance,
            total_variation=float((share - exact).abs().sum() / 2),
        )
    return Comparison(law.completions, exact, results)


def _visits(
    model: LatentVariableModel,
    x: Tensor,
    observed: Tensor,
    method: str,
    transitions: int,
    chains: int,
    warm_up: int,
    generator: torch.Generator,
) -> tuple[Tensor, float]:
    """Index of the completion at every transition, ``(chains, transitions)``; acceptance rate."""
    kernel = build_kernel(method, model)
    state = kernel.init(x[None], observed[None], chains=chains, generator=generator)
    for _ in range(warm_up):
        state = kernel.step(state, generator=generator)
    missing = ~observed
    places = 2 ** torch.arange(int(missing.sum()) - 1, -1, -1, device=x.device)
    codes, accepted = [], []
    for _ in range(transitions):
        state = kernel.step(state, generator=generator)
        codes.append((state.x[:, 0, missing].long() * places).sum(-1))
        accepted.append(state.accepted)
    return torch.stack(codes, dim=1), float(torch.stack(accepted).double().mean())
