"""A model whose log p(x), posterior and gaps have closed forms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from engine.distributions import DiagonalNormal, PixelDistribution
from engine.models.base import GaussianLatentModel
from engine.random import make_generator


class LinearGaussian(GaussianLatentModel):
    """x = W z + scale * noise; q is a diagonal Gaussian beside the point by `shift`, `wider`."""

    def __init__(
        self, loadings: Tensor, scale: float, shift: float = 0.3, wider: float = 1.5
    ) -> None:
        super().__init__(*loadings.shape[:1], [loadings.shape[1]], likelihood="gaussian")
        self.loadings = nn.Parameter(loadings)
        self.scale, self.shift, self.wider = scale, shift, wider
        self.double()

    def likelihood(self, z: Tensor) -> PixelDistribution:
        loc = z @ self.loadings.T
        return DiagonalNormal(loc, torch.full_like(loc, math.log(self.scale)))

    def precision(self) -> Tensor:
        """Of p(z | x), ``(latent, latent)``."""
        return torch.eye(self.loadings.shape[1]).double() + self.gram() / self.scale**2

    def gram(self) -> Tensor:
        return (self.loadings.T @ self.loadings).detach()

    def recognition(self, x: Tensor) -> DiagonalNormal:
        mean = x @ self.loadings.detach() / self.scale**2 @ self.precision().inverse()
        log_scale = -0.5 * self.precision().diagonal().log()
        return DiagonalNormal(
            mean + self.shift * log_scale.exp(),
            (log_scale + math.log(self.wider)).expand_as(mean),
        )

    def generative_modules(self) -> Sequence[nn.Module]:
        return ()

    def recognition_modules(self) -> Sequence[nn.Module]:
        return ()

    def output_network(self) -> nn.Sequential:
        raise NotImplementedError


class Truth(NamedTuple):
    """What is exact, nats."""

    log_marginal: float
    mean: Tensor
    covariance: Tensor
    elbo: float
    best_elbo: float


def linear_gaussian(
    latents: int, scale: float, *, data: int = 4, seed: int = 7, loadings: Tensor | None = None
) -> tuple[LinearGaussian, Tensor, Truth]:
    """A model, an item and its truth.

    With P the posterior's precision: the best factorised Gaussian has the posterior's mean and
    variances 1 / P_ii (Bishop 2006, Eq. 10.13), and the gap of any Gaussian is its KL divergence.
    """
    generator = make_generator(seed)
    if loadings is None:
        loadings = torch.randn(data, latents, generator=generator, dtype=torch.float64)
    model = LinearGaussian(loadings, scale)
    x = loadings @ torch.randn(latents, generator=generator, dtype=torch.float64)
    x = x + scale * torch.randn(data, generator=generator, dtype=torch.float64)
    covariance = loadings @ loadings.T + scale**2 * torch.eye(data).double()
    normal = torch.distributions.MultivariateNormal(torch.zeros(data).double(), covariance)
    log_marginal = float(normal.log_prob(x))
    precision = model.precision()
    mean = precision.inverse() @ (loadings.T @ x) / scale**2
    posterior = torch.distributions.MultivariateNormal(mean, precision_matrix=precision)

    def gap(loc: Tensor, variances: Tensor) -> float:
        q = torch.distributions.MultivariateNormal(loc, torch.diag(variances))
        return float(torch.distributions.kl_divergence(q, posterior))

    q = model.recognition(x[None])
    return (
        model,
        x,
        Truth(
            log_marginal=log_marginal,
            mean=mean,
            covariance=precision.inverse(),
            elbo=log_marginal - gap(q.loc[0], (2 * q.log_scale[0]).exp()),
            best_elbo=log_marginal - gap(mean, 1 / precision.diagonal()),
        ),
    )
