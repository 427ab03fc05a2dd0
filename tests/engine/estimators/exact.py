"""Exact expectations of gradients: every value of the noise, weighted by its probability."""

from __future__ import annotations

import copy
import itertools
import math

import numpy as np
import torch
from torch import Tensor, nn

from engine.estimators import GradientEstimator
from engine.models import LatentVariableModel, build_model
from engine.random import Recorder, Replay, make_generator

Gradients = dict[str, Tensor]


def tiny(name: str, seed: int = 0, **config: object) -> LatentVariableModel:
    """A model of 4 pixels in double precision whose weights are far from zero."""
    model = build_model(name, data_dim=4, **config)
    model.reset_parameters(make_generator(seed))
    generator = make_generator(seed + 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.4 * torch.randn(parameter.shape, generator=generator))
        model.data_mean.copy_(torch.rand(4, generator=generator))
    return model.double().eval()


def bits(batch: int, data_dim: int = 4, seed: int = 5) -> Tensor:
    """A minibatch of random bits in double precision."""
    return torch.rand(batch, data_dim, generator=make_generator(seed)).round().double()


class _Loss(nn.Module):
    def __init__(self, model: LatentVariableModel, estimator: GradientEstimator) -> None:
        super().__init__()
        self.model, self.estimator = model, estimator

    def forward(self, x: Tensor, generator: Recorder | Replay) -> Tensor:
        return self.estimator(self.model, x, generator=generator).loss


def gradients_of(
    model: LatentVariableModel, estimator: GradientEstimator, x: Tensor, noise: list[Tensor]
) -> Gradients:
    """-grad loss for each entry of `noise` (stacked along the first axis), by parameter name."""
    both = copy.deepcopy(_Loss(model, estimator))

    def loss(parameters: dict[str, Tensor], *draws: Tensor) -> Tensor:
        # Buffers are cloned: a training-mode estimator updates them in place.
        buffers = {name: value.clone() for name, value in both.named_buffers()}
        return torch.func.functional_call(both, {**parameters, **buffers}, (x, Replay(draws)))

    parameters = {f"model.{k}": v.detach() for k, v in model.named_parameters()}
    mapped = torch.func.vmap(torch.func.grad(loss), in_dims=(None, *(0 for _ in noise)))
    return {k.removeprefix("model."): -v for k, v in mapped(parameters, *noise).items()}


def all_values(width: int) -> Tensor:
    """Every vector of `width` bits, `(2 ** width, width)`."""
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=width)), dtype=torch.float64)


def bit_noise(
    model: LatentVariableModel, x: Tensor, samples: int | None = None
) -> tuple[list[Tensor], Tensor]:
    """Uniform draws that force every value of z of the whole batch, and the probability of each.

    A bit is drawn as u < p, so u = 0 gives a one and u = 1 a zero. With `samples`, every
    combination of so many draws.
    """
    shape = (len(x),) if samples is None else (samples, len(x))
    latent = sum(model.layer_sizes)
    values = all_values(math.prod(shape) * latent)
    z = values.reshape(len(values), *shape, latent)
    log_q = model.recognition(x).log_prob(z)
    weights = log_q.flatten(1).sum(-1).exp().detach()
    return [1 - layer for layer in z.split(model.layer_sizes, dim=-1)], weights


def normal_noise(dims: int, spacing: float = 0.05) -> tuple[Tensor, Tensor]:
    """A grid of N(0, I) noise of `dims` numbers, `(points, dims)`, and the probability of each.

    The trapezoidal rule converges exponentially for smooth functions under a Gaussian weight.
    """
    axis = np.arange(-9, 9 + spacing / 2, spacing)
    mass = np.exp(-0.5 * axis**2)
    mass /= mass.sum()
    grid = np.stack(np.meshgrid(*[axis] * dims, indexing="ij"), axis=-1).reshape(-1, dims)
    weights = np.prod(np.meshgrid(*[mass] * dims, indexing="ij"), axis=0).reshape(-1)
    return torch.from_numpy(grid), torch.from_numpy(weights)


def expectation(gradients: Gradients, weights: Tensor) -> Gradients:
    """The mean of each gradient under the probabilities `weights`."""
    return {name: torch.tensordot(weights, value, 1) for name, value in gradients.items()}


def exact_gradient(model: LatentVariableModel, objective: Tensor) -> Gradients:
    """The gradient of a scalar by autograd; zero where a parameter does not enter."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    found = torch.autograd.grad(objective, parameters, allow_unused=True)
    return {
        name: torch.zeros_like(p) if g is None else g
        for name, p, g in zip(names, parameters, found, strict=True)
    }


def enumerated_elbo(model: LatentVariableModel, x: Tensor) -> Tensor:
    """The mean ELBO of the batch, all values of z summed: differentiable."""
    z = all_values(sum(model.layer_sizes))[:, None].expand(-1, len(x), -1)
    log_q = model.recognition(x).log_prob(z)
    return (log_q.exp() * (model.log_joint(x, z) - log_q)).sum(0).mean()


def enumerated_bound(model: LatentVariableModel, x: Tensor, samples: int) -> Tensor:
    """The mean L_K of the batch, all values of all K draws summed: differentiable."""
    latent = sum(model.layer_sizes)
    values = all_values(samples * latent).reshape(-1, samples, 1, latent)
    z = values.expand(-1, -1, len(x), -1)
    log_q = model.recognition(x).log_prob(z)
    bound = torch.logsumexp(model.log_joint(x, z) - log_q, dim=1) - math.log(samples)
    return (log_q.sum(1).exp() * bound).sum(0).mean()


def assert_close(found: Gradients, expected: Gradients) -> None:
    """The two are the same but for the rounding of double precision."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.allclose(found[name], value, rtol=1e-9, atol=1e-11), name


def interval_noise(model: LatentVariableModel, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """Uniform draws and their weights, exact for what is linear in each of them between jumps.

    For one item. An estimator may compare the noise u of a unit with its probability p or 1 - p
    after any values of the layer below: between two such numbers the midpoint stands for all.
    """
    nodes: list[Tensor] = []
    masses: list[Tensor] = []
    for layer in range(len(model.layer_sizes)):
        if layer == 0:
            p = model.recognition(x).first_logits.sigmoid()
        else:
            below = all_values(model.layer_sizes[layer - 1])
            p = model.recognisers[layer](2 * below - 1).sigmoid()
        for unit in p.detach().unbind(-1):
            cuts = torch.cat([unit, 1 - unit, torch.tensor([0.0, 1.0])]).sort().values
            nodes.append((cuts[1:] + cuts[:-1]) / 2)
            masses.append(cuts.diff())
    points = torch.cartesian_prod(*nodes).reshape(-1, len(nodes))
    weights = torch.cartesian_prod(*masses).reshape(-1, len(nodes)).prod(-1)
    return [part[:, None] for part in points.split(model.layer_sizes, dim=-1)], weights


def draw_noise(
    model: LatentVariableModel, estimator: GradientEstimator, x: Tensor, count: int, seed: int
) -> list[Tensor]:
    """Random noise of `count` calls of an estimator."""
    recorder = Recorder(make_generator(0))
    with torch.no_grad():
        estimator(model, x, generator=recorder)
    draw = {"uniform": torch.rand, "normal": torch.randn}
    generator = make_generator(seed)
    return [
        draw[kind]((count, *shape), generator=generator, dtype=x.dtype)
        for kind, shape in recorder.plan
    ]


def measured(
    model: LatentVariableModel,
    estimator: GradientEstimator,
    x: Tensor,
    draws: int = 100_000,
    chunk: int = 10_000,
) -> tuple[Gradients, Gradients]:
    """Mean and standard error of `draws` gradients, by parameter name."""
    sums: Gradients = {}
    squares: Gradients = {}
    for seed in range(draws // chunk):
        noise = draw_noise(model, estimator, x, chunk, 100 + seed)
        for name, value in gradients_of(model, estimator, x, noise).items():
            sums[name] = sums.get(name, torch.zeros(())) + value.sum(0)
            squares[name] = squares.get(name, torch.zeros(())) + value.square().sum(0)
    means = {name: value / draws for name, value in sums.items()}
    errors = {
        name: ((value / draws - means[name].square()).clamp(min=0) / draws).sqrt()
        for name, value in squares.items()
    }
    return means, errors
