"""What a chain over the missing pixels carries from step to step, and what moves it on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class State:
    """Where every chain of every image stands: all that the next step needs.

    A state is never changed in place; a step makes a new one. `accepted` would be a field of an
    `Info` of its own in BlackJAX: it is kept here so that one object tells the whole story of a
    transition.

    Attributes:
        x: the completed items, `(chains, batch, data)`. Observed pixels are the given ones, bit
            for bit; the missing ones are draws.
        z: the latents that the missing pixels of `x` were drawn from, `(chains, batch, latent)`.
            At step 0 nothing was drawn from latents yet, and `z` is a draw of q(z | x).
        log_joint: log p(x_o, z) = log p(z) + log p(x_o | z) in nats, `(chains, batch)`: the
            missing pixels are integrated out, so it does not move with their coin tosses. The
            trace to watch: its law settles when the chain's does.
        mean: the mean of the distribution that the missing pixels of `x` were drawn from,
            `(chains, batch, data)`: of p(x_m | z), and at step 0 of the random fill (1/2).
            Observed pixels are the given ones. Averages over `mean` have a smaller error than
            averages over `x` (Rao-Blackwell).
        accepted: whether the last proposal was taken, bool `(chains, batch)`. All true for
            kernels that reject nothing, and at step 0.
        observed: bool `(batch, data)`, true where a pixel is observed and stays as it is.
        step: transitions since the random fill, which is step 0.
    """

    x: Tensor
    z: Tensor
    log_joint: Tensor
    mean: Tensor
    accepted: Tensor
    observed: Tensor
    step: int

    @property
    def chains(self) -> int:
        """How many chains run side by side on each image."""
        return self.x.shape[0]


class Kernel(Protocol):
    """One way of moving a chain on: `init` fills the missing pixels, `step` makes a transition.

    Both are functions of their arguments alone, so a chain can be kept, branched and resumed by
    keeping its state and its generator.
    """

    def init(
        self,
        x: Tensor,
        observed: Tensor,
        *,
        chains: int = 1,
        generator: torch.Generator | None = None,
    ) -> State:
        """Step 0: the missing pixels of `x`, `(batch, data)`, filled at random."""
        ...

    def step(self, state: State, *, generator: torch.Generator | None = None) -> State:
        """The state one transition later, for all chains and images at once."""
        ...
