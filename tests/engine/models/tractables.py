"""Densities small enough to sum over everything, with weights far from zero."""

from __future__ import annotations

from typing import Any

import torch

from engine.models import TractableModel, build_model
from engine.random import make_generator

TRACTABLES: dict[str, tuple[str, dict[str, Any]]] = {
    "nade": ("nade", {"hidden_dim": 4}),
    "nade-natural": ("nade", {"hidden_dim": 4, "ordering": "natural"}),
    "eonade-1": ("eonade", {"hidden": (4,), "orderings": 3, "activation": "tanh"}),
    "eonade-2": ("eonade", {"hidden": (5, 4), "orderings": 4, "activation": "silu"}),
    "mixture": ("mixture", {"components": 4}),
}


def tiny(name: str, data_dim: int = 7, seed: int = 0, **more: Any) -> TractableModel:
    """The model `name` in float64, every parameter drawn from N(0, 1), some mean of its data."""
    kind, config = TRACTABLES[name]
    model = build_model(kind, data_dim=data_dim, **(config | more)).double().eval()
    generator = make_generator(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator)
        model.data_mean.uniform_(0.2, 0.8, generator=generator)
    return model
