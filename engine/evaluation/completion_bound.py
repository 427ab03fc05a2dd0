"""How probable the observed part of an item is, by latents that completed items suggest."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.distributions import Distribution
from engine.models.base import LatentVariableModel, check_independent_pixels
from engine.random import Generator, uniform

__all__ = ["PRIOR_SHARE", "conditional_bound"]

CHUNK_ROWS = 4096
"""Latents decoded at a time."""

PRIOR_SHARE = 0.1
"""Of the prior in the proposal: it covers what no q does, so that no weight is above ten."""


@torch.no_grad()
def conditional_bound(
    model: LatentVariableModel,
    x: Tensor,
    observed: Tensor,
    guides: Tensor,
    *,
    samples: int,
    generator: Generator | None = None,
) -> Tensor:
    """The K-sample lower bound of log p(x_o), ``(items,)`` float64 nats (Burda et al. 2016).

    The proposal is a mixture of q(z | guide) over the guides and of the prior, with its whole
    density in the weights: as long as the guides are not looked at again, on average no estimate
    is above log p(x_o), whatever they are.

    Args:
        observed: bool ``(items, data)``; all true for log p(x).
        guides: ``(guides, items, data)``, completed items.
        samples: K.

    Raises:
        ValueError: the model's pixels are not independent given z.
    """
    check_independent_pixels(model, "a bound of the observed pixels")
    prior, count = model.prior(), len(guides)
    found = []
    rows = max(1, CHUNK_ROWS // max(samples, 1))
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        items, mask = x[part], observed[part]
        qs = [model.recognition(guide) for guide in guides[:, part]]
        z = _mixture_draws(qs, prior, samples, len(items), generator)
        log_qs = torch.stack([q.log_prob(z) for q in qs]).logsumexp(0) - math.log(count)
        log_prior = prior.log_prob(z)
        log_proposal = torch.logaddexp(
            log_qs + math.log(1 - PRIOR_SHARE), log_prior + math.log(PRIOR_SHARE)
        )
        terms = model.likelihood(z).log_prob_terms(torch.where(mask, items, 0))
        log_weights = torch.where(mask, terms, 0).sum(-1) + log_prior - log_proposal
        found.append(log_weights.double().logsumexp(0) - math.log(samples))
    return torch.cat(found)


def _mixture_draws(
    qs: list[Distribution],
    prior: Distribution,
    samples: int,
    items: int,
    generator: Generator | None,
) -> Tensor:
    """Independent draws of the mixture, ``(samples, items, latent)``."""
    z = prior.sample((samples, items), generator=generator)
    like = z[..., 0]
    which = uniform(like.shape, generator=generator, like=like)
    # Below PRIOR_SHARE the draw of the prior stays, above it the rest is shared evenly.
    place = ((which - PRIOR_SHARE) / (1 - PRIOR_SHARE) * len(qs)).floor()
    for index, q in enumerate(qs):
        draws = q.sample((samples,), generator=generator)
        z = torch.where((place == index)[..., None], draws, z)
    return z
