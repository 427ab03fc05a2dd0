"""What the model of a card is, and what it can do.

The engine is imported by those that ask for the class of a model, when they are called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dashboard.cards.titles import MODEL_TITLES

if TYPE_CHECKING:
    from engine.models import GenerativeModel

__all__ = [
    "Card",
    "an_item",
    "describe",
    "family",
    "has_latents",
    "is_density",
    "is_documents",
    "item",
    "latent_dim",
    "latent_kind",
    "layer_sizes",
    "links_pixels",
    "model_kind",
    "picture_shape",
    "pixel_count",
    "runs_in_browser",
    "shows_pictures",
    "vocabulary",
    "wants_bits",
]

Card = Mapping[str, Any]

_FAMILIES = {
    "vae": "vae",
    "dlgm": "dlgm",
    "sbn": "belief",
    "fdarn": "belief",
    "darn": "belief",
    "nade": "tractable",
    "eonade": "tractable",
    "mixture": "tractable",
    "rbm": "machines",
    "dbn": "machines",
}
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")


def family(card: Card) -> str:
    """The kind of model that a visitor looks for: a key of `FAMILY_TITLES`."""
    return _FAMILIES.get(str(card["model"]), "others")


def _model_class(card: Card) -> type[GenerativeModel] | None:
    """The class of the model; None for a name that the engine does not know."""
    from engine.models import MODELS

    return MODELS.get(str(card["model"]))


def model_kind(card: Card) -> str:
    """ "latent", "tractable" or "energy"; "unknown" for a model that the engine does not have."""
    model = _model_class(card)
    return "unknown" if model is None else model.kind


def has_latents(card: Card) -> bool:
    """Whether it is a latent-variable model, with codes and a recognition."""
    return model_kind(card) == "latent"


def layer_sizes(card: Card) -> tuple[int, ...]:
    """Latent units by layer, the deepest last; none where there are no latents."""
    if not has_latents(card):
        return ()
    config = card["config"]
    if "layers" not in config:
        return (int(config["latent_dim"]),)
    # Of a deep belief net the codes are the first layer's: the machine above it is the prior.
    return tuple(config["layers"][:1] if _prior_is_energy(card) else config["layers"])


def _prior_is_energy(card: Card) -> bool:
    return getattr(_model_class(card), "prior_kind", "density") == "energy"


def latent_dim(card: Card) -> int:
    """Latent units of all layers together."""
    return sum(layer_sizes(card))


def latent_kind(card: Card) -> str:
    """ "bernoulli" where the latents are bits, "gaussian" or, without latents, "none"."""
    return str(getattr(_model_class(card), "latent_kind", "none"))


def runs_in_browser(card: Card) -> bool:
    """Whether the browser's forward passes know it: latents under pictures, with p(z) given.

    Of a deep belief net p(z) is a machine's, which has to be run to draw from it.
    """
    return has_latents(card) and not _prior_is_energy(card) and shows_pictures(card)


def links_pixels(card: Card) -> bool:
    """Whether each pixel depends on those before it, given the latents."""
    return not getattr(_model_class(card), "independent_pixels", True)


def is_documents(card: Card) -> bool:
    """Whether an item is a document: counts of words."""
    return card.get("config", {}).get("likelihood") == "multinomial"


def vocabulary(card: Card) -> tuple[str, ...]:
    """The word of each count of a model of documents; empty where its card does not say.

    A word is letters and digits, with hyphens or apostrophes inside: what pages can show as it is.
    """
    said = card.get("vocabulary")
    words = tuple(said) if isinstance(said, list) else ()
    plain = all(isinstance(word, str) and _WORD.fullmatch(word) for word in words)
    return words if plain and len(words) == pixel_count(card) else ()


def item(card: Card) -> str:
    """What one item of its data is: "image" or "document"."""
    return "document" if is_documents(card) else "image"


def an_item(card: Card) -> str:
    """The same with its article."""
    return {"image": "an image", "document": "a document"}[item(card)]


def is_density(card: Card) -> bool:
    """Whether the pixels are continuous: the bounds are then of a density and may be positive."""
    return card["config"].get("likelihood", "bernoulli") == "gaussian"


def wants_bits(card: Card) -> bool:
    """Whether the checkpoint saw bits in training: not densities, and not the grey digits."""
    return not is_density(card) and not is_documents(card) and card["dataset"] != "mnist"


def pixel_count(card: Card) -> int:
    """Values per image."""
    return int(card["config"]["data_dim"])


def picture_shape(card: Card) -> tuple[int, ...]:
    """`(height, width)`, or `(height, width, 3)` in colour: as the card says, or told by the size.

    Where the card does not say, Frey faces are 28 x 20, and everything else is square.

    Raises:
        ValueError: the data are documents, or a number of values that makes no such picture.
    """
    if is_documents(card):
        raise ValueError("`card` must be of images; got documents.")
    said = card.get("image_shape")
    if isinstance(said, list | tuple) and len(said) in (2, 3):
        return tuple(int(size) for size in said)
    pixels = pixel_count(card)
    if pixels == 560:
        return 28, 20
    side = round(pixels**0.5)
    if side * side == pixels:
        return side, side
    side = round((pixels / 3) ** 0.5)
    if 3 * side * side == pixels:
        return side, side, 3
    raise ValueError(
        f"`data_dim` must be a square, three squares or 28 * 20 to be shown; got {pixels}."
    )


def shows_pictures(card: Card) -> bool:
    """Whether its data are pictures, grey or in colour; see `picture_shape`."""
    try:
        picture_shape(card)
    except ValueError:
        return False
    return True


def describe(card: Card) -> str:
    """The model in a few words: "VAE, 500 tanh, 2 latents"."""
    config, layers = card["config"], layer_sizes(card)
    words = [MODEL_TITLES.get(str(card["model"]), str(card["model"]))]
    words += _hidden(config)
    if layers:
        noun = "binary latent" if latent_kind(card) == "bernoulli" else "latent"
        sizes = "-".join(str(size) for size in config.get("layers", layers))
        words.append(f"{sizes} {noun}{'s' * (latent_dim(card) > 1)}")
    if "components" in config:
        words.append(f"{config['components']} components")
    if "orderings" in config:
        words.append(f"{config['orderings']} orderings")
    if "covariance" in config:
        words.append(f"{config['covariance']} q")
    if config.get("recognition") == "autoregressive":
        words.append("autoregressive q")
    if reach := config.get("link_reach"):
        words.append(f"pixels linked up to {reach} apart")
    return ", ".join(words)


def _hidden(config: Mapping[str, Any]) -> list[str]:
    """Hidden layers of networks with their activation, or units of a machine."""
    hidden = config.get("hidden") or config.get("hidden_dim")
    if not hidden:
        return []
    if isinstance(hidden, int):
        return [f"{hidden} hidden units"]
    activation = str(config.get("activation", "tanh")).replace("relu", "ReLU")
    return [f"{'-'.join(str(width) for width in hidden)} {activation}"]
