"""Bounds of a model with one Gaussian latent, by sums over a grid of z."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.models import LatentVariableModel
from tests.engine.estimators.exact import bits, tiny

LIKELIHOODS = ("bernoulli", "gaussian")


def vae(likelihood: str) -> LatentVariableModel:
    """One latent and a narrow q, which a grid over z resolves to many digits."""
    model = tiny("vae", latent_dim=1, hidden=[2], likelihood=likelihood)
    with torch.no_grad():
        model.encoder[-1].bias[1] -= 1.5
    return model


def data(likelihood: str) -> Tensor:
    return bits(1) if likelihood == "bernoulli" else 0.2 + 0.5 * bits(1)


def grid_terms(model: LatentVariableModel, x: Tensor, points: int) -> tuple[Tensor, Tensor]:
    """log q(z_i | x) + log spacing and log p(x, z_i) - log q(z_i | x) on a grid of z.

    The grid is fixed and only the densities depend on the weights: no reparameterisation.
    """
    q = model.recognition(x)
    loc, scale = float(q.mean.detach()), float(q.stddev.detach())
    z = torch.linspace(loc - 12 * scale, loc + 12 * scale, points, dtype=torch.float64)
    log_q = q.log_prob(z[:, None, None]).squeeze(-1)
    log_joint = model.log_joint(x, z[:, None, None]).squeeze(-1)
    return log_q + (z[1] - z[0]).log(), log_joint - log_q


def grid_elbo(model: LatentVariableModel, x: Tensor) -> Tensor:
    log_mass, log_weights = grid_terms(model, x, 2001)
    return (log_mass.exp() * log_weights).sum()


def grid_iwae(model: LatentVariableModel, x: Tensor) -> Tensor:
    """L_2 as a double sum."""
    log_mass, log_weights = grid_terms(model, x, 801)
    both = torch.logaddexp(log_weights[:, None], log_weights[None]) - torch.log(torch.tensor(2.0))
    return ((log_mass[:, None] + log_mass[None]).exp() * both).sum()


def assert_close(found: dict, expected: dict) -> None:
    """The two are the same but for the error of the grids."""
    for name, value in expected.items():
        assert torch.allclose(found[name], value, rtol=1e-6, atol=1e-7), name
