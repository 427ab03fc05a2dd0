"""Randomness by explicit generators, and the same draws handed to compiled code.

torch's default generator is shared by every thread of the process, so nothing here touches it
unless a caller passes ``None``. `torch.compile` cannot trace a `torch.Generator`: a training step
is therefore run once with a `Recorder` that notes which draws it makes, and compiled with a
`Replay` that hands in draws made outside by the same generator in the same order. Compiled and
eager steps see the same random numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_DRAW = {"normal": torch.randn, "uniform": torch.rand}


def make_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator on `device`, seeded; the only place of the engine where a seed is set.

    Raises:
        ValueError: `seed` is negative or does not fit in 63 bits.
    """
    if not 0 <= seed < 2**63:
        raise ValueError(f"`seed` must be an integer from 0 to 2**63 - 1; got {seed}.")
    return torch.Generator(device=device).manual_seed(seed)


def derive_seed(seed: int, *stream: int) -> int:
    """A seed for one of several independent streams (epochs, evaluations) of one run.

    SplitMix64's finaliser (Steele et al. 2014) over the parts, so that neighbouring
    epochs of neighbouring seeds do not share a stream.
    """
    value = seed
    for part in stream:
        value = (value + 0x9E3779B97F4A7C15 * (part + 1)) & (2**64 - 1)
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
        value ^= value >> 31
    return value >> 1


class Recorder:
    """Draws from `generator` and notes the kind and shape of every draw."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator
        self.plan: list[tuple[str, tuple[int, ...]]] = []


class Replay:
    """Hands out tensors drawn beforehand, in order."""

    def __init__(self, draws: Sequence[Tensor]) -> None:
        self.draws = draws
        self.position = 0

    def take(self) -> Tensor:
        """The next draw."""
        draw = self.draws[self.position]
        self.position += 1
        return draw


Generator = torch.Generator | Recorder | Replay
"""What every sampler accepts; users pass a `torch.Generator`."""


def draw_plan(
    plan: Sequence[tuple[str, tuple[int, ...]]],
    generator: torch.Generator,
    *,
    dtype: torch.dtype = torch.float32,
) -> list[Tensor]:
    """The draws that a `Recorder` noted, made again by `generator` (for a `Replay`)."""
    return [
        _DRAW[kind](shape, generator=generator, device=generator.device, dtype=dtype)
        for kind, shape in plan
    ]


def _draw(kind: str, shape: Sequence[int], generator: Generator | None, like: Tensor) -> Tensor:
    if isinstance(generator, Replay):
        return generator.take()
    if isinstance(generator, Recorder):
        generator.plan.append((kind, tuple(shape)))
        generator = generator.generator
    return _DRAW[kind](tuple(shape), generator=generator, device=like.device, dtype=like.dtype)


def normal(shape: Sequence[int], *, generator: Generator | None, like: Tensor) -> Tensor:
    """N(0, 1) draws of `shape`, with the device and dtype of `like`."""
    return _draw("normal", shape, generator, like)


def uniform(shape: Sequence[int], *, generator: Generator | None, like: Tensor) -> Tensor:
    """Uniform draws from [0, 1) of `shape`, with the device and dtype of `like`."""
    return _draw("uniform", shape, generator, like)


def bernoulli(probs: Tensor, *, generator: Generator | None) -> Tensor:
    """Bits of the shape and dtype of `probs`; half the price of `torch.bernoulli` on a CPU."""
    return (uniform(probs.shape, generator=generator, like=probs) < probs).to(probs.dtype)
