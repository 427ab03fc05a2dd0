"""Two models of 3 x 3 pictures, so small that imputation can be checked against the truth.

Their generative weights are written down, not trained, and so are those of their recognition,
which is poor on purpose: pseudo-Gibbs follows it to a wrong law, in plain sight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from engine.models.base import LatentVariableModel
from engine.models.sbn import SBN
from engine.models.vae import VAE
from engine.nn import output_layer

SIDE = 3


class Example(NamedTuple):
    """A tiny model with a picture that has holes.

    Attributes:
        model: in evaluation mode.
        x: ``(9,)`` bits.
        observed: bool ``(9,)``.
    """

    model: LatentVariableModel
    x: Tensor
    observed: Tensor


@torch.no_grad()
def bars() -> Example:
    """A sigmoid belief network whose six bits each draw a row or a column.

    A dark pixel is explained by its row *or* by its column: seen the pixel, the two bits depend
    on each other, and no factorised q(z | x) can say so. This one looks at how much of a bar
    is there and nothing else.
    """
    model = SBN(SIDE**2, layers=(2 * SIDE,)).eval()
    rows = torch.eye(SIDE).repeat_interleave(SIDE, dim=1)
    columns = torch.eye(SIDE).repeat(1, SIDE)
    bar = torch.cat([rows, columns])  # (units, pixels)
    decoder = output_layer(model.decoder)
    recogniser = output_layer(_network(model.recognisers[0]))
    # Units are coded as -1 and 1: a pixel's logit is -3 with both its bars off, then 2, then 7.
    decoder.weight.copy_(2.5 * bar.T)
    decoder.bias.fill_(2)
    model.prior_logits.fill_(-1)
    recogniser.weight.copy_(1.5 * bar)
    recogniser.bias.fill_(-3)
    return Example(model, *_picture("11.1.0.00"))


@torch.no_grad()
def blob() -> Example:
    """A variational auto-encoder whose two latents say where a blob sits: how low, how far right.

    The four hidden units of the decoder are steps between neighbouring rows and columns. The
    encoder adds up on which side the dark pixels are and stays as unsure as the prior.
    """
    model = VAE(SIDE**2, latent_dim=2, hidden=(2 * SIDE - 2,)).eval()
    steps, pixels = _linear(model.decoder, 0), output_layer(model.decoder)
    steps.weight.copy_(torch.tensor([[4.0, 0], [4, 0], [0, 4], [0, 4]]))
    steps.bias.copy_(torch.tensor([2.0, -2, 2, -2]))
    # A line is worth 1.5 where the blob is on it and -1.5 elsewhere; a pixel is on two lines.
    line = 1.5 * torch.tensor([[-1.0, 0], [1, -1], [0, 1]])
    middle = 1.5 * torch.tensor([0.0, -1, 0])
    pixels.weight.copy_(
        torch.cat([line.repeat_interleave(SIDE, dim=0), line.repeat(SIDE, 1)], dim=1)
    )
    pixels.bias.copy_((middle[:, None] + middle).flatten() - 1)
    features, heads = _linear(model.encoder, 0), output_layer(model.encoder)
    place = torch.tensor([-1.0, 0, 1])
    sides = torch.stack([place.repeat_interleave(SIDE), place.repeat(SIDE)])
    for weights in (features.weight, features.bias, heads.weight, heads.bias):
        weights.zero_()
    features.weight[:2].copy_(sides)
    heads.weight[0, 0] = heads.weight[1, 1] = 1
    return Example(model, *_picture(".00.10.0."))


TINY: Mapping[str, Callable[[], Example]] = MappingProxyType({"bars": bars, "blob": blob})


def _picture(pixels: str) -> tuple[Tensor, Tensor]:
    """Bits and the mask of what is seen; a dot is a missing pixel."""
    x = torch.tensor([float(pixel == "1") for pixel in pixels])
    return x, torch.tensor([pixel != "." for pixel in pixels])


def _network(module: nn.Module) -> nn.Sequential:
    assert isinstance(module, nn.Sequential)
    return module


def _linear(network: nn.Sequential, index: int) -> nn.Linear:
    layer = network[index]
    assert isinstance(layer, nn.Linear)
    return layer
