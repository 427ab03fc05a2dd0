"""Models small enough to sum or integrate over everything, with weights far from zero."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.evaluation.exact import all_bits, log_marginal
from engine.models import LatentVariableModel, build_model
from engine.random import make_generator

BITS: dict[str, tuple[str, dict[str, Any]]] = {
    "sbn-1": ("sbn", {"data_dim": 4, "layers": (3,)}),
    "sbn-2": ("sbn", {"data_dim": 3, "layers": (3, 2)}),
    "sbn-3": ("sbn", {"data_dim": 3, "layers": (2, 3, 2)}),
    "sbn-1-tanh": ("sbn", {"data_dim": 4, "layers": (3,), "hidden": (4,)}),
    "sbn-2-tanh": ("sbn", {"data_dim": 3, "layers": (3, 2), "hidden": (4, 5)}),
    "sbn-3-tanh": ("sbn", {"data_dim": 3, "layers": (2, 3, 2), "hidden": (4,)}),
}
LINKED: dict[str, tuple[str, dict[str, Any]]] = {
    "sbn-1-linked": ("sbn", {"data_dim": 4, "layers": (3,), "recognition": "autoregressive"}),
    "sbn-2-linked": ("sbn", {"data_dim": 3, "layers": (3, 2), "recognition": "autoregressive"}),
    "fdarn-1": ("fdarn", {"data_dim": 4, "layers": (3,)}),
    "fdarn-2-linked": ("fdarn", {"data_dim": 3, "layers": (2, 3), "recognition": "autoregressive"}),
    "darn-1": ("darn", {"data_dim": 4, "layers": (3,), "hidden": (4,)}),
    "darn-2-linked": ("darn", {"data_dim": 4, "layers": (2, 3), "recognition": "autoregressive"}),
    "darn-every": ("darn", {"data_dim": 6, "layers": (2,)}),
    "darn-near": ("darn", {"data_dim": 6, "layers": (2,), "link_reach": 1, "image_width": 3}),
}
"""With links within layers: of q ("-linked"), of the prior, of the pixels."""

GAUSSIANS: dict[str, tuple[str, dict[str, Any]]] = {
    "vae": ("vae", {"data_dim": 3, "latent_dim": 2, "hidden": (4,)}),
    "dlgm-1-diagonal": ("dlgm", {"data_dim": 3, "layers": (2,), "hidden": (4,)}),
    "dlgm-1-rank-one": (
        "dlgm",
        {"data_dim": 3, "layers": (2,), "hidden": (4, 3), "covariance": "rank-one"},
    ),
    "dlgm-2-diagonal": (
        "dlgm",
        {"data_dim": 3, "layers": (2, 1), "hidden": (4,), "between": (3,), "activation": "tanh"},
    ),
    "dlgm-2-rank-one": (
        "dlgm",
        {"data_dim": 3, "layers": (1, 2), "hidden": (4,), "covariance": "rank-one"},
    ),
}
MODELS = BITS | GAUSSIANS
EVERY = MODELS | LINKED
NODES = {1: 200, 2: 60, 3: 30}
"""Points of the quadrature an axis, by the number of latents."""


def build(name: str, seed: int = 0, scale: float = 0.8, **more: Any) -> LatentVariableModel:
    """The tiny model `name` in float64, every parameter drawn from N(0, scale ** 2)."""
    kind, config = EVERY[name]
    model = build_model(kind, **(config | more)).double().eval()
    generator = make_generator(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, scale, generator=generator)
        model.data_mean.uniform_(0.2, 0.8, generator=generator)
    return model


def all_data(model: LatentVariableModel) -> Tensor:
    """Every binary x, ``(2 ** data, data)``."""
    return all_bits(model.data_dim, dtype=torch.float64)


def quadrature(size: int) -> tuple[Tensor, Tensor]:
    """Gauss-Hermite points ``(points, size)`` and log-weights of the integral over z of f(z)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES[size])
    z = torch.tensor(list(itertools.product(nodes, repeat=size)))
    products = torch.tensor(list(itertools.product(weights, repeat=size))).prod(-1)
    # the rule integrates f(z) exp(-z^2 / 2): take the exponential out again
    return z, products.log() + z.square().sum(-1) / 2


def marginal(model: LatentVariableModel, x: Tensor) -> Tensor:
    """log p(x) ``(items,)``, by enumeration or quadrature of `model.log_joint`."""
    if model.latent_kind == "bernoulli":
        return log_marginal(model, x)
    z, log_weights = quadrature(sum(model.layer_sizes))
    log_joint = model.log_joint(x, z[:, None].expand(-1, len(x), -1))
    return torch.logsumexp(log_joint + log_weights[:, None], dim=0)


def counts(bits: Tensor) -> Tensor:
    """How often each vector of bits occurs among the rows, in the order of `all_bits`."""
    places = 2 ** torch.arange(bits.shape[-1] - 1, -1, -1)
    return torch.bincount((bits.long() * places).sum(-1), minlength=2 ** bits.shape[-1])


def assert_frequencies(bits: Tensor, probs: Tensor) -> None:
    """The rows occur with `probs`, each within five standard errors."""
    share = counts(bits) / len(bits)
    error = (probs * (1 - probs) / len(bits)).sqrt()
    worst = ((share - probs).abs() / error).max()
    assert worst < 5, f"{float(worst):.1f} standard errors"


LOG_2PI = math.log(2 * math.pi)
