"""p(x_missing | x_observed) of models small enough to sum or integrate over everything."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from engine.evaluation.exact import all_bits
from engine.evaluation.grid import prior_grid
from engine.models.base import LatentVariableModel, check_independent_pixels

MAX_MISSING = 12
"""Missing pixels whose 4096 completions are listed."""


class Conditional(NamedTuple):
    """Every way to complete an item.

    Attributes:
        completions: ``(2 ** missing, data)``, the missing pixels in the order of `all_bits`,
            the observed ones as given.
        probabilities: p(x_m | x_o) of each, ``(2 ** missing,)``, summing to one.
    """

    completions: Tensor
    probabilities: Tensor


@torch.no_grad()
def exact_conditional(model: LatentVariableModel, x: Tensor, observed: Tensor) -> Conditional:
    """The law that imputation ought to sample from, for one item.

    Bits as latents are enumerated, one or two Gaussian latents integrated on a grid.

    Args:
        model: with bits as pixels.
        x: ``(data,)``; what it holds where `observed` is false is never looked at.
        observed: bool ``(data,)``.

    Raises:
        ValueError: the pixels are not bits, the shapes do not fit, more than `MAX_MISSING`
            pixels are missing, or the latents are too many.
    """
    check_independent_pixels(model, "the exact conditional")
    if model.likelihood_kind != "bernoulli":
        raise ValueError(f"`model` must have bits as pixels; its are {model.likelihood_kind}.")
    if x.shape != (model.data_dim,) or observed.shape != x.shape:
        raise ValueError(
            f"`x` and `observed` must be ({model.data_dim},); got {tuple(x.shape)} and "
            f"{tuple(observed.shape)}."
        )
    missing = ~observed
    count = int(missing.sum())
    if not 1 <= count <= MAX_MISSING:
        raise ValueError(f"`observed` must miss 1 to {MAX_MISSING} pixels; got {count}.")
    completions = x.expand(2**count, -1).clone()
    completions[:, missing] = all_bits(count, dtype=x.dtype, device=x.device)

    if model.latent_kind == "bernoulli":
        z = all_bits(sum(model.layer_sizes), dtype=x.dtype, device=x.device)
        log_weights = model.prior().log_prob(z)
    else:
        z, log_weights = prior_grid(model)
    pixels = model.likelihood(z)
    # log p(x | z) is linear in bits: all completions of all latents by one product.
    zero = pixels.log_prob_terms(torch.zeros_like(x)).double()
    one = pixels.log_prob_terms(torch.ones_like(x)).double()
    log_likelihood = (one - zero) @ completions.double().T + zero.sum(-1, keepdim=True)
    log_joint = (log_weights.double()[:, None] + log_likelihood).logsumexp(0)
    return Conditional(completions, log_joint.softmax(0))
