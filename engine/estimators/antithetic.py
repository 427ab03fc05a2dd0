"""Two bits from one uniform draw: ARM, and DisARM, which averages the draw out."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from engine.estimators.base import Estimate
from engine.estimators.layers import LayerEstimator, Layers
from engine.models.base import LatentVariableModel
from engine.random import Generator

__all__ = ["ARM", "DisARM"]


class _Antithetic(LayerEstimator):
    """What both share: for every layer a second state from the mirrored noise.

    Several layers are taken one by one, given the draws of the layers below: z is drawn with the
    noise u, and for each layer l once more with 1 - u_l in place of u_l. Below l the two agree;
    above l both use the same noise, each through its own logits. All first states are one and
    the same draw of q(z | x), so L layers need L + 1 evaluations of log p(x, z), not 2 L. The
    gradient for p is the mean over that draw and its mirror image of layer 1, which follows q
    as well.
    """

    def __init__(self, model: LatentVariableModel) -> None:
        super().__init__(model)
        self.evaluations = len(model.layer_sizes) + 1

    @staticmethod
    @abstractmethod
    def logit_gradient(
        logits: Tensor, noise: Tensor, bits: Tensor, mirrored: Tensor, difference: Tensor
    ) -> Tensor:
        """The estimate of the gradient in the logits, of their shape ``(batch, size)``.

        Args:
            noise: u; `bits` is u < p, `mirrored` is 1 - u < p.
            difference: the objective at `bits` less that at `mirrored`, ``(batch, 1)``.
        """

    def forward(
        self, model: LatentVariableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``; `elbo` is the mean of a pair."""
        layers = Layers(model, x, generator)
        noise = layers.noise(generator)
        logits, bits = layers.draw(noise)
        gradients, pair = [], [bits]
        with torch.no_grad():
            for layer, (a, u) in enumerate(zip(logits, noise, strict=True)):
                mirrored = (1 - u < a.sigmoid()).to(u.dtype)
                other = layers.draw_above([*bits[:layer], mirrored], noise)
                if layer == 0:
                    pair.append(other)
                difference = layers.signal(layer, bits) - layers.signal(layer, other)
                gradients.append(
                    self.logit_gradient(a, u, bits[layer], mirrored, difference[:, None])
                )
            log_q = torch.stack([layers.log_q(z) for z in pair]).mean(0)
        log_joint = torch.stack([layers.log_joint(z) for z in pair]).mean(0)
        loss = -log_joint.mean() - self.surrogate(logits, gradients)
        return Estimate(log_joint.detach() - log_q, loss)


class ARM(_Antithetic):
    r"""Augment-REINFORCE-merge (Yin and Zhou 2019, arXiv:1807.11143); unbiased.

    With f = log p(x, z) - log q(z | x), logits a and uniform u,

    .. math:: \nabla_a E[f] = E_u\bigl[\bigl(f(1[u > \sigma(-a)]) - f(1[u < \sigma(a)])\bigr)
              (u - \tfrac12)\bigr].

    In several layers: each given the draws below, by the two states of its own that mirrored noise
    gives, both with the same noise for the layers above; L + 1 evaluations in all.
    """

    @staticmethod
    def logit_gradient(
        logits: Tensor, noise: Tensor, bits: Tensor, mirrored: Tensor, difference: Tensor
    ) -> Tensor:
        """``(f(z) - f(z')) (1/2 - u)``."""
        return difference * (0.5 - noise)


class DisARM(_Antithetic):
    r"""DisARM, found independently as U2G; unbiased, and never worse than ARM.

    ARM's expectation given the two states z and z' of the antithetic pair:

    .. math:: \hat g_i = \tfrac12 \bigl(f(z) - f(z')\bigr) (-1)^{z'_i} 1[z_i \ne z'_i]\,
              \sigma(|a_i|).

    Dong, Mnih and Tucker (2020), arXiv:2006.10680; Yin, Ho, Yan, Qian and Zhou (2020),
    "Probabilistic Best Subset Selection via Gradient-Based Optimization", arXiv:2006.06448.
    In several layers: each given the draws below, by the two states of its own that mirrored noise
    gives, both with the same noise for the layers above; L + 1 evaluations in all.
    """

    @staticmethod
    def logit_gradient(
        logits: Tensor, noise: Tensor, bits: Tensor, mirrored: Tensor, difference: Tensor
    ) -> Tensor:
        """``(f(z) - f(z')) (z - z') sigmoid(|a|) / 2``."""
        return 0.5 * difference * (bits - mirrored) * logits.abs().sigmoid()
