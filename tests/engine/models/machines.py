"""Machines small enough to enumerate, with weights far from zero."""

from __future__ import annotations

import torch

from engine.models import DBN, RBM
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


def tiny_dbn(*, particles: int = 50, scale: float = 0.8, seed: int = 0) -> DBN:
    """A DBN of 4 pixels and layers of 3 and 2 bits in float64, its log Z exact."""
    model = DBN(4, (3, 2), particles=particles).double().eval()
    generator = make_generator(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, scale, generator=generator)
        model.top.particles.bernoulli_(0.5, generator=generator)
        model.top.log_partition.copy_(model.top.log_partition_exact())
    return model
