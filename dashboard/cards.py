"""What a checkpoint's card says, in words: plain functions on plain dicts, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = [
    "DATASET_TITLES",
    "Card",
    "aids",
    "dataset_title",
    "describe",
    "estimator_title",
    "format_metric",
    "how_measured",
    "image_shape",
    "is_density",
    "latent_dim",
    "latent_kind",
    "layer_sizes",
    "likelihood_bounds",
    "metric",
    "metric_title",
    "order",
    "pixel_count",
    "shows_images",
    "training_summary",
    "wants_bits",
    "where_measured",
]

Card = Mapping[str, Any]

DATASET_TITLES = {
    "mnist": "MNIST, grey",
    "mnist-static": "MNIST, fixed binarisation",
    "mnist-dynamic": "MNIST, bits drawn afresh",
    "frey": "Frey faces",
    "digits-mini": "5000 embedded digits",
}

_MODEL_TITLES = {
    "vae": "VAE",
    "dlgm": "DLGM",
    "sbn": "SBN",
}

_ESTIMATOR_TITLES = {
    "sgvb-a": "SGVB A",
    "sgvb-b": "SGVB B",
    "score-function": "score function",
    "nvil": "NVIL",
    "iwae": "IWAE",
}

_METRIC_TITLES = {"elbo": "ELBO", "reconstruction": "Reconstruction", "kl": "KL"}
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def dataset_title(name: str) -> str:
    """A data set's name as a person would say it; unknown names stay as they are."""
    return DATASET_TITLES.get(name, name)


def estimator_title(name: str) -> str:
    """A gradient estimator's name as the papers write it."""
    return _ESTIMATOR_TITLES.get(name, name)


def metric_title(name: str) -> str:
    """A metric's name for the screen: "elbo" is "ELBO", "L_5000" is "L₅₀₀₀"."""
    if name.startswith("L_"):
        return "L" + name.removeprefix("L_").translate(_SUBSCRIPTS)
    return _METRIC_TITLES.get(name, name)


def layer_sizes(card: Card) -> tuple[int, ...]:
    """Latent units by layer, the deepest last."""
    config = card["config"]
    return tuple(config["layers"]) if "layers" in config else (int(config["latent_dim"]),)


def latent_dim(card: Card) -> int:
    """Latent units of all layers together."""
    return sum(layer_sizes(card))


def latent_kind(card: Card) -> str:
    """ "bernoulli" where the latents are bits, else "gaussian"."""
    return "bernoulli" if card["model"] == "sbn" else "gaussian"


def is_density(card: Card) -> bool:
    """Whether the pixels are continuous: the bounds are then of a density and may be positive."""
    return card["config"].get("likelihood", "bernoulli") == "gaussian"


def wants_bits(card: Card) -> bool:
    """Whether the checkpoint saw bits in training: not densities, and not the grey digits."""
    return not is_density(card) and card["dataset"] != "mnist"


def pixel_count(card: Card) -> int:
    """Values per image."""
    return int(card["config"]["data_dim"])


def image_shape(card: Card) -> tuple[int, int]:
    """`(height, width)`: Frey faces are 28 x 20, everything else is square.

    Raises:
        ValueError: a number of pixels that is neither.
    """
    pixels = pixel_count(card)
    if pixels == 560:
        return 28, 20
    side = round(pixels**0.5)
    if side * side != pixels:
        raise ValueError(f"`data_dim` must be a square or 28 * 20 to be shown; got {pixels}.")
    return side, side


def shows_images(card: Card) -> bool:
    """Whether its data are images; see `image_shape`."""
    try:
        image_shape(card)
    except ValueError:
        return False
    return True


def describe(card: Card) -> str:
    """The model in a few words: "VAE, 500 tanh, 2 latents"."""
    config, layers = card["config"], layer_sizes(card)
    words = [_MODEL_TITLES.get(str(card["model"]), str(card["model"]))]
    if config.get("hidden"):
        widths = "-".join(str(width) for width in config["hidden"])
        activation = str(config.get("activation", "tanh")).replace("relu", "ReLU")
        words.append(f"{widths} {activation}")
    noun = "binary latent" if latent_kind(card) == "bernoulli" else "latent"
    words.append("-".join(str(size) for size in layers) + f" {noun}{'s' * (latent_dim(card) > 1)}")
    if "covariance" in config:
        words.append(f"{config['covariance']} q")
    return ", ".join(words)


def metric(card: Card, name: str, split: str | None = None) -> Mapping[str, Any] | None:
    """The metric `name` of a split (by default: test before valid before train), or None."""
    found = {m["split"]: m for m in card.get("metrics", ()) if m["name"] == name}
    order = (split,) if split else ("test", "valid", "train")
    return next((found[key] for key in order if key in found), None)


def format_metric(entry: Mapping[str, Any]) -> str:
    """Value and standard error to the digits that the error supports: "−98.21 ± 0.12"."""
    value, error = float(entry["value"]), entry.get("standard_error")
    # A typographic minus, as in the rest of the text.
    if not error:
        return f"{value:.2f}".replace("-", "−")
    digits = 2 if float(error) < 1 else 1
    return f"{value:.{digits}f} ± {float(error):.{digits}f}".replace("-", "−")


def training_summary(card: Card) -> str:
    """How the checkpoint came about: estimator, samples seen, time, device."""
    recipe, training = card.get("recipe") or {}, card.get("training") or {}
    estimator = recipe.get("estimator", {})
    name = estimator.get("name") if isinstance(estimator, Mapping) else estimator
    parts = [estimator_title(str(name))] if name else []
    if name == "iwae" and isinstance(estimator, Mapping) and "samples" in estimator:
        parts = [f"IWAE, K = {estimator['samples']}"]
    if samples := training.get("samples"):
        amount = f"{samples / 1e6:.3g} million" if samples >= 1e6 else f"{samples:.0f}"
        parts.append(f"{amount} images")
    if seconds := training.get("seconds"):
        parts.append(f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s")
    if device := training.get("device"):
        parts.append("GPU" if str(device).startswith("cuda") else str(device).upper())
    return f"trained with {', '.join(parts)}" if parts else ""


def order(name: str, card: Card) -> tuple[Any, ...]:
    """Sorting key: VAEs before DLGMs before SBNs, digits before faces, small before large."""
    models, model = list(_MODEL_TITLES), str(card["model"])
    rank = models.index(model) if model in models else len(models)
    return rank, -pixel_count(card), len(layer_sizes(card)), latent_dim(card), name


def aids(found: Mapping[str, Card]) -> dict[str, str]:
    """Checkpoints that serve others more than themselves, by name, with what each is for.

    They are those that another's training started from, and those that were trained to record the
    gradient variance on the way; both are trained less than a model that is meant to be looked at.
    """
    purposes: dict[str, list[str]] = {}
    for name, card in found.items():
        start = _section(card, "training").get("start")
        if start in found and start != name:
            purposes.setdefault(str(start), []).append(name)
    told = {name: f"the start of {', '.join(users)}" for name, users in purposes.items()}
    for name, card in found.items():
        if _section(card, "variance"):
            told[name] = "trained to record gradient variances, for the Estimators page"
    return told


def _section(card: Card, name: str) -> Mapping[str, Any]:
    section = (card.get("recipe") or {}).get(name)
    return section if isinstance(section, Mapping) else {}


def likelihood_bounds(card: Card) -> list[str]:
    """The names L_K among a card's metrics, the tightest (largest K) first."""
    names = {str(m["name"]) for m in card.get("metrics", ()) if str(m["name"]).startswith("L_")}
    return sorted(names, key=lambda name: -int(name.removeprefix("L_")))


def how_measured(entry: Mapping[str, Any]) -> str:
    """What a metric is and how many draws it took, in a sentence."""
    samples = int(entry.get("samples") or 0)
    draws = f"{samples} draw{'s' * (samples != 1)} of z an image" if samples else "draws of z"
    if str(entry["name"]).startswith("L_"):
        return f"log p(x) by importance weights, {draws}: between the ELBO and log p(x)."
    return f"Mean over {draws} from q(z | x)."


def where_measured(entry: Mapping[str, Any]) -> str:
    """The images of a metric: "10 000 test images"."""
    split = {"valid": "validation", "train": "training"}.get(entry["split"], entry["split"])
    items = f"{int(entry['items']):,}".replace(",", "\u202f") if entry.get("items") else "all"
    return f"{items} {split} images"
