"""Gradients of many draws of a sigmoid belief network at once, layer by layer.

`torch.func.vmap` maps one minibatch after another through small matrix products. A network of
linear layers needs no map: all draws go through it as one large batch, and the gradient of draw d
in the weights of a layer is the product of what went in, A_d, and of what came back, D_d:

.. math:: G_d = D_d^\\top A_d, \\qquad A_d (rows, in), \\quad D_d (rows, out).

Only this last product is made draw by draw.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engine.estimators import GradientEstimator
from engine.models.base import LatentVariableModel
from engine.models.sbn import SBN
from engine.random import Recorder, Replay, draw_plan, make_generator

__all__ = ["Layerwise", "Objective"]

_PRIOR = "prior_logits"


class Objective(nn.Module):
    """Model and estimator as one module, for `functional_call`."""

    def __init__(self, model: LatentVariableModel, estimator: GradientEstimator) -> None:
        super().__init__()
        self.model, self.estimator = model, estimator

    def forward(self, x: Tensor, generator: Recorder | Replay) -> Tensor:
        """The loss on the minibatch `x`."""
        loss: Tensor = self.estimator(self.model, x, generator=generator).loss
        return loss


class Layerwise:
    """-grad loss of an estimator on one minibatch, for chunks of draws.

    Estimators of a belief network treat the items of a minibatch apart from each other (their
    running statistics are fixed in evaluation mode), so that the loss of the large batch is the
    mean of those of its draws.

    Args:
        model: a belief network, frozen and in evaluation mode; not changed.
        estimator: the same.
        x: the minibatch, ``(batch, data)``.
        parts: part of the model to the names of its parameters.
        shorten: the first layer of the recognition sees the same x in every draw, so that all
            of its gradients lie in the span of the items. Then these are given in an orthonormal
            basis of that span, of ``batch`` in place of ``data + 1`` directions: lengths, angles
            and so all moments are the same. Not where the layer sees dreams.
    """

    def __init__(
        self,
        model: LatentVariableModel,
        estimator: GradientEstimator,
        x: Tensor,
        parts: dict[str, list[str]],
        *,
        shorten: bool = False,
    ) -> None:
        self.x, self.parts = x, parts
        self.objective = copy.deepcopy(Objective(model, estimator)).requires_grad_(False).eval()
        self.plan, self.axes = self._plan_of(x)
        self.calls: list[tuple[nn.Linear, Tensor, Tensor]] = []
        self.linear: dict[str, nn.Linear] = {}
        for name, module in self.objective.model.named_modules():
            if isinstance(module, nn.Linear):
                self.linear[name] = module
                module.register_forward_hook(self._note)
        first = next(name for name in self.linear if name.startswith("recognisers.0."))
        self.first = self.linear[first]
        self.basis = self._short_basis() if shorten else None

    @staticmethod
    def suits(model: LatentVariableModel) -> bool:
        """Whether the gradients of `model` are found this way: it is a belief network."""
        return type(model) is SBN

    def _plan_of(self, x: Tensor) -> tuple[list[tuple[str, tuple[int, ...]]], list[int]]:
        """The draws of one call, and which axis of each is the batch."""
        plans = []
        for items in (x, torch.cat([x, x])):
            recorder = Recorder(make_generator(0, x.device))
            with torch.no_grad():
                self.objective(items, recorder)
            plans.append(recorder.plan)
        axes = []
        for (_, one), (_, two) in zip(*plans, strict=True):
            axes.append(next(i for i, (a, b) in enumerate(zip(one, two, strict=True)) if a != b))
        return plans[0], axes

    def _note(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Remember a call whose output the loss may depend on."""
        # Derivatives inside an estimator (`torch.func`) are its own affair: their values come
        # back as numbers without a gradient.
        if not torch.is_grad_enabled() or torch._C._functorch.is_functorch_wrapped_tensor(output):
            return
        assert isinstance(module, nn.Linear)
        if not output.requires_grad:
            output.requires_grad_()
        self.calls.append((module, inputs[0].detach(), output))

    def _short_basis(self) -> Tensor | None:
        """``(batch, rank)``: the items and a one for the bias in an orthonormal basis."""
        if len(self.x) > self.x.shape[1]:
            return None
        generator = make_generator(0, self.x.device)
        for module, inputs, _ in self._run(1, generator)[0]:
            if module is self.first and not torch.equal(inputs, self._seen()):
                return None  # dreams
        wide = torch.cat([self._seen(), self.x.new_ones(len(self.x), 1)], dim=1)
        return torch.linalg.qr(wide.T.double()).R.T.to(self.x.dtype)

    def _seen(self) -> Tensor:
        return self.objective.model.centre(self.x)

    def _run(
        self, draws: int, generator: torch.Generator
    ) -> tuple[list[tuple[nn.Linear, Tensor, Tensor]], Tensor]:
        """All calls of linear layers with the gradients at their outputs; that of the prior."""
        kind = self.first.weight.dtype
        each = [draw_plan(self.plan, generator, dtype=kind) for _ in range(draws)]
        pairs = zip(zip(*each, strict=True), self.axes, strict=True)
        noise = [torch.cat(same, dim=axis) for same, axis in pairs]
        model = self.objective.model
        logits = model.get_parameter(_PRIOR).detach()
        prior = logits.expand(draws * len(self.x), -1).clone().requires_grad_()
        self.calls = []
        with torch.enable_grad():
            loss: Tensor = torch.func.functional_call(
                self.objective,
                {f"model.{_PRIOR}": prior},
                (self.x.repeat(draws, 1), Replay(noise)),
            )
            points = [prior, *(output for _, _, output in self.calls)]
            slopes: Sequence[Tensor | None] = torch.autograd.grad(
                -draws * loss, points, allow_unused=True
            )
        calls = [
            (module, inputs, slope)
            for (module, inputs, _), slope in zip(self.calls, slopes[1:], strict=True)
            if slope is not None
        ]
        self.calls = []
        return calls, torch.zeros_like(prior) if slopes[0] is None else slopes[0]

    def draw(self, draws: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Part to the gradients of `draws` calls, ``(draws, size)``."""
        calls, prior = self._run(draws, generator)
        found: dict[str, list[Tensor]] = {_PRIOR: [prior.reshape(draws, len(self.x), -1).sum(1)]}
        for name, layer in self.linear.items():
            own = [(a, d) for module, a, d in calls if module is layer]
            if layer is self.first and self.basis is not None:
                found[f"{name}.weight"], found[f"{name}.bias"] = [self._short(own, draws)], []
                continue
            weight = self.x.new_zeros(draws, layer.out_features, layer.in_features)
            bias = self.x.new_zeros(draws, layer.out_features)
            for inputs, slopes in own:
                for a, d in zip(self._rows(inputs, draws), self._rows(slopes, draws), strict=True):
                    weight.baddbmm_(d.transpose(1, 2), a)
                    bias += d.sum(1)
            found[f"{name}.weight"], found[f"{name}.bias"] = [weight.flatten(1)], [bias]
        return {
            part: _joined([block for name in names for block in found[name]])
            for part, names in self.parts.items()
        }

    def _short(self, own: Sequence[tuple[Tensor, Tensor]], draws: int) -> Tensor:
        """The gradients in the first layer, in the short basis, ``(draws, size)``."""
        assert self.basis is not None
        slopes = self.x.new_zeros(draws, len(self.x), self.first.out_features)
        for _, one in own:
            for rows in self._rows(one, draws):
                slopes += rows
        return (slopes.transpose(1, 2) @ self.basis).flatten(1)

    def _rows(self, values: Tensor, draws: int) -> Sequence[Tensor]:
        """``(*sample, draws * batch, width)`` as a ``(draws, batch, width)`` for each sample."""
        return values.reshape(-1, draws, len(self.x), values.shape[-1]).unbind()


def _joined(blocks: Sequence[Tensor]) -> Tensor:
    return blocks[0] if len(blocks) == 1 else torch.cat(list(blocks), dim=1)
