"""From images to codes and from codes to images, for one layer of latents: tensors in, tensors out.

The models are shared by all visitors: nothing here changes them, and every draw has its own
generator.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.random import make_generator

if TYPE_CHECKING:
    from engine.models import LatentVariableModel

__all__ = [
    "decode",
    "direction_effects",
    "effects",
    "encode",
    "layer_slice",
    "mean_changes",
    "prior_code",
    "prior_images",
]

CHUNK = 2000  # images or codes at a time: 6 MB of pixels
DRAWS = 24  # of the layers below a layer of bits, whose images are averaged
EFFECT_CODES = 12  # prior draws over which the effect of a latent is averaged
EFFECT_LATENTS = 50  # at a time: linked pixels are slow one by one


def layer_slice(layer_sizes: Sequence[int], layer: int) -> slice:
    """Where the latents of a layer (0 is the one next to the image) lie on the last axis.

    Raises:
        ValueError: there is no such layer.
    """
    if not 0 <= layer < len(layer_sizes):
        raise ValueError(f"`layer` must be from 0 to {len(layer_sizes) - 1}; got {layer}.")
    start = sum(layer_sizes[:layer])
    return slice(start, start + layer_sizes[layer])


@torch.inference_mode()
def encode(model: LatentVariableModel, x: Tensor) -> Tensor:
    """E[z | x] under the recognition model, `(n, latent)`, for x `(n, data)`."""
    return torch.cat([model.recognition(piece).mean for piece in x.split(CHUNK)])


@torch.inference_mode()
def decode(model: LatentVariableModel, z: Tensor, *, layer: int = 0, seed: int = 0) -> Tensor:
    """E[x | the layers from `layer` up], `(n, data)` in [0, 1], for codes z `(n, latent)`.

    Gaussian layers below `layer` are taken as `z` has them: their noise is part of the code. Layers
    of bits below it depend on those above, so they are drawn `DRAWS` times and the images averaged.
    """
    if model.latent_kind == "gaussian" or layer == 0:
        pieces = [model.likelihood(piece).mean for piece in z.split(CHUNK)]
        return torch.cat(pieces).clamp(0, 1)
    keep = [index >= layer for index in range(len(model.layer_sizes))]
    generator, means = make_generator(seed), []
    for piece in z.split(max(1, CHUNK // DRAWS)):
        many = piece.repeat(DRAWS, 1)
        drawn = model.resample(many, keep, generator=generator)
        means.append(model.likelihood(drawn).mean.unflatten(0, (DRAWS, len(piece))).mean(0))
    return torch.cat(means)


@torch.inference_mode()
def prior_code(model: LatentVariableModel, seed: int) -> Tensor:
    """One draw of p(z), `(latent,)`."""
    return model.prior().sample((1,), generator=make_generator(seed))[0]


@torch.inference_mode()
def prior_images(model: LatentVariableModel, count: int, seed: int, *, pixels: bool) -> Tensor:
    """Images from the prior, `(count, data)` in [0, 1]: means of p(x | z), or drawn pixels."""
    generator = make_generator(seed)
    z = model.prior().sample((count,), generator=generator)
    likelihood = model.likelihood(z)
    drawn = likelihood.sample(generator=generator) if pixels else likelihood.mean
    return drawn.clamp(0, 1)


@torch.inference_mode()
def effects(model: LatentVariableModel, layer: int, *, seed: int = 0) -> Tensor:
    """How far each latent of a layer moves the image, `(latents of the layer,)`, non-negative.

    The root mean square, over pixels and codes drawn from the prior, of its `_changes`.
    """
    parts = _changes(model, layer, seed)
    return torch.cat([part.square().mean((1, 2)).sqrt() for part in parts])


@torch.inference_mode()
def mean_changes(model: LatentVariableModel, layer: int, *, seed: int = 0) -> Tensor:
    """What each latent of a layer does to the image on average, `(latents of the layer, data)`.

    The mean, over codes drawn from the prior, of its `_changes`.
    """
    return torch.cat([part.mean(1) for part in _changes(model, layer, seed)])


def _changes(model: LatentVariableModel, layer: int, seed: int) -> Iterator[Tensor]:
    """The change of E[x | z] when one latent goes from -1 to +1 (a bit: from 0 to 1).

    At `EFFECT_CODES` codes drawn from the prior, whose other latents stay. The layers below are
    drawn once and held, except where bits depend on the layer: then averaged.

    Yields:
        `(latents, EFFECT_CODES, data)` of some latents of the layer after the other.
    """
    where = layer_slice(model.layer_sizes, layer)
    low, high = (0.0, 1.0) if model.latent_kind == "bernoulli" else (-1.0, 1.0)
    codes = model.prior().sample((EFFECT_CODES,), generator=make_generator(seed))
    for latents in torch.arange(where.start, where.stop).split(EFFECT_LATENTS):
        ends = []
        for value in (low, high):
            set_to = codes.repeat(len(latents), 1, 1)
            set_to[torch.arange(len(latents)), :, latents] = value
            # The same seed at both ends: what differs is then the latent's doing alone.
            ends.append(decode(model, set_to.flatten(0, 1), layer=layer, seed=seed))
        yield (ends[1] - ends[0]).unflatten(0, (len(latents), EFFECT_CODES))


@torch.inference_mode()
def direction_effects(model: LatentVariableModel, ways: Tensor, *, seed: int = 0) -> Tensor:
    """How far a step along each way moves the image, `(ways,)`: as `effects`, from -1 to +1 of it.

    Args:
        model: with Gaussian latents.
        ways: `(ways, latent)`, each the change of the code for a step of one.
        seed: of the codes that the ways pass through.
    """
    codes = model.prior().sample((EFFECT_CODES,), generator=make_generator(seed))
    found = [
        (decode(model, codes + way) - decode(model, codes - way)).square().mean().sqrt()
        for way in ways
    ]
    return torch.stack(found)
