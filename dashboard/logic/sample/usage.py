"""How much a model uses each of its latents: the KL of each unit's posterior from its prior."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from engine.distributions import DiagonalNormal, FactorizedBernoulli

if TYPE_CHECKING:
    from engine.distributions import IndependentLayers
    from engine.models import SBN, LatentVariableModel

__all__ = ["unit_kl"]

CHUNK = 2000  # images at a time


@torch.inference_mode()
def unit_kl(model: LatentVariableModel, x: Tensor) -> Tensor:
    """KL(q(z_i | x) || p(z_i)) of each unit in nats, averaged over images: `(latent,)`.

    A unit near zero says nothing about the image. Gaussian latents: from the marginal mean and
    spread of each; what units share in q (a rank-one precision) is not counted, so the sum is at
    most the KL of the bound. Bits: at mean field, q(z_i | x) as `recognition(x).mean` has it and
    the prior given the layer above at its probabilities; of a single layer the sum is the KL.

    Args:
        model: any latent-variable model.
        x: `(n, data)` with n >= 1.

    Raises:
        ValueError: `x` has no rows.
    """
    if len(x) == 0:
        raise ValueError("`x` must have at least one image; got none.")
    bits = model.latent_kind == "bernoulli"
    total = torch.zeros(sum(model.layer_sizes), dtype=torch.float64)
    for piece in x.split(CHUNK):
        kl = _bits(cast("SBN", model), piece) if bits else _gaussian(model, piece)
        total += kl.sum(0, dtype=torch.float64)
    return (total / len(x)).float()


def _gaussian(model: LatentVariableModel, x: Tensor) -> Tensor:
    q = cast("DiagonalNormal | IndependentLayers", model.recognition(x))
    variance = q.stddev.square()
    return 0.5 * (variance + q.mean.square() - 1 - variance.log())


def _bits(model: SBN, x: Tensor) -> Tensor:
    layers = model.recognition(x).mean.split(model.layer_sizes, dim=-1)
    # As the networks of an SBN take bits, -1 and +1: a probability becomes a mean between them.
    logits = [
        network(2 * above - 1) for network, above in zip(model.transforms, layers[1:], strict=True)
    ]
    logits.append(model.prior_logits.expand_as(layers[-1]))
    terms = []
    for q, prior in zip(layers, logits, strict=True):
        entropy = -(torch.xlogy(q, q) + torch.xlogy(1 - q, 1 - q))
        terms.append(-FactorizedBernoulli(prior).log_prob_terms(q) - entropy)
    return torch.cat(terms, dim=-1).clamp(min=0)
