"""The distributions of the models, with explicit generators.

Batch axes first, one event axis last, as in `torch.distributions`; `sample(shape)` puts
`shape` in front. Log-densities are in nats per item.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.autoregressive import AutoregressiveBernoulli
from engine.random import Generator, bernoulli, normal, uniform

DOCUMENT_LENGTH = 100
"""Words of a document that is drawn: the mean of 20 Newsgroups with 2000 words."""

_LOG_2PI = math.log(2 * math.pi)


class Distribution(Protocol):
    """What every distribution offers; some have `rsample` (reparameterised) as well."""

    @property
    def mean(self) -> Tensor:
        """E[value], ``(*batch, event)``."""
        ...

    def sample(self, shape: Sequence[int] = (), *, generator: Generator | None = None) -> Tensor:
        """Draws without gradient, ``(*shape, *batch, event)``."""
        ...

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density in nats, summed over the event axis."""
        ...


class PixelDistribution(Distribution, Protocol):
    """p(x | z) pixel by pixel; some can be left out where a model has `independent_pixels`."""

    def log_prob_terms(self, value: Tensor) -> Tensor:
        """Log-density of every pixel in nats, ``(*sample, *batch, data)``."""
        ...


class DiagonalNormal:
    """N(loc, diag(exp(2 log_scale))), the recognition model of a VAE.

    Args:
        loc: mean, ``(*batch, event)``.
        log_scale: logarithm of the standard deviation, broadcastable to `loc`.
    """

    def __init__(self, loc: Tensor, log_scale: Tensor) -> None:
        self.loc = loc
        self.log_scale = log_scale

    @property
    def mean(self) -> Tensor:
        """E[z], ``(*batch, event)``."""
        return self.loc

    @property
    def stddev(self) -> Tensor:
        """Marginal standard deviations, ``(*batch, event)``."""
        return self.log_scale.exp().expand_as(self.loc)

    def rsample(self, shape: Sequence[int] = (), *, generator: Generator | None = None) -> Tensor:
        """Z = loc + scale * noise, differentiable in loc and scale."""
        noise = normal((*shape, *self.loc.shape), generator=generator, like=self.loc)
        return self.loc + self.log_scale.exp() * noise

    def sample(self, shape: Sequence[int] = (), *, generator: Generator | None = None) -> Tensor:
        """Draws without gradient, ``(*shape, *batch, event)``."""
        with torch.no_grad():
            return self.rsample(shape, generator=generator)

    def log_prob_terms(self, value: Tensor) -> Tensor:
        """Log-density of every component in nats, ``(*sample, *batch, event)``."""
        standardised = (value - self.loc) * torch.exp(-self.log_scale)
        return -(0.5 * standardised.square() + self.log_scale + 0.5 * _LOG_2PI)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density in nats, ``(*sample, *batch)``."""
        return self.log_prob_terms(value).sum(-1)

    def kl_standard_normal(self) -> Tensor:
        """KL(self || N(0, I)) in nats, ``(*batch,)`` (Kingma and Welling 2014, App. B)."""
        variance = (2 * self.log_scale).exp()
        return 0.5 * (variance + self.loc.square() - 1 - 2 * self.log_scale).sum(-1)


class RankOneNormal:
    r"""Gaussian whose *precision* is diagonal plus rank one: C^-1 = D + u u^T.

    Rezende et al. (2014), arXiv:1401.4082, Sec. 4.3, Eqs. 16-19. With s = u^T D^-1 u,

    .. math:: \log|C| = -\log|D| - \log(1 + s), \qquad
              R = D^{-1/2} - \tfrac{1}{r (r + 1)} D^{-1} u u^T D^{-1/2}, \quad r = \sqrt{1 + s}

    and R R^T = C. The paper writes the coefficient as (1 - sqrt(eta)) / s with eta = 1 / (1 + s),
    the same number, which loses all digits as u goes to 0. Every operation is O(K).

    Args:
        loc: mean, ``(*batch, K)``.
        log_precision: logarithm of the diagonal of D, ``(*batch, K)``.
        factor: u, ``(*batch, K)``.
    """

    def __init__(self, loc: Tensor, log_precision: Tensor, factor: Tensor) -> None:
        self.loc = loc
        self.log_precision = log_precision
        self.factor = factor
        self.scaled_factor = factor * torch.exp(-log_precision)  # D^-1 u
        self.inflation = 1 + (factor * self.scaled_factor).sum(-1, keepdim=True)  # 1 + s

    @property
    def mean(self) -> Tensor:
        """E[z], ``(*batch, K)``."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Diagonal of C, ``(*batch, K)`` (Sherman-Morrison)."""
        variance = torch.exp(-self.log_precision) - self.scaled_factor.square() / self.inflation
        # A large u cancels every digit. No variance is below the one given all other coordinates,
        # 1 / (D + u^2), and that bound has no difference in it.
        return torch.maximum(variance, 1 / (self.log_precision.exp() + self.factor.square()))

    @property
    def stddev(self) -> Tensor:
        """Marginal standard deviations, ``(*batch, K)``."""
        return self.variance.sqrt()

    def rsample(self, shape: Sequence[int] = (), *, generator: Generator | None = None) -> Tensor:
        """Z = loc + R noise, differentiable in all three arguments."""
        noise = normal((*shape, *self.loc.shape), generator=generator, like=self.loc)
        scaled = torch.exp(-0.5 * self.log_precision) * noise
        root = self.inflation.sqrt()
        along = (self.factor * scaled).sum(-1, keepdim=True) / (root * (root + 1))
        return self.loc + scaled - self.scaled_factor * along

    def sample(self, shape: Sequence[int] = (), *, generator: Generator | None = None) -> Tensor:
        """Draws without gradient, ``(*shape, *batch, K)``."""
        with torch.no_grad():
            return self.rsample(shape, generator=generator)

    def log_det_covariance(self) -> Tensor:
        """log|C|, ``(*batch,)`` (matrix determinant lemma)."""
        return -self.log_precision.sum(-1) - self.inflation.squeeze(-1).log()

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density in nats, ``(*sample, *batch)``."""
        centred = value - self.loc
        quadratic = (self.log_precision.exp() * centred.square()).sum(-1)
        quadratic = quadratic + (self.factor * centred).sum(-1).square()
        size = self.loc.shape[-1]
        return -0.5 * (size * _LOG_2PI + self.log_det_covariance() + quadratic)

    def kl_standard_normal(self) -> Tensor:
        """KL(self || N(0, I)) in nats, ``(*batch,)``."""
        trace = self.variance.sum(-1)
        size = self.loc.shape[-1]
        return 0.5 * (trace + self.loc.square().sum(-1) - size - self.log_det_covariance())


GaussianLayer = DiagonalNormal | RankOneNormal


class IndependentLayers:
    """Gaussian layers that are independent given the data, side by side on the event axis."""

    def __init__(self, layers: Sequence[GaussianLayer]) -> None:
        self.layers = tuple(layers)
        self.sizes = [layer.loc.shape[-1] for layer in self.layers]

    @property
    def mean(self) -> Tensor:
        """E[z], ``(*batch, latent)``."""
        return torch.cat([layer.mean for layer in self.layers], dim=-1)

    @property
    def stddev(self) -> Tensor:
        """Marginal standard deviations, ``(*batch, latent)``."""
        return torch.cat([layer.stddev for layer in self.layers], dim=-1)

    def rsample(self, shape: Sequence[int] = (), *, generator: Generator | None = None) -> Tensor:
        """Differentiable draws, ``(*shape, *batch, latent)``."""
        draws = [layer.rsample(shape, generator=generator) for layer in self.layers]
        return torch.cat(draws, dim=-1)

    def sample(self, shape: Sequence[int] = (), *, generator: Generator | None = None) -> Tensor:
        """Draws without gradient, ``(*shape, *batch, latent)``."""
        with torch.no_grad():
            return self.rsample(shape, generator=generator)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density in nats, ``(*sample, *batch)``."""
        parts = value.split(self.sizes, dim=-1)
        terms = [layer.log_prob(part) for layer, part in zip(self.layers, parts, strict=True)]
        return torch.stack(terms).sum(0)

    def kl_standard_normal(self) -> Tensor:
        """KL(self || N(0, I)) in nats, ``(*batch,)``."""
        return torch.stack([layer.kl_standard_normal() for layer in self.layers]).sum(0)


class FactorizedBernoulli:
    """Independent bits.

    Args:
        logits: log-odds of a one, ``(*batch, event)``.
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    @property
    def mean(self) -> Tensor:
        """Probability of a one, ``(*batch, event)``."""
        return self.logits.sigmoid()

    def logits_given(self, value: Tensor) -> Tensor:
        """The logits of every bit given the others in `value`, which tell nothing."""
        return self.logits

    def sample(self, shape: Sequence[int] = (), *, generator: Generator | None = None) -> Tensor:
        """Bits as floats, ``(*shape, *batch, event)``."""
        probs = self.logits.detach().sigmoid()
        return bernoulli(probs.expand(*shape, *probs.shape), generator=generator)

    def log_prob_terms(self, value: Tensor) -> Tensor:
        """Log-probability of every bit in nats, ``(*sample, *batch, event)``.

        `value` may hold probabilities (grey pixels): the cross-entropy, not a likelihood on bits.
        """
        value, logits = torch.broadcast_tensors(value, self.logits)
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability in nats, ``(*sample, *batch)``; see `log_prob_terms`."""
        return self.log_prob_terms(value).sum(-1)


class Multinomial:
    r"""Words of a document, each drawn from softmax(logits) on its own: counts of words.

    .. math:: \log p(x) = \sum_w x_w \log \operatorname{softmax}(\text{logits})_w

    is the density of the document as a *sequence* of words, of which the counts are all that
    matters: the multinomial coefficient, which no parameter moves, is left out, as in all numbers
    published on documents (Salakhutdinov and Hinton 2009; Mnih and Gregor 2014, Sec. 5.3). So it
    sums to one over the sequences of a length, not over the counts; the length is given.

    Args:
        logits: of the words, ``(*batch, words)``, up to a constant.
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    @property
    def mean(self) -> Tensor:
        """Probability of each word at any place of the document, ``(*batch, words)``."""
        return self.logits.softmax(-1)

    def sample(
        self,
        shape: Sequence[int] = (),
        *,
        generator: Generator | None = None,
        length: int = DOCUMENT_LENGTH,
    ) -> Tensor:
        """Counts as floats of documents of `length` words, ``(*shape, *batch, words)``."""
        probs = self.mean.detach()
        cumulative = probs.expand(*shape, *probs.shape).double().cumsum(-1).contiguous()
        places = (*cumulative.shape[:-1], length)
        draws = uniform(places, generator=generator, like=probs).double()
        # scaled by the last sum, which rounding keeps from being one
        words = torch.searchsorted(cumulative, draws * cumulative[..., -1:], right=True)
        words = words.clamp_(max=probs.shape[-1] - 1)
        counts = probs.new_zeros(cumulative.shape)
        return counts.scatter_add_(-1, words, torch.ones_like(draws, dtype=probs.dtype))

    def log_prob_terms(self, value: Tensor) -> Tensor:
        """What the occurrences of each word add, in nats, ``(*sample, *batch, words)``."""
        return value * self.logits.log_softmax(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability of a sequence with the counts `value`, nats, ``(*sample, *batch)``."""
        return self.log_prob_terms(value).sum(-1)


Pixels = FactorizedBernoulli | DiagonalNormal | Multinomial | AutoregressiveBernoulli
"""What the models of this package put on the data."""
