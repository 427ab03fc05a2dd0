"""Which pages can show a checkpoint: asked by their pickers, and by all that link to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from dashboard import cards
from dashboard.cards import Card

__all__ = [
    "CAPABLE",
    "completes",
    "draws_images",
    "has_map",
    "pages_for",
    "reads_documents",
    "recognises",
]


def has_map(card: Card) -> bool:
    """Whether its codes can be placed on a map: a layer with two latents or more."""
    return cards.runs_in_browser(card) and max(cards.layer_sizes(card)) >= 2


def draws_images(card: Card) -> bool:
    """Whether it draws pictures, grey or in colour: any kind of model does."""
    return cards.model_kind(card) != "unknown" and cards.shows_pictures(card)


def recognises(card: Card) -> bool:
    """Whether the Recognition page can follow its q(z | x) while one draws."""
    enough = cards.latent_kind(card) == "bernoulli" or cards.latent_dim(card) >= 2
    return cards.runs_in_browser(card) and enough


def completes(card: Card) -> bool:
    """Whether chains can fill in its images: z tells one pixel all that the others could."""
    return cards.has_latents(card) and not cards.links_pixels(card) and cards.shows_pictures(card)


def reads_documents(card: Card) -> bool:
    """Whether it reads documents whose words are known."""
    return cards.has_latents(card) and bool(cards.vocabulary(card))


CAPABLE: Mapping[str, Callable[[Card], bool]] = MappingProxyType(
    {
        "latent_space": has_map,
        "sample": draws_images,
        "filters": draws_images,
        "recognition": recognises,
        "impute": completes,
        "documents": reads_documents,
    }
)
"""Page to what it asks of a card."""


def pages_for(card: Card) -> list[str]:
    """The modules of the pages that can show a checkpoint, in the order of the navigation."""
    return [module for module, capable in CAPABLE.items() if capable(card)]
