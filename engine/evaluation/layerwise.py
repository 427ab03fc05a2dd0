"""Gradients of many draws of a network of linear layers at once.

`torch.func.vmap` maps one minibatch after another through small matrix products. A network whose
parameters are those of linear layers needs no map: all draws go through it as one large batch, and
the gradient of draw d in the weights of a layer is the product of what went in and of what came
back (`engine.evaluation.products`). Only this last product is made draw by draw, by who uses it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.estimators import GradientEstimator
from engine.evaluation.products import Block, Product
from engine.models.base import LatentVariableModel
from engine.random import Recorder, Replay, draw_plan, make_generator

__all__ = ["Layerwise", "Objective"]

_PRIOR = "prior_logits"
_REMEMBERED = 2
"""Products of a layer that are kept within a call, as estimators ask for some of them again."""

Call = tuple[nn.Linear, Tensor, Tensor]
"""A layer, what went in, and a tensor whose gradient is that of what came out."""


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

    Estimators treat the items of a minibatch apart from each other (their running statistics are
    fixed in evaluation mode), so that the loss of the large batch is the mean of those of its
    draws.

    Args:
        model: of linear layers, see `suits`; frozen and in evaluation mode; not changed.
        estimator: the same.
        x: the minibatch, ``(batch, data)``.
        parts: part of the model to the names of its parameters.
        shorten: layers that no noise reaches (the first ones of the recognition) see the same in
            every draw, so that all of their gradients lie in the span of ``batch`` rows. Then
            these are given in an orthonormal basis of that span, of ``batch`` in place of
            ``in + 1`` directions: lengths, angles and so all moments are the same. Not where a
            layer sees dreams.

    Attributes:
        widest: numbers in the largest output of a layer, for one draw.
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
        self.kind = next(model.parameters()).dtype
        self.draws, self.widest = 1, 0
        self.calls: list[Call] = []
        self.shapes: list[torch.Size] = []  # of the probes of one draw
        self.probes: list[Tensor] | None = None
        self.results: dict[nn.Linear, list[tuple[Tensor, Tensor]]] = {}
        self.steady: set[nn.Linear] = set()
        self.linear = {
            name: module
            for name, module in self.objective.model.named_modules()
            if isinstance(module, nn.Linear)
        }
        for layer in self.linear.values():
            layer.forward = partial(self._forward, layer)  # type: ignore[method-assign]
        self.plan, self.axes = self._plan_of(x)
        widest = self.widest
        steady = self._untouched()
        self.widest = widest
        self.steady = set(steady)
        self.bases = {
            layer: _basis(rows, layer.bias is not None)
            for layer, rows in steady.items()
            if shorten and len(rows) <= rows.shape[1]
        }

    @staticmethod
    def suits(model: LatentVariableModel) -> bool:
        """Whether the gradients of `model` are found this way: its weights are of linear layers."""
        own = {
            f"{path}.{name}" if path else name
            for path, module in model.named_modules()
            if type(module) is nn.Linear
            for name, _ in module.named_parameters(recurse=False)
        }
        return all(name in own or name == _PRIOR for name, _ in model.named_parameters())

    def _plan_of(self, x: Tensor) -> tuple[list[tuple[str, tuple[int, ...]]], list[int]]:
        """The draws of one call, and which axis of each is the batch."""
        plans = []
        for items in (torch.cat([x, x[:1]]), x):
            self.shapes, self.results, self.widest = [], {}, 0
            recorder = Recorder(make_generator(0, x.device))
            with torch.no_grad():
                self.objective(items, recorder)
            plans.append(recorder.plan)
        axes = []
        for (_, one), (_, two) in zip(*plans, strict=True):
            axes.append(next(i for i, (a, b) in enumerate(zip(one, two, strict=True)) if a != b))
        return plans[1], axes

    def _untouched(self) -> dict[nn.Linear, Tensor]:
        """The layers that no noise reaches, to what they see of the minibatch ``(batch, in)``."""
        ends: list[list[Tensor]] = []
        for sign in (-1.0, 1.0):  # no bit and no normal draw is the same under both
            spread = {"normal": sign, "uniform": (1 + sign) / 2 * (1 - torch.finfo(self.kind).eps)}
            options = {"dtype": self.kind, "device": self.x.device}
            ends.append([torch.full(shape, spread[kind], **options) for kind, shape in self.plan])  # type: ignore[call-overload]
        pairs = zip(*ends, self.axes, strict=True)
        calls, _ = self._run(2, [torch.cat([a, b], dim=axis) for a, b, axis in pairs])
        rows = len(self.x)
        found: dict[nn.Linear, Tensor] = {}
        for layer, fed, _ in calls:
            same = fed.shape[0] == 2 * rows and _agree(fed[:rows], fed[rows:])
            if not same or (layer in found and not _agree(found[layer], fed[:rows])):
                found[layer] = fed.new_zeros(0)
            elif layer not in found:
                found[layer] = fed[:rows].clone()
        return {layer: fed for layer, fed in found.items() if fed.ndim == 2}

    def _forward(self, layer: nn.Linear, fed: Tensor) -> Tensor:
        """The output of a layer; a call that the loss may depend on is remembered."""
        if torch._C._functorch.is_functorch_wrapped_tensor(fed):
            return self._inside(layer, fed)
        output = self._product(layer, fed)
        self.widest = max(self.widest, output.numel())
        if torch.is_grad_enabled():
            if not output.requires_grad:
                output = output.detach().requires_grad_()
            self.calls.append((layer, fed.detach(), output))
        return output

    def _inside(self, layer: nn.Linear, fed: Tensor) -> Tensor:
        """The same within a derivative that an estimator takes (`torch.func`).

        Bits have no use for more than the derivative itself. For Gaussian latents what comes out
        with it may be differentiated in the parameters: a probe of zeros, added to the output,
        has the gradient at the output.
        """
        output = F.linear(fed, layer.weight, layer.bias)
        self.widest = max(self.widest, output.numel())
        if self.objective.model.latent_kind == "bernoulli":
            return output
        value = fed
        while torch._C._functorch.is_functorch_wrapped_tensor(value):
            if torch._C._functorch.is_batchedtensor(value):
                return output  # many directions at once: no values
            value = torch._C._functorch.get_unwrapped(value)
        if self.probes is None:  # of what shapes are they to be?
            self.shapes.append(output.shape)
            return output
        probe = self.probes.pop(0)
        self.calls.append((layer, value.detach(), probe))
        return output + probe

    def _product(self, layer: nn.Linear, fed: Tensor) -> Tensor:
        if fed.requires_grad:
            return F.linear(fed, layer.weight, layer.bias)
        before = self.results.setdefault(layer, [])
        for seen, output in before:
            if seen.shape == fed.shape and torch.equal(seen, fed):
                return output
        rows = len(self.x)
        if layer in self.steady and fed.shape[0] == self.draws * rows:
            output = F.linear(fed[:rows], layer.weight, layer.bias).repeat(self.draws, 1)
        else:
            output = F.linear(fed, layer.weight, layer.bias)
        before.append((fed, output.detach()))
        del before[:-_REMEMBERED]
        return output

    def _run(self, draws: int, noise: Sequence[Tensor]) -> tuple[list[Call], Tensor | None]:
        """All calls of layers with the gradients at their outputs; that of the prior, if any."""
        self.draws = draws
        prior: Tensor | None = None
        if _PRIOR in dict(self.objective.model.named_parameters(recurse=False)):
            logits = self.objective.model.get_parameter(_PRIOR).detach()
            prior = logits.expand(draws * len(self.x), -1).clone().requires_grad_()
        rows = draws * len(self.x)
        self.probes = [
            self.x.new_zeros(*shape[:-2], rows, shape[-1]).requires_grad_() for shape in self.shapes
        ]
        self.calls = []
        with torch.enable_grad():
            loss = self._loss(draws, noise, prior)
            points = [point for _, _, point in self.calls]
            slopes: Sequence[Tensor | None] = torch.autograd.grad(
                -draws * loss, points if prior is None else [*points, prior], allow_unused=True
            )
        calls = [
            (layer, fed, slope)
            for (layer, fed, _), slope in zip(self.calls, slopes, strict=False)
            if slope is not None
        ]
        self.calls, self.results = [], {}
        if prior is None:
            return calls, None
        return calls, torch.zeros_like(prior) if slopes[-1] is None else slopes[-1]

    def _loss(self, draws: int, noise: Sequence[Tensor], prior: Tensor | None) -> Tensor:
        self.results = {}
        given = {} if prior is None else {f"model.{_PRIOR}": prior}
        arguments = (self.x.repeat(draws, 1), Replay(noise))
        loss: Tensor = torch.func.functional_call(self.objective, given, arguments)
        return loss

    def draw(self, draws: int, generator: torch.Generator) -> dict[str, list[Block]]:
        """Part to the gradients of `draws` calls."""
        each = [draw_plan(self.plan, generator, dtype=self.kind) for _ in range(draws)]
        pairs = zip(zip(*each, strict=True), self.axes, strict=True)
        calls, prior = self._run(draws, [torch.cat(same, dim=axis) for same, axis in pairs])
        found: dict[str, list[Block]] = {}
        if prior is not None:
            found[_PRIOR] = [prior.reshape(draws, len(self.x), -1).sum(1)]
        for name, layer in self.linear.items():
            own = [(fed, back) for one, fed, back in calls if one is layer]
            basis = self.bases.get(layer)
            if basis is not None:
                found[f"{name}.weight"], found[f"{name}.bias"] = [self._short(own, basis)], []
                continue
            if not own:
                own = [
                    (self._blank(draws, layer.in_features), self._blank(draws, layer.out_features))
                ]
            back = self._rows((one for _, one in own), draws)
            found[f"{name}.weight"] = [Product(back, self._rows((one for one, _ in own), draws))]
            found[f"{name}.bias"] = [back.sum(1)]
        return {
            part: [b for name in names for b in found[name]] for part, names in self.parts.items()
        }

    def _blank(self, draws: int, width: int) -> Tensor:
        return self.x.new_zeros(draws, width)

    def _short(self, own: Sequence[tuple[Tensor, Tensor]], basis: Tensor) -> Product:
        """The gradients in a layer that sees the same in every draw, in its short basis."""
        back = torch.stack([one.reshape(self.draws, len(self.x), -1) for _, one in own]).sum(0)
        return Product(back, basis[None])

    def _rows(self, values: Iterable[Tensor], draws: int) -> Tensor:
        """``(*sample, draws * batch, width)`` each as ``(draws, rows, width)``, all samples."""
        found = []
        for one in values:
            apart = one.reshape(-1, draws, one.shape[-2] // draws, one.shape[-1])
            found.append(apart.movedim(0, 1).flatten(1, 2))
        return found[0] if len(found) == 1 else torch.cat(found, dim=1)


def _agree(one: Tensor, other: Tensor) -> bool:
    """Equal up to rounding: a function of a row may differ with the row's place in the batch."""
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-5, atol=1e-6)


def _basis(rows: Tensor, bias: bool) -> Tensor:
    """``(batch, rank)``: rows, with a one for the bias, in an orthonormal basis of their span."""
    wide = torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1) if bias else rows
    return torch.linalg.qr(wide.T.double()).R.T.to(rows.dtype)
