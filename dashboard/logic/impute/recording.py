"""Chains over the hidden pixels of one image, recorded step by step for the browser to play.

No Streamlit in here. What is kept of each step is what a page shows: bytes, not the states.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from dashboard.components.image_grid import to_pixels
from dashboard.logic.impute.class_mix import ClassMix

if TYPE_CHECKING:
    from torch import Tensor

    from engine.mcmc import State
    from engine.models import LatentVariableModel

__all__ = ["WARM_UP", "Recording", "identify", "window"]

_T = TypeVar("_T", bound=np.generic)

WARM_UP = 5
"""Transitions that averages and diagnostics leave out once there are more: they remember the
random fill."""

PATIENCE = 0.5  # seconds of chains at a time: the browser plays on, but the visitor may change


class Recording:
    """The first steps of chains, from the random fill at step 0; deterministic by its seed.

    "hidden" in shapes stands for the values that are hidden, all of a pixel or none.

    Args:
        model: read only, in evaluation mode.
        x: `(1, data)` in [0, 1].
        observed: bool `(1, data)`.
        method: a key of `engine.mcmc.METHODS`.
        chains: how many, side by side.
        seed: of the fill and of everything after it.
        start: transitions of pseudo-Gibbs before those of `method`: from a random fill another
            method may reject everything (Mattei and Frellsen 2018 start theirs like this).
        classes: of the images among which each completion's neighbours are counted, if known.
        channels: values of a pixel, side by side: 3 in colour.

    Raises:
        ValueError: an argument does not fit the model.
    """

    def __init__(
        self,
        model: LatentVariableModel,
        x: Tensor,
        observed: Tensor,
        *,
        method: str,
        chains: int,
        seed: int,
        start: int = 0,
        classes: ClassMix | None = None,
        channels: int = 1,
    ) -> None:
        from engine.mcmc import build_kernel
        from engine.mcmc.imputation import check_arguments
        from engine.random import make_generator

        check_arguments(model, x, observed, chains)
        self._model, self.classes, self.chains, self.channels = model, classes, chains, channels
        self._kernels = (build_kernel("pseudo-gibbs", model), build_kernel(method, model))
        self._generator = make_generator(seed)
        self.start = 0 if method == "pseudo-gibbs" else start
        self.hidden: NDArray[np.bool_] = ~observed[0].numpy()
        self.given = to_pixels(x, (1, x.shape[-1]))[0, 0]
        self._means: list[NDArray[np.uint8]] = []
        self._draws: list[NDArray[np.uint8]] = []
        self._log_joint: list[NDArray[np.float32]] = []
        self._accepted: list[NDArray[np.bool_]] = []
        self._votes: list[NDArray[np.uint8]] = []
        self._state = self._kernels[0].init(x, observed, chains=chains, generator=self._generator)
        self._keep([self._state])

    def __len__(self) -> int:
        """Steps recorded, the random fill among them: the last is step `len - 1`."""
        return len(self._means)

    @property
    def tuned(self) -> int:
        """The last step at which the method is tuned; `start` for one that is not."""
        return self.start + getattr(self._kernels[1], "tune", 0)

    @property
    def warm_up(self) -> int:
        """The last step that averages and diagnostics leave out."""
        return max(WARM_UP, self.tuned)

    def extend(self, length: int, *, patience: float | None = None) -> None:
        """Record until there are `length` steps, or `patience` seconds have gone; one at least.

        Args:
            length: wanted.
            patience: `PATIENCE` where it is None.
        """
        deadline = time.monotonic() + (PATIENCE if patience is None else patience)
        fresh: list[State] = []
        while len(self) + len(fresh) < length:
            kernel = self._kernels[self._state.step >= self.start]
            self._state = kernel.step(self._state, generator=self._generator)
            fresh.append(self._state)
            if time.monotonic() > deadline:
                break
        if fresh:
            self._keep(fresh)

    def means(self, first: int, last: int) -> NDArray[np.uint8]:
        """Means of what the hidden pixels were drawn from, `(last - first, chains, hidden)`."""
        return self._part(self._means, first, last)

    def draws(self, first: int, last: int) -> NDArray[np.uint8]:
        """The hidden pixels themselves, `(last - first, chains, hidden)`."""
        return self._part(self._draws, first, last)

    def log_joint(self, first: int, last: int) -> NDArray[np.float32]:
        """Log p(x_o, z) in nats, `(last - first, chains)`."""
        return self._part(self._log_joint, first, last)

    def accepted(self, first: int, last: int) -> NDArray[np.bool_]:
        """Whether the proposal that led to each step was taken, `(last - first, chains)`."""
        return self._part(self._accepted, first, last)

    def votes(self, first: int, last: int) -> NDArray[np.uint8] | None:
        """How many neighbours of each class a completion has, `(last - first, chains, classes)`."""
        return self._part(self._votes, first, last) if self.classes else None

    def images(self, step: int, kind: str) -> NDArray[np.uint8]:
        """The whole pictures of a step, "means" or "draws", `(chains, data)`."""
        shown = (self._draws if kind == "draws" else self._means)[step]
        return self._completed(shown)

    def moments(self, step: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of the means in each pixel, `(data,)` in [0, 1].

        Over all chains and the steps of `window`; the spread is zero where a pixel is given.
        """
        values = self.means(*window(step, self.warm_up)).reshape(-1, int(self.hidden.sum())) / 255
        mean, spread = self.given / 255, np.zeros(len(self.hidden))
        mean[self.hidden] = values.mean(0)
        spread[self.hidden] = values.std(0)
        return mean, spread

    def pixel(self, index: int) -> NDArray[np.float64]:
        """The means of one pixel in [0, 1], `(steps, chains)`; constant where it is given.

        In colour it is of its three values.
        """
        first, last = index * self.channels, (index + 1) * self.channels
        if not self.hidden[first]:
            return np.full((len(self), self.chains), self.given[first:last].mean() / 255)
        place = int(self.hidden[:first].sum())
        return np.stack(self._means)[..., place : place + self.channels].mean(-1) / 255

    def _completed(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        whole = np.repeat(self.given[None], len(pixels), axis=0)
        whole[:, self.hidden] = pixels
        return whole

    def _keep(self, states: list[State]) -> None:
        for state in states:
            shape = (1, state.x.shape[-1])
            self._means.append(to_pixels(state.mean[:, 0], shape)[:, 0, self.hidden])
            self._draws.append(to_pixels(state.x[:, 0], shape)[:, 0, self.hidden])
            self._log_joint.append(state.log_joint[:, 0].numpy())
            self._accepted.append(state.accepted[:, 0].numpy())
        if self.classes:
            import torch

            x = torch.cat([state.x[:, 0] for state in states])
            votes = self.classes.votes(self._model, x)
            self._votes.extend(votes.reshape(len(states), self.chains, -1))

    @staticmethod
    def _part(rows: list[NDArray[_T]], first: int, last: int) -> NDArray[_T]:
        part = rows[first:last]
        return np.stack(part) if part else np.zeros((0, *rows[0].shape), dtype=rows[0].dtype)


def window(step: int, warm_up: int) -> tuple[int, int]:
    """The steps, from first to before last, that averages at a step are over."""
    if step == 0:
        return 0, 1
    return (1 if step <= warm_up else warm_up + 1), step + 1


def identify(
    checkpoint: str, x: Tensor, observed: Tensor, method: str, chains: int, seed: int, start: int
) -> str:
    """A token that changes with anything that makes another recording necessary."""
    content = x.numpy().tobytes() + observed.numpy().tobytes()
    text = f"{checkpoint}/{method}/{chains}/{seed}/{start}/".encode()
    return hashlib.sha256(text + content).hexdigest()[:20]
