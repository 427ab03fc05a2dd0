"""What many states say together about each pixel, without keeping the states."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.mcmc.kernel import State


@dataclass(frozen=True, slots=True)
class PixelMoments:
    """Mean and spread of the imputed pixels over chains and transitions.

    Taken over `State.mean`, the parameters that the missing pixels were drawn from: the same
    mean as over the draws with a smaller error, and a spread that shows where completions
    *disagree* instead of the coin toss of every single pixel. Numerically stable for long chains
    (pairwise update of Chan, Golub and LeVeque 1983).

    Attributes:
        count: chains times transitions seen.
        mean: `(batch, data)`; observed pixels are the given ones. Zeros before the first state.
        squares: summed squared deviations from `mean`, `(batch, data)`.
    """

    count: int
    mean: Tensor
    squares: Tensor

    @classmethod
    def empty(cls, state: State) -> PixelMoments:
        """No states yet, for images like those of `state`."""
        zeros = torch.zeros_like(state.mean[0])
        return cls(count=0, mean=zeros, squares=zeros)

    @torch.no_grad()
    def add(self, state: State) -> PixelMoments:
        """These moments with all chains of one more state."""
        mean = state.mean.mean(0)
        squares = (state.mean - mean).square().sum(0)
        count = self.count + state.chains
        shift = mean - self.mean
        return PixelMoments(
            count=count,
            mean=self.mean + shift * (state.chains / count),
            squares=self.squares + squares + shift.square() * (self.count * state.chains / count),
        )

    @property
    def spread(self) -> Tensor:
        """Standard deviation of each pixel, `(batch, data)`; zero where it is observed.

        For bits at most 1/2: half of the completions sure of ink, half sure of paper.
        """
        return (self.squares / max(self.count, 1)).sqrt()
