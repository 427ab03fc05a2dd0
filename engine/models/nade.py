"""The neural autoregressive distribution estimator of Larochelle and Murray (2011)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from engine.checks import check_rate, check_seed, check_size
from engine.distributions import FactorizedBernoulli
from engine.models.base import check_bits, check_count
from engine.models.tractable import TractableModel
from engine.random import Generator, make_generator, uniform

ORDERINGS = ("random", "natural")
BLOCK = 28
"""Pixels that one round of the recursion takes: 14 to 28 are about equally fast."""


class NADE(TractableModel):
    """p(x) = prod_d p(x_d | the pixels before it), by one hidden layer that all factors share.

    With the pixels in the model's order: a_1 = c, a_{d+1} = a_d + x_d W_d, and
    p(x_d = 1 | ...) = sigmoid(b_d + V_d . sigmoid(a_d)). *The Neural Autoregressive Distribution
    Estimator*, AISTATS 2011, Eqs. 10-11 and Algorithm 1.

    Args:
        data_dim: number of pixels.
        hidden_dim: units of the hidden layer.
        ordering: "random" (one fixed permutation, part of the weights) or "natural".
        ordering_seed: of the permutation.
        dropout: share of the hidden units that an item does without while training, the same ones
            at all its pixels.

    Raises:
        ValueError: a size, a rate or the seed is out of range, or the ordering is unknown.
    """

    ordering: Tensor

    def __init__(
        self,
        data_dim: int,
        hidden_dim: int = 500,
        *,
        ordering: str = "random",
        ordering_seed: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(data_dim)
        hidden_dim = check_size("hidden_dim", hidden_dim)
        if ordering not in ORDERINGS:
            raise ValueError(f"`ordering` must be one of {ORDERINGS}; got {ordering!r}.")
        ordering_seed = check_seed("ordering_seed", ordering_seed)
        self.dropout = check_rate("dropout", dropout)
        self.config = {
            "data_dim": self.data_dim,
            "hidden_dim": hidden_dim,
            "ordering": ordering,
            "ordering_seed": ordering_seed,
            "dropout": dropout,
        }
        order = torch.randperm(self.data_dim, generator=make_generator(ordering_seed))
        natural = torch.arange(self.data_dim)
        self.register_buffer("ordering", order if ordering == "random" else natural)
        # one row a pixel, by its place in the image, whatever the order
        self.input_weight = nn.Parameter(torch.empty(self.data_dim, hidden_dim))
        self.hidden_bias = nn.Parameter(torch.empty(hidden_dim))
        self.output_weight = nn.Parameter(torch.empty(self.data_dim, hidden_dim))
        self.output_bias = nn.Parameter(torch.empty(self.data_dim))
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Glorot-uniform weights, zero biases."""
        for weight in (self.input_weight, self.output_weight):
            nn.init.xavier_uniform_(weight, generator=generator)
        nn.init.zeros_(self.hidden_bias)
        nn.init.zeros_(self.output_bias)

    @torch.no_grad()
    def set_data_mean(self, mean: Tensor) -> None:
        """Keep `mean` ``(data,)``; the output biases become its logits."""
        super().set_data_mean(mean)
        self.output_bias.copy_(self.base_logits())

    def log_prob(self, x: Tensor) -> Tensor:
        """Log p(x) in nats, ``(batch,)``, for bits `x` ``(batch, data)``.

        Raises:
            ValueError: the shape of `x` is wrong, or it holds something else than bits.
        """
        return self._log_prob(x, None)

    def noisy_log_prob(self, x: Tensor, *, generator: Generator | None = None) -> Tensor:
        """Log p(x) under drop-out while training: each item with a thinned network of its own.

        Still a product of normalised factors: an item's network is the same at all its pixels.
        """
        if not self.training or self.dropout == 0:
            return self.log_prob(x)
        shape = (len(x), len(self.hidden_bias))
        kept = uniform(shape, generator=generator, like=x) >= self.dropout
        return self._log_prob(x, kept.to(x.dtype) / (1 - self.dropout))

    def _log_prob(self, x: Tensor, scale: Tensor | None) -> Tensor:
        """Log p(x) where the hidden units are multiplied by `scale` ``(batch, hidden)``."""
        self.check_items(x)
        check_bits(x)
        order = self.ordering
        with torch.autocast(x.device.type, enabled=False):
            logits = _Conditionals.apply(
                x[:, order],
                self.input_weight[order],
                self.hidden_bias,
                self.output_weight[order],
                scale,
            )
            return FactorizedBernoulli(logits + self.output_bias[order]).log_prob(x[:, order])

    @torch.no_grad()
    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """`n` items ``(n, data)``, pixel after pixel."""
        x = self.output_bias.new_zeros(check_count(n), self.data_dim)
        noise = uniform(x.shape, generator=generator, like=x)
        activation = self.hidden_bias.expand(n, -1)
        for pixel in self.ordering.tolist():
            logit = activation.sigmoid() @ self.output_weight[pixel] + self.output_bias[pixel]
            x[:, pixel] = (noise[:, pixel] < logit.sigmoid()).to(x.dtype)
            activation = activation + torch.outer(x[:, pixel], self.input_weight[pixel])
        return x


class _Conditionals(torch.autograd.Function):
    """V_d . sigmoid(a_d) for every pixel of every item, in the order of the pixels.

    The textbook recursion evaluates 784 hidden layers an item. But a_d changes only after a pixel
    that is on, so an item has as many different hidden layers as pixels that are on (a hundred).
    The pixels are taken in blocks of `BLOCK`: an item's different hidden layers within a block
    (its "states") lie one below the other with those of the other items, and the rest is a few
    small matrix products a block, some of whose results nobody needs.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        output_weight: Tensor,
        scale: Tensor | None,
    ) -> Tensor:
        """Logits without their bias, ``(batch, data)``."""
        keep = any(ctx.needs_input_grad)
        ctx.blocks = [slice(at, at + BLOCK) for at in range(0, x.shape[1], BLOCK)]
        start = bias.expand(len(x), -1).clone()  # a at the first pixel of the block
        logits = torch.empty_like(x)
        kept: list[tuple[Tensor, ...]] = []
        for rows in ctx.blocks:
            block = x[:, rows]
            place, item, seen = _states(block)
            hidden = torch.addmm(start[item], seen, weight[rows]).sigmoid_()
            thinned = hidden if scale is None else hidden * scale[item]
            logits[:, rows] = (thinned @ output_weight[rows].T).gather(0, place)
            start.addmm_(block, weight[rows])
            if keep:
                kept.append((place, item, seen, hidden))
        ctx.kept, ctx.scale = kept, scale
        ctx.save_for_backward(x, weight, output_weight)
        return logits

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Block by block from the last pixel back to the first."""
        x, weight, output_weight = ctx.saved_tensors
        scale = ctx.scale
        d_weight, d_output = torch.empty_like(weight), torch.empty_like(weight)
        d_start = weight.new_zeros(len(x), weight.shape[1])  # of a behind the block
        kept = zip(ctx.blocks, ctx.kept, strict=True)
        for rows, (place, item, seen, hidden) in reversed(list(kept)):
            d_states = gradient.new_zeros(len(item), place.shape[1])
            d_states.scatter_(0, place, gradient[:, rows])
            thinned = hidden if scale is None else hidden * scale[item]
            torch.mm(d_states.T, thinned, out=d_output[rows])
            d_hidden = d_states @ output_weight[rows]
            if scale is not None:
                d_hidden *= scale[item]
            d_hidden = torch.ops.aten.sigmoid_backward(d_hidden, hidden)
            torch.mm(seen.T, d_hidden, out=d_weight[rows])
            d_weight[rows].addmm_(x[:, rows].T, d_start)
            d_start.index_add_(0, item, d_hidden)
        return None, d_weight, d_start.sum(0), d_output, None


def _states(block: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The different hidden layers within a block of pixels ``(batch, width)``.

    Returns:
        For each pixel the row of its state ``(batch, width)``; for each state its item
        ``(states,)`` and, as bits, the pixels of the block that are on and lie before it
        ``(states, width)``.
    """
    before = (block.cumsum(1) - block).long()
    counts = before[:, -1] + 1
    first = counts.cumsum(0) - counts
    item = torch.repeat_interleave(counts)
    number = torch.arange(len(item), device=block.device) - first[item]
    seen = block[item] * (before[item] < number[:, None])
    return first[:, None] + before, item, seen
