"""Exact quantities of small sigmoid belief networks, by summing over every latent state.

The ground truth of the tests, and of `evaluate` where a model is small enough.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.bits import MAX_BITS, all_bits
from engine.models.base import LatentVariableModel

__all__ = [
    "MAX_BITS",
    "all_bits",
    "elbo",
    "log_joint_table",
    "log_marginal",
    "posterior",
    "recognition_table",
]

CHUNK_STATES = 8192
"""States whose data are decoded at a time, for all items together."""


def log_joint_table(model: LatentVariableModel, x: Tensor) -> Tensor:
    """Log p(x, z) of every z in the order of `all_bits`, ``(states, items)`` nats.

    Raises:
        ValueError: the latents are not bits, there are more than `MAX_BITS` of them, or the
            shape of `x` is not ``(items, data)``.
    """
    states = _states(model, x)
    rows = max(1, CHUNK_STATES // max(len(x), 1))
    tables = [model.log_joint(x, z[:, None].expand(-1, len(x), -1)) for z in states.split(rows)]
    return torch.cat(tables)


def log_marginal(model: LatentVariableModel, x: Tensor) -> Tensor:
    """Log p(x) = log of the sum over z of p(x, z), ``(items,)`` nats; differentiable.

    Raises:
        ValueError: see `log_joint_table`.
    """
    return torch.logsumexp(log_joint_table(model, x), dim=0)


def posterior(model: LatentVariableModel, x: Tensor) -> Tensor:
    """p(z | x) of every z in the order of `all_bits`, ``(states, items)``.

    Raises:
        ValueError: see `log_joint_table`.
    """
    return torch.softmax(log_joint_table(model, x), dim=0)


def recognition_table(model: LatentVariableModel, x: Tensor) -> Tensor:
    """Log q(z | x) of every z in the order of `all_bits`, ``(states, items)`` nats.

    Raises:
        ValueError: see `log_joint_table`.
    """
    states = _states(model, x)
    return model.recognition(x).log_prob(states[:, None].expand(-1, len(x), -1))


def elbo(model: LatentVariableModel, x: Tensor) -> Tensor:
    """The lower bound E_q[log p(x, z) - log q(z | x)], ``(items,)`` nats; differentiable.

    Its gradient is the one that every unbiased estimator has on average.

    Raises:
        ValueError: see `log_joint_table`.
    """
    log_q = recognition_table(model, x)
    return (log_q.exp() * (log_joint_table(model, x) - log_q)).sum(0)


def _states(model: LatentVariableModel, x: Tensor) -> Tensor:
    bits = sum(model.layer_sizes)
    if model.latent_kind != "bernoulli":
        raise ValueError(
            f"`model` must have latents that are bits; those of {type(model).__name__} are "
            f"{model.latent_kind}."
        )
    if bits > MAX_BITS:
        raise ValueError(
            f"`model` must have at most {MAX_BITS} latent bits, as every state is enumerated; "
            f"got {bits}."
        )
    if x.ndim != 2 or x.shape[1] != model.data_dim:
        raise ValueError(f"`x` must be (items, {model.data_dim}); got {tuple(x.shape)}.")
    return all_bits(bits, dtype=x.dtype, device=x.device)
