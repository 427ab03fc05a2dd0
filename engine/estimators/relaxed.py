"""Biased gradients through bits: Concrete, straight-through and its Gumbel form."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.checks import check_positive
from engine.estimators.base import Estimate
from engine.estimators.layers import LayerEstimator, Layers, logistic
from engine.models.base import LatentVariableModel
from engine.random import Generator

__all__ = ["DENSITIES", "Concrete", "GumbelStraightThrough", "StraightThrough"]

DENSITIES = ("relaxed", "mass")


class Concrete(LayerEstimator):
    r"""Binary Concrete, the Gumbel-softmax of two classes: bits relaxed; biased for the ELBO.

    .. math:: \tilde z = \sigma(\zeta / \lambda), \quad
              \zeta = a + \log(1 - u) - \log u, \quad u \sim U(0, 1)

    takes the place of every bit, layer after layer, and the loss is differentiated through it. Its
    bias falls and its variance grows as lambda goes to 0. The density of z in p and q is

    - "relaxed": that of Concrete variables, for which the loss is a lower bound of the relaxed
      model (Maddison, Mnih and Teh 2017, arXiv:1611.00712, App. C.3);
    - "mass": log p and log q of bits, at numbers between 0 and 1 (Jang, Gu and Poole 2017,
      arXiv:1611.01144).

    `elbo` is that of the bits zeta > 0, an evaluation without gradient that is not counted.

    Args:
        temperature: lambda of q and of p.
        density: "relaxed" or "mass".
    """

    unbiased = False

    def __init__(
        self, model: LatentVariableModel, *, temperature: float = 2 / 3, density: str = "relaxed"
    ) -> None:
        super().__init__(model)
        if density not in DENSITIES:
            raise ValueError(f"`density` must be one of {DENSITIES}; got {density!r}.")
        self.temperature, self.density = check_positive("temperature", temperature), density

    def forward(
        self, model: LatentVariableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``."""
        layers = Layers(model, x, generator)
        noise = layers.noise(generator)
        if self.density == "mass":
            z = layers.relax_above([], noise, self.temperature)
            bound = layers.log_joint(z) - layers.log_q(z)
        else:
            bound = self._relaxed_bound(layers, noise)
        with torch.no_grad():
            bits = layers.draw(noise)[1]
            elbo = layers.log_joint(bits) - layers.log_q(bits)
        return Estimate(elbo, -bound.mean())

    def _relaxed_bound(self, layers: Layers, noise: Sequence[Tensor]) -> Tensor:
        """Log p(x, z) - log q(z | x) with densities of zeta / lambda, ``(batch,)``."""
        model, scale = layers.model, self.temperature
        z: list[Tensor] = []
        zetas: list[Tensor] = []
        bound = layers.x.new_zeros(len(layers.x))
        for layer, uniforms in enumerate(noise):
            logits = layers.logits(layer, z)
            zetas.append(logits + logistic(uniforms))
            z.append((zetas[-1] / scale).sigmoid())
            bound = bound - _log_density(zetas[-1], logits)
        for layer, zeta in enumerate(zetas):
            prior = model.layer_prior(layer, z[layer + 1] if layer + 1 < layers.count else None)
            bound = bound + _log_density(zeta, prior.logits_given(z[layer]))
        return bound + model.likelihood(torch.cat(z, dim=-1)).log_prob(layers.x)


def _log_density(zeta: Tensor, logits: Tensor) -> Tensor:
    """Log-density of logistic `zeta` around `logits`, ``(batch,)``.

    The Jacobian of zeta / lambda and its sigmoid is the same for p and q, and left out.
    """
    apart = zeta - logits
    return -(apart + 2 * F.softplus(-apart)).sum(-1)


class StraightThrough(LayerEstimator):
    r"""The straight-through estimator (Bengio, Leonard and Courville 2013, arXiv:1308.3432).

    Bits forward, their probabilities backward, layer after layer: biased.

    .. math:: z = 1[u < \sigma(a)], \qquad \partial z / \partial a := \sigma'(a)

    The gradient for p is that of `ScoreFunction`, and unbiased.
    """

    unbiased = False

    def _slope(self, logits: Tensor, noise: Tensor) -> Tensor:
        """What the gradient of a bit is taken to be that of, of the shape of `logits`."""
        return logits.sigmoid()

    def forward(
        self, model: LatentVariableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``."""
        layers = Layers(model, x, generator)
        z: list[Tensor] = []
        for layer, noise in enumerate(layers.noise(generator)):
            logits = layers.logits(layer, z)
            bits = (noise < logits.detach().sigmoid()).to(noise.dtype)
            soft = self._slope(logits, noise)
            z.append(bits + (soft - soft.detach()))
        elbo = layers.log_joint(z) - layers.log_q(z)
        return Estimate(elbo.detach(), -elbo.mean())


class GumbelStraightThrough(StraightThrough):
    r"""Straight-through Gumbel-softmax (Jang, Gu and Poole 2017, arXiv:1611.01144, Sec. 2.2).

    Bits forward, the binary Concrete variables of the same noise backward, layer after layer:
    biased.

    .. math:: z = 1[\zeta > 0], \qquad
              \partial z / \partial a := \partial \sigma(\zeta / \lambda) / \partial a, \qquad
              \zeta = a + \log(1 - u) - \log u

    Args:
        temperature: lambda.
    """

    def __init__(self, model: LatentVariableModel, *, temperature: float = 2 / 3) -> None:
        super().__init__(model)
        self.temperature = check_positive("temperature", temperature)

    def _slope(self, logits: Tensor, noise: Tensor) -> Tensor:
        """The relaxed bit, of the shape of `logits`."""
        return ((logits + logistic(noise)) / self.temperature).sigmoid()
