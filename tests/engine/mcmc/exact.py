"""Tiny models whose recognition is the exact posterior: pseudo-Gibbs is Gibbs on them."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from engine.distributions import DiagonalNormal
from engine.models.base import LatentVariableModel


def all_bits(size: int) -> Tensor:
    """Every vector of `size` bits, `(2**size, size)`."""
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=size)), dtype=torch.float64)


class Enumerated:
    """A distribution over the rows of `values`, `(values, event)`, one for each batch item.

    Args:
        values: `(values, event)`.
        probs: `(batch, values)`.
    """

    def __init__(self, values: Tensor, probs: Tensor) -> None:
        self.values, self.probs = values, probs

    def sample(self, *, generator: torch.Generator | None = None) -> Tensor:
        chosen = torch.multinomial(self.probs, 1, generator=generator).squeeze(-1)
        return self.values[chosen]

    def log_prob(self, value: Tensor) -> Tensor:
        """`(*sample, batch)` for values `(*sample, batch, event)` that are among the rows."""
        places = 2.0 ** torch.arange(value.shape[-1] - 1, -1, -1, dtype=value.dtype)
        codes = (value @ places).long()
        probs = self.probs.expand(*codes.shape[:-1], *self.probs.shape)
        return probs.gather(-1, codes.unsqueeze(-1)).squeeze(-1).log()


class ExactRecognition:
    """`model` with its recognition replaced by p(z | x), all latents enumerated."""

    def __init__(self, model: LatentVariableModel) -> None:
        self.model = model
        self.z = all_bits(sum(model.layer_sizes))
        self.data_dim, self.likelihood_kind = model.data_dim, model.likelihood_kind
        self.data_mean = model.data_mean

    def parameters(self) -> object:
        return self.model.parameters()

    def prior(self) -> object:
        return self.model.prior()

    def likelihood(self, z: Tensor) -> object:
        return self.model.likelihood(z)

    def log_table(self, x: Tensor) -> Tensor:
        """log p(x, z) for every z, `(batch, 2**latent)`."""
        z = self.z.unsqueeze(1).expand(-1, x.shape[0], -1)
        return self.model.log_joint(x, z).T

    def recognition(self, x: Tensor) -> Enumerated:
        return Enumerated(self.z, self.log_table(x).softmax(-1))


class LinearGaussian:
    """x = W z + b + scale * noise with orthogonal columns of W: p(z | x) is diagonal, so exact."""

    likelihood_kind = "gaussian"

    def __init__(self, data_dim: int, latent_dim: int, scale: float, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(data_dim, latent_dim, generator=generator, dtype=torch.float64)
        lengths = torch.linspace(0.8, 1.6, latent_dim, dtype=torch.float64)
        self.loadings = torch.linalg.qr(noise).Q * lengths
        self.offset = torch.full((data_dim,), 0.5, dtype=torch.float64)
        self.scale, self.data_dim = scale, data_dim
        self.zeros = torch.zeros(latent_dim, dtype=torch.float64)

    def parameters(self) -> object:
        return iter([self.loadings])

    def prior(self) -> DiagonalNormal:
        return DiagonalNormal(self.zeros, self.zeros)

    def likelihood(self, z: Tensor) -> DiagonalNormal:
        loc = z @ self.loadings.T + self.offset
        return DiagonalNormal(loc, torch.full_like(loc, self.scale).log())

    def recognition(self, x: Tensor) -> DiagonalNormal:
        precision = 1 + self.loadings.square().sum(0) / self.scale**2
        loc = (x - self.offset) @ self.loadings / self.scale**2 / precision
        return DiagonalNormal(loc, (-0.5 * precision.log()).expand_as(loc))

    def covariance(self) -> Tensor:
        """Of p(x)."""
        noise = self.scale**2 * torch.eye(self.data_dim, dtype=torch.float64)
        return self.loadings @ self.loadings.T + noise
