"""The ensemble over orderings of Uria, Murray and Larochelle (2014), arXiv:1310.1757."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engine import nn as networks
from engine.checks import check_seed, check_size, check_sizes
from engine.distributions import FactorizedBernoulli
from engine.models.base import check_bits, check_count
from engine.models.tractable import TractableModel
from engine.nn import ACTIVATIONS
from engine.random import Generator, derive_seed, make_generator, uniform

BLOCK = 28
"""Pixels whose conditionals are computed at a time."""

CHUNK_ITEMS = 100
"""Items at a time: with a block of pixels, 2800 rows of each hidden layer."""


class EoNADE(TractableModel):
    """One network for p(x_i | any set of other pixels), and the average over some orderings.

    The network sees the pixels that are known and which they are (Sec. 5, the mask as an
    additional input). With any ordering o it is a normalised density,
    p(x | o) = prod_d p(x_{o_d} | x_{o_<d}); `log_prob` is that of the equal mixture over
    `orderings` of them (Eq. 16), each of which takes as many passes of the network as there are
    pixels.

    Args:
        data_dim: number of pixels.
        hidden: widths of the hidden layers, one or more.
        orderings: how many orderings are mixed.
        ordering_seed: the orderings are drawn by it.
        activation: "relu", "tanh" or "silu".

    Raises:
        ValueError: a size or the seed is out of range, or the activation is unknown.
    """

    def __init__(
        self,
        data_dim: int,
        hidden: Sequence[int] = (500, 500),
        *,
        orderings: int = 128,
        ordering_seed: int = 0,
        activation: str = "relu",
    ) -> None:
        super().__init__(data_dim)
        hidden = check_sizes("hidden", hidden, fewest=1)
        self.orderings = check_size("orderings", orderings)
        self.ordering_seed = check_seed("ordering_seed", ordering_seed)
        self.config = {
            "data_dim": self.data_dim,
            "hidden": list(hidden),
            "orderings": self.orderings,
            "ordering_seed": self.ordering_seed,
            "activation": activation,
        }
        # rows 0 to data - 1 weigh the known pixels, the others say that they are known
        self.input = nn.Linear(2 * self.data_dim, hidden[0])
        body = networks.mlp(hidden[0], hidden[1:], self.data_dim, activation=activation)
        self.network = nn.Sequential(ACTIVATIONS[activation](), *body)
        self.reset_parameters()

    @property
    def terms(self) -> int:
        """The number of orderings."""
        return self.orderings

    @torch.no_grad()
    def set_data_mean(self, mean: Tensor) -> None:
        """Centre the known pixels on `mean` ``(data,)`` and start the output at its logits."""
        super().set_data_mean(mean)
        networks.output_layer(self.network).bias.copy_(self.base_logits())

    def ordering(self, index: int) -> Tensor:
        """The ordering number `index`, a permutation of the pixels ``(data,)``."""
        generator = make_generator(derive_seed(self.ordering_seed, index))
        return torch.randperm(self.data_dim, generator=generator).to(self.data_mean.device)

    def conditionals(self, x: Tensor, known: Tensor) -> FactorizedBernoulli:
        """p(x_i | x_known) for every pixel i, batch ``(batch,)``, event ``(data,)``.

        Args:
            x: ``(batch, data)``; what is not known is not looked at.
            known: the same shape, 1 where the pixel is known and 0 elsewhere.
        """
        features = self.input(torch.cat([(x - self.data_mean) * known, known], dim=-1))
        return FactorizedBernoulli(self.network(features).to(x.dtype))

    def log_prob(self, x: Tensor) -> Tensor:
        """Log p(x) of the mixture over all orderings in nats, ``(batch,)``, for bits `x`.

        Raises:
            ValueError: the shape of `x` is wrong, or it holds something else than bits.
        """
        return self.quick_log_prob(x, self.terms)

    def quick_log_prob(self, x: Tensor, terms: int) -> Tensor:
        """Log-density of the mixture over the first `terms` orderings; see `log_prob`."""
        self.check_items(x)
        check_bits(x)
        count = min(terms, self.terms)
        each = [self.log_prob_ordered(x, self.ordering(index)) for index in range(count)]
        return torch.stack(each).logsumexp(0) - math.log(count)

    def log_prob_ordered(self, x: Tensor, order: Tensor) -> Tensor:
        """Log p(x | order) in nats, ``(batch,)``, for a permutation `order` of the pixels.

        The first layer grows by a pixel at a time; the last one is asked for one pixel alone.
        """
        weight, known = self.input.weight.T.split(self.data_dim)
        output = networks.output_layer(self.network)
        steps = known[order].cumsum(0) - known[order] + self.input.bias  # (data, hidden)
        parts = []
        for items in x.split(CHUNK_ITEMS):
            centred, logits = (items - self.data_mean)[:, order], []
            start = torch.zeros_like(items[:, :1]).expand(-1, weight.shape[1])
            for at in range(0, self.data_dim, BLOCK):
                pixels = order[at : at + BLOCK]
                values = centred[:, at : at + BLOCK]
                width = len(pixels)
                before = torch.ones(width, width, dtype=x.dtype, device=x.device).tril(-1)
                inside = (values[:, None] * before) @ weight[pixels]  # (batch, width, hidden)
                hidden = start[:, None] + inside + steps[at : at + BLOCK]
                hidden = self.network[:-1](hidden)
                logits.append(torch.einsum("ndh,dh->nd", hidden, output.weight[pixels]))
                start = start + values @ weight[pixels]
            ordered = torch.cat(logits, dim=-1) + output.bias[order]
            parts.append(FactorizedBernoulli(ordered).log_prob(items[:, order]))
        return torch.cat(parts)

    @torch.no_grad()
    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """`n` items ``(n, data)``, each by an ordering of its own among those that are mixed."""
        like = self.input.bias
        draw = uniform((check_count(n),), generator=generator, like=like)
        which = (draw * self.orderings).long().clamp(max=self.orderings - 1)
        needed = which.unique()
        drawn = torch.stack([self.ordering(index) for index in needed.tolist()]) if n else None
        x = like.new_zeros(n, self.data_dim)
        if drawn is None:
            return x
        orders = drawn[torch.searchsorted(needed, which)]
        noise = uniform(x.shape, generator=generator, like=like)
        weight, known = self.input.weight.T.split(self.data_dim)
        output = networks.output_layer(self.network)
        state = like.expand(n, -1)
        for step in range(self.data_dim):
            pixel = orders[:, step : step + 1]
            row = pixel.squeeze(1)
            hidden = self.network[:-1](state)
            logit = (hidden * output.weight[row]).sum(-1) + output.bias[row]
            bit = (noise[:, step] < logit.sigmoid()).to(x.dtype)
            x.scatter_(1, pixel, bit[:, None])
            state = state + (bit - self.data_mean[row])[:, None] * weight[row] + known[row]
        return x
