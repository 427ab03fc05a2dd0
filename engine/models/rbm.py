"""Restricted Boltzmann machines (Smolensky 1986) of bits."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.bits import MAX_BITS, all_bits
from engine.checks import check_size
from engine.models.base import check_count
from engine.models.energy import EnergyModel
from engine.random import Generator, bernoulli, uniform

__all__ = ["RBM", "SWEEPS"]

SWEEPS = 200
"""Gibbs sweeps of a chain from a particle to a sample."""

_CHUNK_STATES = 4096
_INITIAL_SCALE = 0.01  # of the weights: Hinton (2012), "A practical guide", Sec. 8


class RBM(EnergyModel):
    r"""Visible and hidden bits with couplings between the two layers alone.

    .. math:: -E(x, h) = x^\top W h + b^\top x + c^\top h, \qquad
              -F(x) = b^\top x + \sum_j \log\bigl(1 + e^{c_j + (x^\top W)_j}\bigr).

    Each layer is factorial given the other, so that a Gibbs sweep draws each in one go. Chains
    start from the particles, states that training leaves behind (persistent chains have long
    forgotten the data by then).

    Attributes:
        weight: W, ``(data, hidden)``.
        visible_bias, hidden_bias: b and c.
        particles: states of the chains, bits ``(particles, data)``, a buffer.

    Args:
        data_dim: number of visible bits.
        hidden: number of hidden bits.
        particles: number of chains.

    Raises:
        ValueError: a size is not a whole number from 1 on.
    """

    particles: Tensor

    def __init__(self, data_dim: int, hidden: int = 500, *, particles: int = 100) -> None:
        super().__init__(data_dim)
        self.hidden = check_size("hidden", hidden)
        count = check_size("particles", particles)
        self.config = {"data_dim": self.data_dim, "hidden": self.hidden, "particles": count}
        self.weight = nn.Parameter(torch.empty(self.data_dim, self.hidden))
        self.visible_bias = nn.Parameter(torch.zeros(self.data_dim))
        self.hidden_bias = nn.Parameter(torch.zeros(self.hidden))
        self.register_buffer("particles", torch.zeros(count, self.data_dim))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Couplings from N(0, 0.01 ** 2), no biases, random particles."""
        self.weight.normal_(0, _INITIAL_SCALE, generator=generator)
        self.visible_bias.zero_()
        self.hidden_bias.zero_()
        self.particles.bernoulli_(0.5, generator=generator)
        self.log_partition.fill_((self.data_dim + self.hidden) * math.log(2))

    @torch.no_grad()
    def set_data_mean(self, mean: Tensor) -> None:
        """Keep `mean` ``(data,)`` and start the visible bias at its logit.

        Raises:
            ValueError: the shape of `mean` is wrong.
        """
        super().set_data_mean(mean)
        self.visible_bias.copy_(self.base_logits())

    def hidden_logits(self, x: Tensor) -> Tensor:
        """Logits of p(h | x), ``(batch, hidden)``."""
        return (x @ self.weight).to(x.dtype) + self.hidden_bias

    def visible_logits(self, h: Tensor) -> Tensor:
        """Logits of p(x | h), ``(batch, data)``."""
        return (h @ self.weight.T).to(h.dtype) + self.visible_bias

    def free_energy(self, x: Tensor) -> Tensor:
        """F(x) in nats, ``(batch,)``, the hidden units summed out.

        Raises:
            ValueError: the shape of `x` is wrong.
        """
        self.check_items(x)
        # No matrix product: under autocast its 16 bits would blur log p(x) by half a nat.
        return -(x * self.visible_bias).sum(-1) - F.softplus(self.hidden_logits(x)).sum(-1)

    def log_partition_exact(self) -> Tensor:
        """Log Z in nats, a scalar: the sum over the states of the smaller layer.

        Raises:
            ValueError: the smaller layer has more than `MAX_BITS` units.
        """
        small = min(self.data_dim, self.hidden)
        if small > MAX_BITS:
            raise ValueError(
                f"`model` must have at most {MAX_BITS} visible or hidden units, as every state of "
                f"one layer is enumerated; got {self.data_dim} and {self.hidden}."
            )
        states = all_bits(small, dtype=self.weight.dtype, device=self.weight.device)
        weight: Tensor = self.weight
        bias, other = self.visible_bias, self.hidden_bias
        if small == self.hidden:
            bias, other, weight = other, bias, weight.T
        terms = [
            part @ bias + F.softplus(part @ weight + other).sum(-1)
            for part in states.split(_CHUNK_STATES)
        ]
        return torch.cat(terms).logsumexp(0)

    def gibbs(self, x: Tensor, sweeps: int, *, generator: Generator | None = None) -> Tensor:
        """`x` ``(batch, data)`` after `sweeps` sweeps, each h given x and then x given h."""
        with torch.no_grad():  # inside, not as a decorator, which torch.compile cannot trace here
            for _ in range(sweeps):
                h = bernoulli(self.hidden_logits(x).sigmoid(), generator=generator)
                x = bernoulli(self.visible_logits(h).sigmoid(), generator=generator)
        return x

    @torch.no_grad()
    def sample(self, n: int, *, generator: Generator | None = None, sweeps: int = SWEEPS) -> Tensor:
        """The ends of `n` chains of `sweeps` Gibbs sweeps from particles, ``(n, data)``.

        Draws of the model as far as the chains mix; where there are more chains than particles,
        several start from the same one.

        Raises:
            ValueError: `n` is negative.
        """
        count = len(self.particles)
        # a random order, repeated: no particle starts two chains before each has started one
        order = uniform((count,), generator=generator, like=self.particles).argsort()
        start = order.repeat(math.ceil(check_count(n) / count))[:n]
        return self.gibbs(self.particles[start], sweeps, generator=generator)
