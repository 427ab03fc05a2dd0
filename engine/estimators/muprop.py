"""MuProp: the score function around a first-order expansion at the mean field."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.estimators.base import Estimate
from engine.estimators.derivatives import slope_and_value
from engine.estimators.layers import LayerEstimator, Layers
from engine.models.base import LatentVariableModel
from engine.random import Generator

__all__ = ["MuProp"]


class MuProp(LayerEstimator):
    r"""MuProp (Gu, Levine, Sutskever and Mnih 2016, arXiv:1511.05176); unbiased.

    With f = log p(x, z) - log q(z | x), its first-order Taylor polynomial at the mean field is
    taken off and its known expectation added back:

    .. math:: \hat g = \bigl(f(z) - f(\bar z) - f'(\bar z)^\top (z - \bar z)\bigr)
              \nabla \log q(z \mid x) + f'(\bar z)^\top \nabla \bar z, \qquad
              \bar z = E_q[z].

    Layer by layer, given the draws below: for layer l the mean of q(z_l | z_{l-1}) is passed on
    through the layers above as a mean field, and f' is the total derivative along that way. One
    evaluation of log p(x, z) for the bits, and one with its gradient for each layer.
    """

    def __init__(self, model: LatentVariableModel) -> None:
        super().__init__(model)
        self.evaluations = 1 + len(model.layer_sizes)

    def forward(
        self, model: LatentVariableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``."""
        layers = Layers(model, x, generator)
        logits, bits = layers.draw(layers.noise(generator))
        with torch.no_grad():
            gradients = [
                _logit_gradient(layers, layer, a.detach().sigmoid(), bits)
                for layer, a in enumerate(logits)
            ]
            log_q = layers.log_q(bits)
        log_joint = layers.log_joint(bits)
        loss = -log_joint.mean() - self.surrogate(logits, gradients)
        return Estimate(log_joint.detach() - log_q, loss)


def _logit_gradient(layers: Layers, layer: int, mean: Tensor, bits: list[Tensor]) -> Tensor:
    """The estimate of the gradient in the logits of `layer`, ``(batch, size)``."""

    def total(value: Tensor) -> tuple[Tensor, Tensor]:
        signal = layers.signal(layer, layers.mean_above([*bits[:layer], value]))
        return signal.sum(), signal

    slope, expanded = slope_and_value(total, mean)
    apart = bits[layer] - mean
    residual = layers.signal(layer, bits) - expanded.detach() - (slope * apart).sum(-1)
    return residual[:, None] * apart + slope * mean * (1 - mean)
