"""Score-function gradients from several draws, each the baseline of the others."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.checks import check_size
from engine.estimators.base import Estimate, GradientEstimator
from engine.models.base import LatentVariableModel
from engine.models.sbn import SBN
from engine.random import Generator

__all__ = ["VIMCO", "LeaveOneOut", "others_mean", "vimco"]


def others_mean(values: Tensor) -> Tensor:
    """For every draw the mean of the other ones; the first axis, of two or more, is the draws."""
    return (values.sum(0) - values) / (len(values) - 1)


class _SeveralDraws(GradientEstimator):
    """What both share: K draws without gradient and their densities."""

    def __init__(self, model: LatentVariableModel, *, samples: int) -> None:
        super().__init__(model)
        self.samples = self.evaluations = check_size("samples", samples, least=2)

    def _draw(
        self, model: LatentVariableModel, x: Tensor, generator: Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Log p(x, z_k) and log q(z_k | x), each ``(samples, batch)``."""
        q = model.recognition(model.corrupt(x, generator=generator))
        z = q.sample((self.samples,), generator=generator)
        return model.log_joint(x, z), q.log_prob(z)


class LeaveOneOut(_SeveralDraws):
    r"""REINFORCE with the mean of the other draws as the baseline of each; unbiased.

    With K independent draws and f_k = log p(x, z_k) - log q(z_k | x),

    .. math:: \nabla_\phi L \approx \tfrac1K \sum_k
              \Bigl(f_k - \tfrac1{K-1} \sum_{j \ne k} f_j\Bigr) \nabla_\phi \log q(z_k \mid x).

    The other draws know nothing of z_k, so nothing is learned and nothing biased. Kool, van Hoof
    and Welling (2019), "Buy 4 REINFORCE samples, get a baseline for free!"; Salimans and
    Knowles (2014), arXiv:1401.1022. Any latents.

    With branches, every draw of a layer of bits goes on with so many draws of the layer above it,
    and these are the baselines of each other. They have all that lies below in common, which the
    draws of whole columns have not; so the signal of layer l is the part of f that depends on it
    (Mnih and Gregor 2014, arXiv:1402.0030, Sec. 2.3.2), averaged over what has grown above it.
    p(x | z_1), the costly part, is evaluated as often as without.

    Args:
        samples: K, at least 2 draws an item, of the first layer where there are branches; each
            one evaluation of log p(x, z), or as many as its branches have ends.
        branches: draws of a layer for each of the layer below; 1 draws whole columns.

    Raises:
        ValueError: a number is too small, or branches are asked of a model without layers of bits.
    """

    def __init__(self, model: LatentVariableModel, *, samples: int = 2, branches: int = 1) -> None:
        super().__init__(model, samples=samples)
        self.branches = check_size("branches", branches)
        if branches > 1 and not isinstance(model, SBN):
            raise ValueError(
                f"`branches` above 1 needs layers of bits; {type(model).__name__} has none."
            )
        self.evaluations = samples * branches ** (len(model.layer_sizes) - 1)

    def forward(
        self, model: LatentVariableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``."""
        if self.branches > 1:
            return self._branched(model, x, generator)
        log_joint, log_q = self._draw(model, x, generator)
        values = (log_joint - log_q).detach()
        signal = values - others_mean(values)
        return Estimate(values.mean(0), -(log_joint + signal * log_q).mean())

    def _branched(
        self, model: LatentVariableModel, x: Tensor, generator: Generator | None
    ) -> Estimate:
        assert isinstance(model, SBN)
        q = model.recognition(model.corrupt(x, generator=generator))
        below: Tensor | None = None
        log_qs, log_ps = [], []
        count = len(model.layer_sizes)
        for layer in range(count):
            conditional = q.layer(layer, below)
            shape = (self.branches if layer else self.samples,)
            bits = conditional.sample(shape, generator=generator)
            log_qs.append(conditional.log_prob(bits))
            if below is None:
                log_ps.append(model.likelihood(bits).log_prob(x))
            else:
                log_ps.append(model.layer_prior(layer - 1, bits).log_prob(below))
            below = bits
        # The first axis of layer l's terms is its own draws, the others are those of the layers
        # below: log p(z_{l-1} | z_l) and log q(z_l | z_{l-1}) have the same shape.
        assert below is not None
        log_top = model.layer_prior(count - 1, None).log_prob(below)
        loss, value = -log_top.mean(), log_top.detach()
        for log_p, log_q in zip(reversed(log_ps), reversed(log_qs), strict=True):
            value = value + (log_p - log_q).detach()
            signal = value - others_mean(value)
            loss = loss - (log_p + signal * log_q).mean()
            value = value.mean(0)
        return Estimate(value, loss)


class VIMCO(_SeveralDraws):
    r"""Variational inference for Monte Carlo objectives; unbiased for L_K.

    The bound is that of `IWAE`, with log weights f_k = log p(x, z_k) - log q(z_k | x) and weights
    w_k that are their softmax. Every draw has a learning signal of its own, in which the
    geometric mean of the other weights stands in for its own:

    .. math:: \nabla L_K \approx \sum_k w_k \nabla f_k
              + \sum_k \bigl(\hat L - \hat L^{-k}\bigr) \nabla_\phi \log q(z_k \mid x), \qquad
              \hat L^{-k} = \log \tfrac1K \Bigl(\sum_{j \ne k} e^{f_j}
              + \exp \tfrac1{K-1} \sum_{j \ne k} f_j\Bigr).

    Mnih and Rezende (2016), arXiv:1602.06725, Sec. 2.5. Any latents.

    Args:
        samples: K, at least 2 draws an item, each one evaluation of log p(x, z).
    """

    def __init__(self, model: LatentVariableModel, *, samples: int = 5) -> None:
        super().__init__(model, samples=samples)
        self.objective = f"iwae-{samples}"

    def forward(
        self, model: LatentVariableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``; `elbo` is the one-sample bound."""
        return vimco(*self._draw(model, x, generator))


def vimco(log_joint: Tensor, log_q: Tensor) -> Estimate:
    """The estimate of `VIMCO` from log p(x, z_k) and log q(z_k | x), each ``(samples, batch)``."""
    log_weights = log_joint - log_q
    bound = torch.logsumexp(log_weights, dim=0) - math.log(len(log_weights))
    values = log_weights.detach()
    signal = bound.detach() - _bounds_without(values)
    return Estimate(values.mean(0), -(bound + (signal * log_q).sum(0)).mean())


def _bounds_without(values: Tensor) -> Tensor:
    """The bound with each log weight replaced by the mean of the others, as `values`.

    All K sums are written out: taking one term off their common sum would lose every digit where
    that term is nearly all of it.
    """
    own = torch.eye(len(values), dtype=torch.bool, device=values.device)[:, :, None]
    replaced = torch.where(own, others_mean(values)[:, None], values[None])
    return torch.logsumexp(replaced, dim=1) - math.log(len(values))
