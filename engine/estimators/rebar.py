"""REBAR and RELAX: control variates from relaxed bits, tuned to the least variance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from engine.checks import check_positive, check_size
from engine.estimators.base import Estimate
from engine.estimators.derivatives import slope_and_value
from engine.estimators.layers import LayerEstimator, Layers, logistic, relaxed_posterior
from engine.models.base import LatentVariableModel
from engine.nn import initialise, mlp, output_layer
from engine.random import Generator

__all__ = ["REBAR", "RELAX"]

Relaxed = Callable[[Tensor, Tensor], Tensor]


class _Control(nn.Module):
    """c(zeta) = eta f(sigmoid(zeta / lambda)) of one layer, with learned eta and lambda."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.start = math.log(temperature)
        self.scale = nn.Parameter(torch.ones(()))
        self.log_temperature = nn.Parameter(torch.full((), self.start))

    @torch.no_grad()
    def reset(self, generator: torch.Generator | None) -> None:
        """Eta at 1, lambda at its start."""
        self.scale.fill_(1.0)
        self.log_temperature.fill_(self.start)

    def forward(self, relaxed: Relaxed, zeta: Tensor, context: Tensor) -> Tensor:
        """``(batch,)``.

        Args:
            relaxed: the learning signal of the layer's relaxed bits at a temperature.
            zeta: ``(batch, size)``; positive where the bit is one.
            context: what the layer's logits are made of, ``(batch, width)``.
        """
        temperature = self.log_temperature.exp().to(zeta.dtype)
        return self.scale * relaxed((zeta / temperature).sigmoid(), temperature)


class _NetworkControl(_Control):
    """The same with a network of the relaxed bits and their context added."""

    def __init__(self, temperature: float, width: int, size: int, hidden: int) -> None:
        super().__init__(temperature)
        self.network = mlp(width + size, (hidden,), 1)

    @torch.no_grad()
    def reset(self, generator: torch.Generator | None) -> None:
        """New weights; the output starts at zero, where it changes nothing."""
        super().reset(generator)
        initialise(self.network, generator)
        output_layer(self.network).weight.zero_()

    def forward(self, relaxed: Relaxed, zeta: Tensor, context: Tensor) -> Tensor:
        """See `_Control`."""
        soft = (zeta / self.log_temperature.exp().to(zeta.dtype)).sigmoid()
        free = self.network(torch.cat([2 * soft - 1, context], dim=-1)).to(zeta.dtype)
        return super().forward(relaxed, zeta, context) + free.squeeze(-1)


class REBAR(LayerEstimator):
    r"""REBAR (Tucker, Mnih, Maddison, Lawson and Sohl-Dickstein 2017, arXiv:1703.07370); unbiased.

    With f = log p(x, z) - log q(z | x), logits a, zeta = a + logistic noise, z = 1[zeta > 0],
    zeta' a second draw of zeta given z, and the control variate c(zeta) = eta f(sigma(zeta /
    lambda)),

    .. math:: \hat g = \bigl(f(z) - c(\zeta')\bigr) \nabla_a \log q(z)
              + \nabla_a c(\zeta) - \nabla_a c(\zeta').

    Layer by layer, given the bits drawn below (Sec. 3.3): for layer l, c relaxes z_l and passes
    it on to relaxed layers above, with the same noise for zeta and zeta' as for the bits. One
    evaluation of log p(x, z) for the bits and two with their gradients for each layer.

    Eta and lambda, one pair a layer, descend the squared estimate: in training mode the loss
    holds a term of value zero whose gradient in them is that of the sum over logits of
    g-hat squared, the mean over the batch. It does not reach the model.

    Args:
        temperature: lambda at the start.
    """

    def __init__(self, model: LatentVariableModel, *, temperature: float = 0.5) -> None:
        super().__init__(model)
        self.evaluations = 1 + 2 * len(model.layer_sizes)
        temperature = check_positive("temperature", temperature)
        self.controls = nn.ModuleList(
            self._control(model, layer, temperature) for layer in range(len(model.layer_sizes))
        )

    def _control(self, model: LatentVariableModel, layer: int, temperature: float) -> _Control:
        return _Control(temperature)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Eta and lambda at their starts; new weights for the networks."""
        for control in self.controls:
            assert isinstance(control, _Control)
            control.reset(generator)

    def forward(
        self, model: LatentVariableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``."""
        layers = Layers(model, x, generator)
        noise, second = layers.noise(generator), layers.noise(generator)
        logits, bits = layers.draw(noise)
        gradients, tuning = [], []
        with torch.no_grad():
            for layer, control in enumerate(self.controls):
                estimate = self._estimate_of(layers, layer, logits, bits, noise, second[layer])
                own = {name: value.detach() for name, value in control.named_parameters()}
                if not self.training:
                    gradients.append(estimate(own)[1])
                    continue
                slopes, gradient = torch.func.grad(estimate, has_aux=True)(own)
                gradients.append(gradient)
                tuning.append((control, slopes))
            log_q = layers.log_q(bits)
        log_joint = layers.log_joint(bits)
        loss = -log_joint.mean() - self.surrogate(logits, gradients)
        for control, slopes in tuning:
            for name, value in control.named_parameters():
                loss = loss + (slopes[name].detach() * (value - value.detach())).sum()
        return Estimate(log_joint.detach() - log_q, loss)

    def _estimate_of(
        self,
        layers: Layers,
        layer: int,
        all_logits: Sequence[Tensor],
        bits: Sequence[Tensor],
        noise: Sequence[Tensor],
        second: Tensor,
    ) -> Callable[[dict[str, Tensor]], tuple[Tensor, Tensor]]:
        """Control parameters to the mean square of the layer's estimate, and the estimate."""
        logits, bit, below = all_logits[layer].detach(), bits[layer], list(bits[:layer])
        control = self.controls[layer]
        context = 2 * below[-1] - 1 if below else layers.model.centre(layers.x)
        zeta = logits + logistic(noise[layer])
        given, given_slope = relaxed_posterior(logits, bit, second)
        score = bit - logits.sigmoid()
        signal = layers.signal(layer, bits)

        def relaxed(soft: Tensor, temperature: Tensor) -> Tensor:
            return layers.signal(layer, layers.relax_above([*below, soft], noise, temperature))

        def estimate(own: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
            def total(point: Tensor) -> tuple[Tensor, Tensor]:
                value = torch.func.functional_call(control, own, (relaxed, point, context))
                return value.sum(), value

            free_slope, _ = slope_and_value(total, zeta, again=self.training)
            bound_slope, value = slope_and_value(total, given, again=self.training)
            value = value if self.training else value.detach()
            gradient = (signal - value)[:, None] * score + free_slope - bound_slope * given_slope
            return gradient.square().sum(-1).mean(), gradient

        return estimate


class RELAX(REBAR):
    r"""RELAX (Grathwohl, Choi, Wu, Roeder and Duvenaud 2018, arXiv:1711.00123); unbiased.

    `REBAR` with a control variate that has a free part, a network r of the relaxed bits and of
    what their logits are made of (x, or the bits of the layer below):

    .. math:: c(\zeta) = \eta f(\sigma(\zeta / \lambda)) + r(\sigma(\zeta / \lambda), z_{l-1}).

    Its weights descend the squared estimate together with eta and lambda.

    Args:
        temperature: lambda at the start.
        hidden: tanh units of the network of each layer, whose output starts at zero.
    """

    def __init__(
        self, model: LatentVariableModel, *, temperature: float = 0.5, hidden: int = 100
    ) -> None:
        self.hidden = check_size("hidden", hidden)
        super().__init__(model, temperature=temperature)

    def _control(self, model: LatentVariableModel, layer: int, temperature: float) -> _Control:
        sizes = (model.data_dim, *model.layer_sizes)
        return _NetworkControl(temperature, sizes[layer], sizes[layer + 1], self.hidden)
