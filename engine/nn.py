"""Multilayer perceptrons and their initialisation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU, "silu": nn.SiLU}


def mlp(
    in_dim: int, hidden: Sequence[int], out_dim: int, *, activation: str = "tanh"
) -> nn.Sequential:
    """Linear layers of widths `hidden` with `activation` after each, then a linear output.

    No hidden width gives one linear layer.

    Raises:
        ValueError: a width is below 1 or the activation is unknown.
    """
    if activation not in tuple(ACTIVATIONS):  # a list cannot be looked up in a table
        raise ValueError(f"`activation` must be one of {sorted(ACTIVATIONS)}; got {activation!r}.")
    sizes = [in_dim, *hidden]
    if min(*sizes, out_dim) < 1:
        raise ValueError(f"every layer width must be at least 1; got {[*sizes, out_dim]}.")
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(sizes):
        layers += [nn.Linear(width_in, width_out), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], out_dim))


def output_layer(network: nn.Sequential) -> nn.Linear:
    """The last linear layer of an `mlp`."""
    layer = network[-1]
    assert isinstance(layer, nn.Linear)
    return layer


def initialise(module: nn.Module, generator: torch.Generator | None = None) -> None:
    """Glorot-uniform weights and zero biases in every linear layer of `module`."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight, generator=generator)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
