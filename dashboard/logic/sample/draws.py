"""Images that a model draws by itself, whatever its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.models import LatentVariableModel
from engine.random import make_generator

if TYPE_CHECKING:
    from engine.models import GenerativeModel

__all__ = ["drawn_images"]


@torch.inference_mode()
def drawn_images(model: GenerativeModel, count: int, seed: int, *, means: bool) -> Tensor:
    """`count` images `(count, data)` in [0, 1].

    Args:
        model: shared by all visitors.
        count: how many.
        seed: of the draws.
        means: of p(x | z) for z drawn from the prior, in place of drawn pixels. A model without
            latents has no such means: its pixels are drawn.
    """
    generator = make_generator(seed)
    if means and isinstance(model, LatentVariableModel):
        z = model.prior().sample((count,), generator=generator)
        return model.likelihood(z).mean.clamp(0, 1)
    return model.sample(count, generator=generator).clamp(0, 1)
