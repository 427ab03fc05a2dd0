"""One visitor's chains over the hidden pixels of one image, and pictures of where they stand.

No Streamlit in here: the Impute page keeps a `Run` in the visitor's session and draws it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dashboard.components.image_grid import to_pixels

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from engine.mcmc import Kernel, PixelMoments, State
    from engine.models import LatentVariableModel

__all__ = [
    "HIDDEN_COLOUR",
    "STRIP_STEPS",
    "WARM_UP",
    "Frame",
    "Run",
    "given_picture",
    "scale_bar",
    "spread_colours",
    "strip_picture",
]

STRIP_STEPS = 15
"""As many transitions as Rezende et al. (2014) show in their Figure 5."""

WARM_UP = 5
"""Transitions that mean and spread leave out once there are more: they remember the fill."""

HIDDEN_COLOUR = (230, 159, 0)  # orange of Okabe and Ito (2008): no grey of an image is like it
_EMPTY_SLOT = (128, 138, 148, 40)  # a hint of grey on either theme

# Inferno (van der Walt and Smith 2015) at equal distances: rises in brightness from black, so it
# reads in grey as well.
_INFERNO = np.array(
    [(0, 0, 4), (40, 11, 84), (101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21),
     (250, 193, 39), (252, 255, 164)]
)  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """All chains at one step, as bytes `(chains, data)`: probabilities, and the pixels drawn."""

    means: NDArray[np.uint8]
    draws: NDArray[np.uint8]


@dataclass
class Run:
    """Chains that can be moved on, from the random fill at step 0.

    Attributes:
        key: what the run was started with; another image, mask, model or number is another run.
        kernel: from the engine; holds the shared model and only reads it.
        generator: where every draw comes from.
        state: where the chains stand.
        moments: mean and spread, see `WARM_UP`.
        frames: steps 0 to `STRIP_STEPS`, as far as they have been made.
    """

    key: str
    kernel: Kernel
    generator: torch.Generator
    state: State
    moments: PixelMoments
    frames: list[Frame] = field(default_factory=list)

    @classmethod
    def start(
        cls,
        key: str,
        model: LatentVariableModel,
        x: Tensor,
        observed: Tensor,
        chains: int,
        seed: int,
    ) -> Run:
        """Fill the hidden pixels at random.

        Args:
            key: see `identify`.
            model: read only.
            x: `(1, data)` in [0, 1].
            observed: bool `(1, data)`.
            chains: how many, side by side.
            seed: of the fill and of everything after it.

        Raises:
            ValueError: x or observed do not fit the model.
        """
        from engine.mcmc import PixelMoments, build_kernel
        from engine.mcmc.imputation import check_arguments
        from engine.random import make_generator

        check_arguments(model, x, observed, chains)
        kernel, generator = build_kernel("pseudo-gibbs", model), make_generator(seed)
        state = kernel.init(x, observed, chains=chains, generator=generator)
        return cls(key, kernel, generator, state, PixelMoments.empty(state), [_frame(state)])

    def advance(self, transitions: int) -> None:
        """Move every chain on."""
        from engine.mcmc import PixelMoments

        for _ in range(transitions):
            self.state = self.kernel.step(self.state, generator=self.generator)
            if self.state.step <= STRIP_STEPS:
                self.frames.append(_frame(self.state))
            if self.state.step == WARM_UP + 1:
                self.moments = PixelMoments.empty(self.state)
            self.moments = self.moments.add(self.state)

    @property
    def completions(self) -> int:
        """How many completed images the mean and the spread are over."""
        return self.moments.count

    def mean(self) -> NDArray[np.float32]:
        """Pixelwise mean `(data,)`; at step 0 that of the fill."""
        known = self.moments.mean if self.moments.count else self.state.mean.mean(0)
        return known[0].numpy()

    def spread(self) -> NDArray[np.float32]:
        """Pixelwise standard deviation `(data,)`; zero where the image is given."""
        return self.moments.spread[0].numpy()

    def frame(self) -> Frame:
        """Where the chains stand, as bytes."""
        return _frame(self.state)


def identify(checkpoint: str, x: Tensor, observed: Tensor, chains: int) -> str:
    """A key that changes with anything that makes another run necessary."""
    content = hashlib.sha256(x.numpy().tobytes() + observed.numpy().tobytes()).hexdigest()
    return f"{checkpoint}/{chains}/{content}"


def _frame(state: State) -> Frame:
    shape = (1, state.x.shape[-1])
    return Frame(
        means=to_pixels(state.mean[:, 0], shape)[:, 0], draws=to_pixels(state.x[:, 0], shape)[:, 0]
    )


def given_picture(
    x: NDArray[np.float32], observed: NDArray[np.bool_], image_shape: tuple[int, int], *, scale: int
) -> NDArray[np.uint8]:
    """The image with its hidden pixels in orange, `(height * scale, width * scale, 3)`."""
    pixels = to_pixels(x, image_shape)[0]
    picture = np.repeat(pixels[..., None], 3, axis=-1)
    picture[~observed.reshape(image_shape)] = HIDDEN_COLOUR
    return _enlarge(picture, scale)


def spread_colours(
    values: NDArray[np.float32], top: float, image_shape: tuple[int, int], *, scale: int
) -> NDArray[np.uint8]:
    """Standard deviations from 0 (black) to `top` (pale yellow) and above, as a colour picture."""
    return _enlarge(_inferno(values.reshape(image_shape) / top), scale)


def scale_bar(width: int, height: int, *, colours: bool) -> NDArray[np.uint8]:
    """The legend: from the lowest value at the left to the highest at the right."""
    ramp = np.linspace(0, 1, width, dtype=np.float32)
    bar = _inferno(ramp) if colours else np.repeat(to_pixels(ramp, (1, width))[0, 0][:, None], 3, 1)
    return np.repeat(bar[None], height, axis=0)


def strip_picture(
    columns: list[NDArray[np.uint8]],
    slots: int,
    image_shape: tuple[int, int],
    *,
    chains: int,
    scale: int,
    gap: int = 2,
) -> NDArray[np.uint8]:
    """Steps side by side, chains below each other, RGBA; steps still to come are empty slots.

    Args:
        columns: one array `(chains, data)` a step; none at all leaves every slot empty.
        slots: number of columns of the picture, however many are filled.
        image_shape: `(height, width)`.
        chains: number of rows.
        scale: each pixel becomes a square of this many pixels.
        gap: pixels between images.

    Raises:
        ValueError: more columns than slots.
    """
    if len(columns) > slots:
        raise ValueError(f"`columns` must be at most {slots}; got {len(columns)}.")
    height, width = image_shape[0] * scale, image_shape[1] * scale
    shape = (chains * (height + gap) - gap, slots * (width + gap) - gap, 4)
    picture = np.zeros(shape, dtype=np.uint8)
    for slot in range(slots):
        images = to_pixels(columns[slot], image_shape) if slot < len(columns) else None
        for chain in range(chains):
            top, left = chain * (height + gap), slot * (width + gap)
            cell = picture[top : top + height, left : left + width]
            if images is None:
                cell[:] = _EMPTY_SLOT
            else:
                cell[..., :3] = _enlarge(images[chain][..., None], scale)
                cell[..., 3] = 255
    return picture


def _inferno(shares: NDArray[np.float32]) -> NDArray[np.uint8]:
    places = np.clip(shares, 0, 1) * (len(_INFERNO) - 1)
    stops = np.arange(len(_INFERNO))
    channels = [np.interp(places, stops, _INFERNO[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def _enlarge(picture: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)
