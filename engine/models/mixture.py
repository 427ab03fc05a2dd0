"""A mixture of products of Bernoullis: each component one blurred picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.checks import check_size
from engine.models.base import check_bits, check_count
from engine.models.tractable import TractableModel
from engine.random import Generator, bernoulli, uniform

START_SCALE = 0.3
"""Standard deviation of the components' first logits around the common ones."""


class BernoulliMixture(TractableModel):
    """p(x) = sum_k pi_k prod_d Bern(x_d; sigmoid(b_d + w_kd)).

    The logits of a component are those of all (b) and its own deviation: a Gaussian prior on the
    weights (`optimiser.weight_prior_variance`) shrinks a component that few items support to the
    mean image, the counterpart of EM's pseudo-counts.

    Args:
        data_dim: number of pixels.
        components: number of products of Bernoullis.

    Raises:
        ValueError: a size is out of range.
    """

    def __init__(self, data_dim: int, components: int = 500) -> None:
        super().__init__(data_dim)
        components = check_size("components", components)
        self.config = {"data_dim": self.data_dim, "components": components}
        self.prior_logits = nn.Parameter(torch.empty(components))
        self.weight = nn.Parameter(torch.empty(components, self.data_dim))
        self.bias = nn.Parameter(torch.empty(self.data_dim))
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Equal shares; deviations from N(0, `START_SCALE` squared), which tell components apart.

        Components that start too far from each other would leave some without any item for good.
        """
        nn.init.zeros_(self.prior_logits)
        nn.init.normal_(self.weight, std=START_SCALE, generator=generator)
        nn.init.zeros_(self.bias)

    @torch.no_grad()
    def set_data_mean(self, mean: Tensor) -> None:
        """Keep `mean` ``(data,)``; the common logits become its logits."""
        super().set_data_mean(mean)
        self.bias.copy_(self.base_logits())

    @property
    def logits(self) -> Tensor:
        """Of the pixels of each component, ``(components, data)``."""
        return self.bias + self.weight

    def log_joint(self, x: Tensor) -> Tensor:
        """Log p(x, k) in nats, ``(batch, components)``, for `x` ``(batch, data)``.

        Raises:
            ValueError: the shape of `x` is wrong.
        """
        self.check_items(x)
        off = -F.softplus(self.logits).sum(-1)  # log p(x = 0 | k)
        shares = self.prior_logits.log_softmax(-1)
        return F.linear(x, self.logits).to(x.dtype) + off + shares

    def log_prob(self, x: Tensor) -> Tensor:
        """Log p(x) in nats, ``(batch,)``, for bits `x` ``(batch, data)``.

        Raises:
            ValueError: the shape of `x` is wrong, or it holds something else than bits.
        """
        # Compiled code cannot look at values; before it is compiled a step runs once without.
        if not torch.compiler.is_compiling():
            check_bits(x)
        return self.log_joint(x).logsumexp(-1)

    @torch.no_grad()
    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """`n` items ``(n, data)``: a component, then its pixels."""
        shares = self.prior_logits.softmax(-1).cumsum(-1)
        draw = uniform((check_count(n),), generator=generator, like=shares)
        component = torch.searchsorted(shares, draw).clamp(max=len(shares) - 1)
        return bernoulli(self.logits.sigmoid()[component], generator=generator)
