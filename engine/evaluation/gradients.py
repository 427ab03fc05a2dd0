"""Draws of the gradient of an estimator at a frozen model, by part of the model."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from engine.checks import check_size
from engine.estimators import GradientEstimator
from engine.evaluation.layerwise import Layerwise, Objective
from engine.evaluation.products import Block, dense
from engine.models.base import LatentVariableModel
from engine.random import Recorder, Replay, draw_plan, make_generator

__all__ = ["block_chunks", "frozen", "gradient_chunks", "layer_parameters"]

GENERATIVE = "generative"

CHUNK_FLOATS = 2**22
"""Gradients held at a time where they are mapped: 16 MB, some times that while they are made."""
CHUNK_DRAWS = 64
PASSED_FLOATS, USED_FLOATS = 2**19, 2**20
"""Numbers that come out of a linear layer at a time, and gradients written out at a time: as much
as stays in the caches of a core."""


def layer_parameters(model: LatentVariableModel) -> dict[str, list[str]]:
    """Names of the model's parameters by part: recognition layers first, then the generative part.

    Where several recognition layers share a network (DLGM), it is a part of its own,
    "recognition shared".
    """
    layers = len(model.layer_sizes)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    parts: dict[str, list[str]] = {f"recognition {i + 1}": [] for i in range(layers)}
    shared: list[str] = []
    for module in model.recognition_modules():
        if isinstance(module, nn.ModuleList) and len(module) == layers:
            for index, part in enumerate(module):
                parts[f"recognition {index + 1}"] += [names[id(p)] for p in part.parameters()]
        else:
            into = parts["recognition 1"] if layers == 1 else shared
            into += [names[id(p)] for p in module.parameters()]
    if shared:
        parts["recognition shared"] = shared
    parts[GENERATIVE] = [names[id(p)] for p in model.generative_parameters()]
    return parts


def frozen(model: LatentVariableModel) -> LatentVariableModel:
    """A copy in evaluation mode without gradients; the caller's model stays as it is."""
    return copy.deepcopy(model).eval().requires_grad_(False)


def gradient_chunks(
    model: LatentVariableModel,
    estimator: GradientEstimator,
    x: Tensor,
    *,
    draws: int,
    generator: torch.Generator,
    chunk: int | None = None,
    shorten: bool = False,
) -> Iterator[dict[str, Tensor]]:
    """Gradients of the mean objective on the minibatch `x` ``(batch, data)``, part by part.

    All draws of a chunk are made at once, of noise drawn in the order in which `draws` calls of
    the estimator would draw it: the numbers are those of a plain loop, and do not depend on the
    chunks. For models of linear layers see `layerwise`; elsewhere `torch.func.vmap` maps the
    gradient.

    Args:
        draws: how many gradients.
        generator: source of every draw.
        chunk: draws at a time; as many as fit in `CHUNK_FLOATS` or the caches if None.
        shorten: gradients may come in another orthonormal basis, the same for all draws, where
            that is faster: good for moments.

    Yields:
        Part (see `layer_parameters`) to ``(chunk, size)``.

    Raises:
        ValueError: `draws` or `chunk` is below 1, or the width of `x` is wrong.
    """
    for blocks in block_chunks(
        model, estimator, x, draws=draws, generator=generator, chunk=chunk, shorten=shorten
    ):
        yield {part: dense(found) for part, found in blocks.items()}


def block_chunks(
    model: LatentVariableModel,
    estimator: GradientEstimator,
    x: Tensor,
    *,
    draws: int,
    generator: torch.Generator,
    chunk: int | None = None,
    shorten: bool = False,
) -> Iterator[dict[str, list[Block]]]:
    """The same as `gradient_chunks`, not written out yet: part to blocks."""
    check_size("draws", draws)
    if x.ndim != 2 or x.shape[1] != model.data_dim or not len(x):
        raise ValueError(f"`x` must be (batch, {model.data_dim}); got {tuple(x.shape)}.")
    if chunk is not None:
        check_size("chunk", chunk)
    size = sum(p.numel() for p in model.parameters())
    model, estimator = frozen(model), copy.deepcopy(estimator).eval().requires_grad_(False)
    if Layerwise.suits(model):
        source = Layerwise(model, estimator, x, layer_parameters(model), shorten=shorten)
        used = chunk or min(CHUNK_DRAWS, max(2, USED_FLOATS // size))
        passed = chunk or used * max(1, min(CHUNK_DRAWS, PASSED_FLOATS // source.widest) // used)
        for start in range(0, draws, passed):
            blocks = source.draw(min(passed, draws - start), generator)
            for first in range(0, min(passed, draws - start), used):
                some = slice(first, first + used)
                yield {part: [one[some] for one in found] for part, found in blocks.items()}
        return
    chunk = chunk or max(1, min(CHUNK_DRAWS, CHUNK_FLOATS // max(size, 4 * x.numel())))
    yield from _mapped(model, estimator, x, draws=draws, generator=generator, chunk=chunk)


def _mapped(
    model: LatentVariableModel,
    estimator: GradientEstimator,
    x: Tensor,
    *,
    draws: int,
    generator: torch.Generator,
    chunk: int,
) -> Iterator[dict[str, list[Block]]]:
    """By `torch.func.vmap` over the draws."""
    objective = Objective(model, estimator)
    recorder = Recorder(make_generator(0, x.device))
    with torch.no_grad():
        objective(x, recorder)

    def loss(parameters: dict[str, Tensor], noise: list[Tensor]) -> Tensor:
        return torch.func.functional_call(objective, parameters, (x, Replay(noise)))

    gradients = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))
    parameters = {f"model.{name}": value.detach() for name, value in model.named_parameters()}
    parts = layer_parameters(model)
    kind = next(iter(parameters.values())).dtype
    for start in range(0, draws, chunk):
        count = min(chunk, draws - start)
        noise = _noise(recorder.plan, count, generator, kind)
        found = gradients(parameters, noise)
        yield {
            part: [-found[f"model.{name}"].reshape(count, -1) for name in names]
            for part, names in parts.items()
        }


def _noise(
    plan: Sequence[tuple[str, tuple[int, ...]]],
    count: int,
    generator: torch.Generator,
    dtype: torch.dtype,
) -> list[Tensor]:
    """The noise of `count` calls, each entry of `plan` stacked along a new first axis."""
    calls = [draw_plan(plan, generator, dtype=dtype) for _ in range(count)]
    return [torch.stack(same) for same in zip(*calls, strict=True)]
