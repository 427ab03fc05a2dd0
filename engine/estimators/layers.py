"""The layers of bits of q(z | x), one by one: what estimators of their logits' gradients need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.estimators.base import GradientEstimator
from engine.models.base import LatentVariableModel
from engine.models.sbn import SBN, BeliefPrior, BeliefRecognition
from engine.random import Generator, uniform

ANY_BITS = (
    "leave-one-out",
    "nvil",
    "reweighted-wake-sleep",
    "score-function",
    "vimco",
    "wake-sleep",
)
"""The estimators that need draws and densities of bits alone."""

__all__ = ["ANY_BITS", "LayerEstimator", "Layers", "logistic", "relaxed_posterior"]


def logistic(noise: Tensor) -> Tensor:
    """Standard logistic draws from uniform `noise`; falling, so that small noise gives a one.

    With zeta = logit + logistic(u) the bit zeta > 0 is the bit u < p of `engine.random.bernoulli`.
    """
    tiny = torch.finfo(noise.dtype).eps
    noise = noise.clamp(tiny, 1 - tiny)
    return torch.log1p(-noise) - noise.log()


def relaxed_posterior(logits: Tensor, bits: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """A draw of zeta = logit + logistic noise given the bit zeta > 0, and its slope in the logit.

    Tucker et al. (2017), arXiv:1703.07370, App. C, with the logarithms put together so that none
    of them is of a difference: no digits are lost where a bit is nearly certain.

    Args:
        logits, bits, noise: one shape, the noise uniform.
    """
    tiny = torch.finfo(noise.dtype).eps
    noise = noise.clamp(tiny, 1 - tiny)
    log_noise, log_rest = noise.log(), torch.log1p(-noise)
    on, off = logits + log_noise, log_rest - logits
    zeta = torch.where(bits > 0, F.softplus(on) - log_rest, log_noise - F.softplus(off))
    return zeta, torch.where(bits > 0, on.sigmoid(), off.sigmoid())


class Layers:
    """One minibatch on its way through the recognition of an SBN.

    Layers are counted from 0, the one next to the data. Where a method takes `z`, it is a list of
    the layers ``(batch, size)``, bits or numbers between 0 and 1.
    """

    def __init__(self, model: LatentVariableModel, x: Tensor, generator: Generator | None) -> None:
        q = model.recognition(model.corrupt(x, generator=generator))
        prior = model.prior()
        assert isinstance(model, SBN)
        assert isinstance(q, BeliefRecognition)
        assert isinstance(prior, BeliefPrior)
        self.model, self.x, self.q, self.prior = model, x, q, prior
        self.count = len(model.layer_sizes)

    def noise(self, generator: Generator | None) -> list[Tensor]:
        """Uniform draws, ``(batch, size)`` for each layer."""
        return [
            uniform((len(self.x), size), generator=generator, like=self.x)
            for size in self.model.layer_sizes
        ]

    def logits(self, layer: int, below: Sequence[Tensor]) -> Tensor:
        """The logits of q(z_layer | z_{layer - 1}), for the layers `below` it."""
        if layer == 0:
            return self.q.first_logits
        value = below[layer - 1]
        return self.model.recognisers[layer](2 * value - 1).to(value.dtype)

    def draw(self, noise: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Bits of all layers, and the logits they are drawn with, which have a gradient."""
        logits: list[Tensor] = []
        bits: list[Tensor] = []
        for layer, uniforms in enumerate(noise):
            logits.append(self.logits(layer, bits))
            bits.append((uniforms < logits[-1].detach().sigmoid()).to(uniforms.dtype))
        return logits, bits

    def draw_above(self, z: Sequence[Tensor], noise: Sequence[Tensor]) -> list[Tensor]:
        """The layers `z` and bits of the ones above them."""
        z = list(z)
        for layer in range(len(z), self.count):
            z.append((noise[layer] < self.logits(layer, z).sigmoid()).to(z[0].dtype))
        return z

    def relax_above(
        self, z: Sequence[Tensor], noise: Sequence[Tensor], temperature: Tensor | float
    ) -> list[Tensor]:
        """The layers `z` and relaxed bits sigmoid(zeta / temperature) of the ones above them."""
        z = list(z)
        for layer in range(len(z), self.count):
            zeta = self.logits(layer, z) + logistic(noise[layer])
            z.append((zeta / temperature).sigmoid())
        return z

    def mean_above(self, z: Sequence[Tensor]) -> list[Tensor]:
        """The layers `z` and mean-field probabilities of the ones above them."""
        z = list(z)
        for layer in range(len(z), self.count):
            z.append(self.logits(layer, z).sigmoid())
        return z

    def log_joint(self, z: Sequence[Tensor]) -> Tensor:
        """Log p(x, z), ``(batch,)``."""
        return self.model.log_joint(self.x, torch.cat(list(z), dim=-1))

    def log_q(self, z: Sequence[Tensor]) -> Tensor:
        """Log q(z | x), ``(batch,)``."""
        return self.q.log_prob(torch.cat(list(z), dim=-1))

    def signal(self, layer: int, z: Sequence[Tensor]) -> Tensor:
        """The terms of log p(x, z) - log q(z | x) that depend on `layer` or those above it.

        ``(batch,)`` nats. The other terms are the same for all draws of the layer and have no
        part in its gradient (Mnih and Gregor 2014, Sec. 2.3.2): only layer 0 decodes x.
        """
        whole = torch.cat(list(z), dim=-1)
        log_ps = self.prior.log_prob_layers(whole)[max(layer - 1, 0) :]
        if layer == 0:
            log_ps.append(self.model.likelihood(whole).log_prob(self.x))
        log_qs = self.q.log_prob_layers(whole)[layer:]
        return torch.stack(log_ps).sum(0) - torch.stack(log_qs).sum(0)


class LayerEstimator(GradientEstimator):
    """Estimators for a sigmoid belief network that look at its layers of bits one by one."""

    latent_kinds: ClassVar[tuple[str, ...]] = ("bernoulli",)

    def __init__(self, model: LatentVariableModel) -> None:
        super().__init__(model)
        if not isinstance(model, SBN):
            raise ValueError(
                f"{type(self).__name__} needs a sigmoid belief network, whose recognition goes "
                f"layer by layer; got {type(model).__name__}."
            )
        if not model.factorial_recognition:
            raise ValueError(
                f"{type(self).__name__} needs bits that are independent within a layer of "
                f"q(z | x); here they are linked (recognition = 'autoregressive'). Use one of "
                f"{', '.join(map(repr, ANY_BITS))}."
            )

    @staticmethod
    def surrogate(logits: Sequence[Tensor], gradients: Sequence[Tensor]) -> Tensor:
        """A scalar whose gradient in the mean over the batch is `gradients` in `logits`."""
        pairs = zip(logits, gradients, strict=True)
        return torch.stack([(g.detach() * a).sum(-1).mean() for a, g in pairs]).sum()
