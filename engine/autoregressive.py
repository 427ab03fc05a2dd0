"""Bits that depend on the bits before them, by one strictly triangular matrix of links.

Sampling is the forward substitution of a triangular system with a threshold in it. Within a block
of units it is solved by fixed-point iteration, which is exact: the k-th unit of a block is right
after k rounds and stays so, and the rounds end as soon as nothing changes (Song et al. 2021,
arXiv:2002.03629). With trained links that takes a few rounds, and each is one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.random import Generator, uniform

__all__ = ["AutoregressiveBernoulli", "Links", "neighbourhood"]

BLOCK = 32
"""Units solved at a time; 16 to 64 take the same time within a third (200 to 784 units, CPU)."""


# An operator of its own, because `torch.compile` cannot trace rounds that end by what they find.
@torch.library.custom_op("helmholtz::forward_substitution", mutates_args=())
def _substitute(field: Tensor, links: Tensor, threshold: bool) -> Tensor:
    """Y with y_i = f(field_i + sum over j < i of links_ij y_j), ``(rows, units)``.

    Args:
        field: ``(rows, units)``.
        links: ``(units, units)``, strictly lower triangular.
        threshold: f is the step at 0; else the logistic function.
    """
    with torch.autocast(field.device.type, enabled=False):
        field = field.t().contiguous()
        values = torch.empty_like(field)
        size = len(field)
        for start in range(0, size, BLOCK):
            stop = min(start + BLOCK, size)
            base, corner = field[start:stop], links[start:stop, start:stop].contiguous()
            if start:
                base = torch.addmm(base, links[start:stop, :start], values[:start])
            found = _step(base, threshold)
            for _ in range(stop - start - 1):
                before, found = found, _step(torch.addmm(base, corner, found), threshold)
                if torch.equal(before, found):
                    break
            values[start:stop] = found
        return values.t().contiguous()


def _step(field: Tensor, threshold: bool) -> Tensor:
    return (field > 0).to(field.dtype) if threshold else field.sigmoid()


@_substitute.register_fake
def _(field: Tensor, links: Tensor, threshold: bool) -> Tensor:
    return torch.empty_like(field, memory_format=torch.contiguous_format)


@_substitute.register_vmap
def _(
    info: object, in_dims: tuple[int | None, ...], field: Tensor, links: Tensor, threshold: bool
) -> tuple[Tensor, int]:
    """Mapped rows are more rows."""
    if in_dims[0] is None or in_dims[1] is not None:
        raise NotImplementedError("only the rows can be mapped, not the links.")
    rows = field.movedim(in_dims[0], 0)
    found = _substitute(rows.flatten(0, 1), links, threshold)
    return found.view(rows.shape), 0


class AutoregressiveBernoulli:
    r"""Bits of which each depends on those before it, by a logistic regression.

    .. math:: p(y_i = 1 \mid y_{<i}) = \sigma\Bigl(c_i + \sum_{j < i} L_{ij} (y_j - m_j)\Bigr)

    A fully visible sigmoid belief network (Neal 1992; Frey 1998), which Gregor et al. (2014),
    arXiv:1310.8499, put within the layers of a deep one. A density takes one matrix product.

    Args:
        context: c, ``(*batch, event)``.
        links: L, ``(event, event)``, strictly lower triangular (not checked).
        centre: m, ``(event,)`` or one for all: where bits at it leave the logits at c.
    """

    def __init__(self, context: Tensor, links: Tensor, centre: Tensor | float = 0.0) -> None:
        self.context = context
        self.links = links
        self.centre = centre

    @property
    def logits_at_zero(self) -> Tensor:
        """The logits of every bit where those before it are zero, as `context`."""
        return self.context - (self.links * self.centre).sum(-1)

    @property
    def mean(self) -> Tensor:
        """Mean-field probabilities of a one, ``(*batch, event)``, without gradient.

        Each bit at the probabilities of those before it, in place of their values: exact for the
        first bit only, as the exact mean is a sum over all states. It needs no draws, so that one
        item has one mean: what an embedding and a picture of p(x | z) need.
        """
        return self._substitute(self.logits_at_zero, threshold=False)

    def sample(self, shape: Sequence[int] = (), *, generator: Generator | None = None) -> Tensor:
        """Bits as floats, ``(*shape, *batch, event)``."""
        size = (*shape, *self.context.shape)
        noise = uniform(size, generator=generator, like=self.context)
        # u < sigmoid(a) where a > logit(u), for the bits of `engine.random.bernoulli`
        return self._substitute(self.logits_at_zero - noise.logit(), threshold=True)

    def _substitute(self, field: Tensor, *, threshold: bool) -> Tensor:
        with torch.no_grad():
            rows = field.detach().reshape(-1, field.shape[-1])
            found: Tensor = _substitute(rows, self.links.detach(), threshold)
            return found.view(field.shape)

    def logits_given(self, value: Tensor) -> Tensor:
        """The logits of every bit given those before it in `value`, of its shape."""
        return self.context + F.linear(value - self.centre, self.links).to(value.dtype)

    def log_prob_terms(self, value: Tensor) -> Tensor:
        """Log-probability of every bit *given those before it*, ``(*sample, *batch, event)`` nats.

        Only all of them together are a density: leaving some out does not sum over them.
        """
        value, logits = torch.broadcast_tensors(value, self.logits_given(value))
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability in nats, ``(*sample, *batch)``."""
        return self.log_prob_terms(value).sum(-1)


class Links(nn.Module):
    """Links among the units of a layer, each to units before it; at first there are none.

    Args:
        size: units.
        reach: which pairs may be linked, ``(size, size)`` booleans, or None for all: unit i to
            unit j where j < i and ``reach[i, j]``.
    """

    allowed: Tensor

    def __init__(self, size: int, reach: Tensor | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size, size))
        pairs = torch.ones(size, size, dtype=torch.bool) if reach is None else reach
        self.register_buffer("allowed", pairs.tril(-1), persistent=False)

    def reset_parameters(self) -> None:
        """Independent units again."""
        nn.init.zeros_(self.weight)

    @property
    def used(self) -> Tensor:
        """The weights ``(size, size)`` with zeros where no link may be."""
        return self.weight * self.allowed

    def forward(self, context: Tensor, centre: Tensor | float = 0.5) -> AutoregressiveBernoulli:
        """Bits with the logits `context` ``(*batch, size)`` and these links.

        A link carries 2 (bit - centre): learning is fastest where that is zero on average, and
        with the centre 1/2 it is the -1 and +1 that the networks between layers get.
        """
        return AutoregressiveBernoulli(context, 2 * self.used, centre)


def neighbourhood(size: int, width: int, reach: int) -> Tensor:
    """Which pixels are at most `reach` rows and columns apart, ``(size, size)`` booleans.

    Args:
        size: pixels, row by row.
        width: pixels in a row.
    """
    place = torch.arange(size)
    rows, columns = place // width, place % width
    return ((rows[:, None] - rows).abs() <= reach) & ((columns[:, None] - columns).abs() <= reach)
