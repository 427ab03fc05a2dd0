"""The best q of the family for one item alone: what amortisation could have given it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.checks import check_size
from engine.distributions import (
    DiagonalNormal,
    Distribution,
    GaussianLayer,
    IndependentLayers,
    RankOneNormal,
)
from engine.evaluation.importance import one_item
from engine.models.base import LatentVariableModel
from engine.models.sbn import BeliefRecognition

_RATE = {"gaussian": 0.03, "bernoulli": 0.1}
_BETAS = (0.9, 0.99)


@dataclass(frozen=True)
class Family:
    """The members of a family by their parameters.

    Attributes:
        start: the parameters of the amortised q, ``(1, units)`` each.
        build: the member with the parameters that it is given.
    """

    start: list[Tensor]
    build: Callable[[list[Tensor]], Distribution]

    def around(self, centre: Tensor) -> list[Tensor]:
        """The parameters of the amortised q moved to the mean `centre` ``(latent,)``.

        Raises:
            ValueError: the members have no means to move, as their latents are bits.
        """
        q = self.build(self.start)
        if isinstance(q, BeliefRecognition):
            raise ValueError("`centre` needs Gaussian latents; these are bits.")
        layers = q.layers if isinstance(q, IndependentLayers) else [q]
        moved, rest = list(self.start), centre[None]
        for layer in layers:
            assert isinstance(layer, DiagonalNormal | RankOneNormal)
            place = next(i for i, value in enumerate(moved) if value is layer.loc)
            moved[place], rest = rest[:, : layer.loc.shape[-1]], rest[:, layer.loc.shape[-1] :]
        return moved


@torch.no_grad()
def family(model: LatentVariableModel, x: Tensor) -> Family:
    """The family of `model.recognition`, around that of `x` ``(1, data)``.

    Gaussian layers keep their kind: means and scales are free, and the rank-one factors where
    there are any. For bits the logits of the first layer are free, and a shift of the logits of
    each layer above, which depend on the bits below as the recognition network says. In every
    case the amortised q is one of them.

    Raises:
        ValueError: the recognition is of no known kind.
    """
    q = model.recognition(x)
    if isinstance(q, BeliefRecognition):
        shifts = [x.new_zeros(1, size) for size in model.layer_sizes[1:]]
        sbn = q.model
        return Family(
            [q.first_logits, *shifts],
            lambda values: BeliefRecognition(sbn, values[0], values[1:]),
        )
    if isinstance(q, IndependentLayers):
        layers = q.layers
        start = [value for layer in layers for value in _parameters(layer)]

        def build(values: list[Tensor]) -> Distribution:
            rest = iter(values)
            return IndependentLayers(
                [type(layer)(*(next(rest) for _ in _parameters(layer))) for layer in layers]
            )

        return Family(start, build)
    if isinstance(q, DiagonalNormal | RankOneNormal):
        kind = type(q)
        return Family(_parameters(q), lambda values: kind(*values))
    raise ValueError(f"`model` has a recognition of an unknown kind, {type(q).__name__}.")


def _parameters(layer: GaussianLayer) -> list[Tensor]:
    if isinstance(layer, RankOneNormal):
        return [layer.loc, layer.log_precision, layer.factor]
    return [layer.loc, layer.log_scale]


def fit_local(
    model: LatentVariableModel,
    x: Tensor,
    *,
    steps: int = 300,
    samples: int = 16,
    centre: Tensor | None = None,
    generator: torch.Generator,
    progress: Callable[[int], object] | None = None,
) -> Distribution:
    """Climb the ELBO of one item from the amortised q; the average of the path's last third.

    Adam with a rate that falls to zero. Gaussian latents are reparameterised without the score
    of q, whose mean is zero (Roeder et al. 2017, arXiv:1703.09194); bits use the score with the
    other samples' mean as baseline (leave-one-out; Kool et al. 2019).

    Nothing promises that the result is better than the start: compare them on draws of their own.

    Args:
        x: ``(data,)`` or ``(1, data)``.
        steps, samples: of Adam, and draws in each.
        centre: ``(latent,)``, where to begin instead of the amortised mean.
        progress: called with 1 after each step; what it raises ends this.

    Raises:
        ValueError: `x` is not one item, `steps` is below 1 or `samples` below 2.
    """
    x = one_item(model, x)
    check_size("steps", steps)
    if check_size("samples", samples) < 2:
        raise ValueError(f"`samples` must be at least 2, for a baseline; got {samples}.")
    kind = family(model, x)
    start = kind.start if centre is None else kind.around(centre)
    values = [value.detach().clone().requires_grad_() for value in start]
    sums = [torch.zeros_like(value) for value in values]
    rate = _RATE[model.latent_kind]
    optimiser = torch.optim.Adam(values, lr=rate, betas=_BETAS)
    first = steps - max(1, steps // 3)
    climb = _pathwise if model.latent_kind == "gaussian" else _leave_one_out
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate * (1 - step / steps)
        with torch.enable_grad():
            loss = climb(model, x, kind, values, samples, generator)
            for value, gradient in zip(values, torch.autograd.grad(loss, values), strict=True):
                value.grad = gradient
        optimiser.step()
        if step >= first:
            for total, value in zip(sums, values, strict=True):
                total += value.detach()
        if progress is not None:
            progress(1)
    return kind.build([total / (steps - first) for total in sums])


def _pathwise(
    model: LatentVariableModel,
    x: Tensor,
    kind: Family,
    values: list[Tensor],
    samples: int,
    generator: torch.Generator,
) -> Tensor:
    q = kind.build(values)
    assert isinstance(q, DiagonalNormal | RankOneNormal | IndependentLayers)
    z = q.rsample((samples,), generator=generator)
    fixed = kind.build([value.detach() for value in values])
    return -(model.log_joint(x, z) - fixed.log_prob(z)).mean()


def _leave_one_out(
    model: LatentVariableModel,
    x: Tensor,
    kind: Family,
    values: list[Tensor],
    samples: int,
    generator: torch.Generator,
) -> Tensor:
    q = kind.build(values)
    z = q.sample((samples,), generator=generator)
    log_q = q.log_prob(z)
    with torch.no_grad():
        signal = model.log_joint(x, z) - log_q
        signal = (signal - signal.mean(0)) * (samples / (samples - 1))
    return -(signal * log_q).mean()
