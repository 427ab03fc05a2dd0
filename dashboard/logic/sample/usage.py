"""How much a model uses each of its latents: the KL of each unit's posterior from its prior."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

if TYPE_CHECKING:
    from engine.distributions import DiagonalNormal, IndependentLayers
    from engine.models import SBN, LatentVariableModel

__all__ = ["unit_kl"]

CHUNK = 2000  # images at a time


@torch.inference_mode()
def unit_kl(model: LatentVariableModel, x: Tensor) -> Tensor:
    """KL(q(z_i | x) || p(z_i)) of each unit in nats, averaged over images: `(latent,)`.

    A unit near zero says nothing about the image. Gaussian latents: from the marginal mean and
    spread of each; what units share in q (a rank-one precision) is not counted, so the sum is at
    most the KL of the bound. Bits: at mean field, q(z_i | x) as `recognition(x).mean` has it and
    the prior given the layer above, and linked bits before it, at their probabilities; of a single
    layer without links the sum is the KL.

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
    terms = []
    for index, (q, above) in enumerate(zip(layers, [*layers[1:], None], strict=True)):
        entropy = -(torch.xlogy(q, q) + torch.xlogy(1 - q, 1 - q))
        terms.append(-model.layer_prior(index, above).log_prob_terms(q) - entropy)
    return torch.cat(terms, dim=-1).clamp(min=0)
