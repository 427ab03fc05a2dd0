"""What the browser draws, drawn again here: for the files and the code that a view offers.

The random numbers are those of dashboard/frontend/random.js, the steps those of model.js,
code_view.js and layer_draws.js, and the weights are rounded to 16 bits as the browser gets them.
The arithmetic is in 64 bits: the browser's sums are, and a bit then falls the same way.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray

from engine.autoregressive import AutoregressiveBernoulli

if TYPE_CHECKING:
    from engine.distributions import Distribution
    from engine.models import SBN, LatentVariableModel

__all__ = [
    "BELOW_DRAWS",
    "BrowserRandom",
    "as_in_browser",
    "drawn_below",
    "layer_image",
    "layer_state",
    "resample",
    "tick_random",
    "view_image",
]

BELOW_DRAWS, _BELOW_SEED = 24, 1  # code_view.js
_PIXELS = 0x5BD1E995  # layer_draws.js
_MASK = 0xFFFFFFFF

Code = NDArray[np.float32]


class BrowserRandom:
    """Random of random.js: the same numbers for the same seed.

    Args:
        seed: its lowest 32 bits count.
    """

    def __init__(self, seed: int) -> None:
        self.state = seed & _MASK
        self.spare: float | None = None

    def uniform(self) -> float:
        """Uniform in [0, 1): mulberry32."""
        self.state = (self.state + 0x6D2B79F5) & _MASK
        t = self.state
        t = ((t ^ (t >> 15)) * (t | 1)) & _MASK
        t ^= (t + (((t ^ (t >> 7)) * (t | 61)) & _MASK)) & _MASK
        return (t ^ (t >> 14)) / 4294967296

    def normal(self) -> float:
        """Standard normal, by Box and Muller."""
        if self.spare is not None:
            kept, self.spare = self.spare, None
            return kept
        radius = math.sqrt(-2 * math.log(1 - self.uniform()))
        angle = 2 * math.pi * self.uniform()
        self.spare = radius * math.sin(angle)
        return radius * math.cos(angle)


def tick_random(seed: int, tick: int) -> BrowserRandom:
    """The random numbers of one tick, as tickRandom of layer_draws.js has them."""
    h = (((seed ^ 0x9E3779B9) * 0x85EBCA6B) ^ ((tick + 1) * 0xC2B2AE35)) & _MASK
    h = ((h ^ (h >> 16)) * 0x7FEB352D) & _MASK
    h = ((h ^ (h >> 15)) * 0x846CA68B) & _MASK
    return BrowserRandom(h ^ (h >> 16))


def as_in_browser(model: LatentVariableModel) -> LatentVariableModel:
    """A copy with the weights as weights.py sends them: 16 bits, but for the prior's logits."""
    rounded = copy.deepcopy(model)
    for name, tensor in rounded.state_dict().items():
        if name not in ("data_mean", "prior_logits"):
            tensor.copy_(tensor.half())
    return rounded.double().eval().requires_grad_(False)


@torch.inference_mode()
def resample(
    model: LatentVariableModel, z: Code, keep: Sequence[bool], random: BrowserRandom
) -> Code:
    """Model.resample of model.js: z `(latent,)` with the layers that are not kept drawn again."""
    starts = np.cumsum([0, *model.layer_sizes])
    fresh = z.astype(np.float32)
    for layer in reversed(range(len(model.layer_sizes))):
        if keep[layer]:
            continue
        start, size = starts[layer], model.layer_sizes[layer]
        if model.latent_kind == "gaussian":
            fresh[start : start + size] = [random.normal() for _ in range(size)]
            continue
        last = layer == len(model.layer_sizes) - 1
        above = None if last else torch.from_numpy(fresh[starts[layer + 1] : starts[layer + 2]])
        given = None if above is None else above.double()
        prior = cast("SBN", model).layer_prior(layer, given)
        fresh[start : start + size] = _draw(prior, random)
    return fresh


def _draw(bits: Distribution, random: BrowserRandom) -> Code:
    """Bits.draw of bits.js, `(bits,)`: bit after bit where they are linked."""
    if not isinstance(bits, AutoregressiveBernoulli):
        # The browser keeps 32 bits of a probability.
        return np.array([random.uniform() < p for p in bits.mean.float().tolist()], np.float32)
    logits, links = bits.logits_at_zero.numpy(), bits.links.numpy()
    drawn = np.zeros(len(logits), dtype=np.float32)
    for unit in range(len(drawn)):
        field = logits[unit] + links[unit, :unit] @ drawn[:unit]
        probability = np.float32(0.5 + 0.5 * math.tanh(0.5 * field))  # without overflow
        drawn[unit] = random.uniform() < float(probability)
    return drawn


def drawn_below(model: LatentVariableModel, z: Code, layer: int, draws: int) -> NDArray[np.float32]:
    """The codes whose images CodeView averages, `(n, latent)`: one, where nothing is drawn below.

    Args:
        model: from `as_in_browser`.
        z: `(latent,)`.
        layer: from which on `z` counts.
        draws: of layers of bits below it.
    """
    if model.latent_kind == "gaussian" or layer == 0:
        return z[None]
    random = BrowserRandom(_BELOW_SEED)
    keep = [index >= layer for index in range(len(model.layer_sizes))]
    return np.stack([resample(model, z, keep, random) for _ in range(draws)])


@torch.inference_mode()
def view_image(model: LatentVariableModel, z: Code, layer: int, draws: int) -> NDArray[np.float64]:
    """The image of the sampler, `(data,)` in [0, 1]; arguments as `drawn_below`."""
    codes = torch.from_numpy(drawn_below(model, z, layer, draws)).double()
    return model.likelihood(codes).mean.mean(0).clamp(0, 1).numpy()


def layer_state(
    model: LatentVariableModel, seed: int, step: int, locks: Sequence[tuple[int, int]]
) -> Code:
    """LayerDraws.at of layer_draws.js: the state at a tick, `(latent,)`.

    Args:
        model: from `as_in_browser`.
        seed: of the draws.
        step: the tick.
        locks: pairs of a tick and the locks after it, one bit a layer, layer 1 lowest.
    """
    layers = range(len(model.layer_sizes))

    def redraw(z: Code, mask: int, tick: int) -> Code:
        keep = [bool(mask >> layer & 1) for layer in layers]
        return resample(model, z, keep, tick_random(seed, tick))

    z = redraw(np.zeros(sum(model.layer_sizes), dtype=np.float32), 0, 0)
    drawn = mask = 0
    for tick, following in locks:
        if tick >= step:
            break
        if tick > drawn:
            z, drawn = redraw(z, mask, tick), tick
        mask = following
    return redraw(z, mask, step) if step > drawn else z


@torch.inference_mode()
def layer_image(
    model: LatentVariableModel, z: Code, seed: int, tick: int, *, pixels: bool
) -> NDArray[np.float64]:
    """LayerDraws.image of layer_draws.js, `(data,)`: means, or pixels drawn at a tick."""
    likelihood = model.likelihood(torch.from_numpy(z).double())
    if not pixels:
        return likelihood.mean.clamp(0, 1).numpy()
    return _draw(likelihood, tick_random(seed ^ _PIXELS, tick)).astype(np.float64)
