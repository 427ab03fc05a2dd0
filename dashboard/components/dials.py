"""What the sampler turns: the units of a layer, or the principal axes of its codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dashboard import cache, cards
from dashboard.cards import Card
from dashboard.components.codes import Codes, as_tensor, latent_name
from dashboard.components.imputing import wants_bits
from dashboard.components.items import some_of
from dashboard.components.pickers import first_here

__all__ = ["Dials", "axis_dials", "code_of", "unit_dials"]

IMAGES = 2000  # whose codes give the principal axes and the KL


@dataclass(frozen=True)
class Dials:
    """What is turned: the units of a layer, or the principal axes of its codes.

    Attributes:
        kind: "latents", "bits" or "axes".
        titles: of each.
        effects: on the image, of each, see `decoding.effects`.
        kl: of each unit in nats, None where no images are here, and for axes.
        ways: of axes, the change of the layer for a step of one, `(axes, layer)`.
        shares: of axes, of the variance.
        measured: how the KL was.
    """

    kind: str
    titles: list[str]
    effects: NDArray[np.float32]
    kl: NDArray[np.float32] | None = None
    ways: NDArray[np.float32] | None = None
    shares: NDArray[np.float32] | None = None
    measured: str = ""


def unit_dials(name: str, card: Card, layer: int) -> Dials:
    """A dial or a switch for each unit of a layer."""
    from engine.decoding import layer_slice

    where = layer_slice(cards.layer_sizes(card), layer)
    bits = cards.latent_kind(card) == "bernoulli"
    kl, measured = None, ""
    here = first_here(card)
    if here is not None:
        count, found = _unit_kl(name, card, here)
        kl = found[where]
        field = ", each bit at mean field given those that it depends on" if bits else ""
        measured = f"KL averaged over {count} test images ({cards.dataset_title(here)}){field}."
    return Dials(
        "bits" if bits else "latents",
        [latent_name(index) for index in range(where.stop - where.start)],
        cache.latent_effects(name, layer),
        kl,
        measured=measured,
    )


def axis_dials(name: str, card: Card, layer: int) -> Dials | None:
    """A dial for each principal axis of real images' codes, in standard deviations along it.

    None where no images are here.
    """
    here = first_here(card)
    if here is None:
        return None

    def make() -> Dials:
        from dashboard.embedding import principal_axes
        from engine.decoding import direction_effects, layer_slice

        _, codes = cache.codes(name, here, "test", IMAGES, bits=wants_bits(card))
        where = layer_slice(cards.layer_sizes(card), layer)
        axes, deviations = principal_axes(codes[:, where])
        ways = (axes * deviations[:, None]).astype(np.float32)
        whole = np.zeros((len(axes), codes.shape[1]), dtype=np.float32)
        whole[:, where] = ways
        effects = direction_effects(cache.model(name), as_tensor(whole)).numpy()
        shares = np.square(deviations) / max(float(np.square(deviations).sum()), 1e-12)
        return Dials(
            "axes",
            [f"axis {index + 1}" for index in range(len(axes))],
            effects,
            ways=ways,
            shares=shares.astype(np.float32),
            measured=f"Axes of {len(codes)} test images' codes ({cards.dataset_title(here)}).",
        )

    return cache.derived(name, ("axes", here, layer), make)


def _unit_kl(name: str, card: Card, data: str) -> tuple[int, NDArray[np.float32]]:
    """How many images it was averaged over, and the KL of each unit, `(latent,)`."""

    def make() -> tuple[int, NDArray[np.float32]]:
        from dashboard.logic.sample.usage import unit_kl

        _, x = some_of(card, data, IMAGES)
        return len(x), unit_kl(cache.model(name), x).numpy()

    return cache.derived(name, ("unit kl", data), make)


def code_of(start: Codes, where: slice, dials: Dials, values: dict[int, float]) -> Codes:
    """The code `(latent,)` with some dials turned, as CodeView.code of code_view.js."""
    z = start.copy()
    for unit, value in values.items():
        if dials.ways is None:
            z[where.start + unit] = value
        else:
            # in 64 bits and then rounded, as the browser adds
            z[where] = (z[where] + value * dials.ways[unit].astype(np.float64)).astype(np.float32)
    return z
