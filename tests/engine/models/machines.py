"""Machines small enough to enumerate, with weights far from zero."""

from __future__ import annotations

import torch

from engine.models import RBM
from engine.random import make_generator


def tiny_rbm(
    data_dim: int = 4, hidden: int = 3, *, particles: int = 50, scale: float = 0.8, seed: int = 0
) -> RBM:
    """An RBM in float64, every parameter from N(0, scale ** 2), some mean of its data."""
    model = RBM(data_dim, hidden, particles=particles).double().eval()
    generator = make_generator(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, scale, generator=generator)
        model.data_mean.uniform_(0.2, 0.8, generator=generator)
        model.particles.bernoulli_(0.5, generator=generator)
    return model
