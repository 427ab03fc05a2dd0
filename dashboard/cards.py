"""What a checkpoint's card says, in words, and what its model can do: functions on plain dicts.

The engine is imported by those that ask for the class of a model, when they are called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.models import GenerativeModel

__all__ = [
    "DATASET_TITLES",
    "Card",
    "aids",
    "aids_last",
    "an_item",
    "dataset_title",
    "describe",
    "estimator_title",
    "format_metric",
    "has_latents",
    "headline",
    "how_measured",
    "is_density",
    "is_documents",
    "item",
    "latent_dim",
    "latent_kind",
    "layer_sizes",
    "likelihood_bounds",
    "links_pixels",
    "metric",
    "metric_title",
    "model_kind",
    "order",
    "picture_shape",
    "pixel_count",
    "runs_in_browser",
    "shows_pictures",
    "training_summary",
    "unit",
    "vocabulary",
    "wants_bits",
    "where_measured",
]

Card = Mapping[str, Any]

DATASET_TITLES = {
    "mnist": "MNIST, grey",
    "mnist-static": "MNIST, fixed binarisation",
    "mnist-dynamic": "MNIST, bits drawn afresh",
    "frey": "Frey faces",
    "frey-blocks": "Frey faces, blocks held out",
    "digits-mini": "5000 embedded digits",
    "20-newsgroups": "20 Newsgroups",
    "omniglot": "OMNIGLOT",
    "small-norb": "Small NORB",
    "svhn": "SVHN",
    "cifar10": "CIFAR-10",
    "cifar10-small": "CIFAR-10, a small part (pictures only)",
}

_MODEL_TITLES = {
    "vae": "VAE",
    "dlgm": "DLGM",
    "sbn": "SBN",
    "fdarn": "fDARN",
    "darn": "DARN",
    "nade": "NADE",
    "eonade": "EoNADE",
    "mixture": "Mixture of Bernoullis",
    "rbm": "RBM",
    "dbn": "DBN",
}

_ESTIMATOR_TITLES = {
    "sgvb-a": "SGVB A",
    "sgvb-b": "SGVB B",
    "score-function": "score function",
    "nvil": "NVIL",
    "iwae": "IWAE",
    "vimco": "VIMCO",
    "dreg": "DReG",
    "wake-sleep": "wake-sleep",
    "reweighted-wake-sleep": "reweighted wake-sleep",
    "mcem": "Monte Carlo EM",
    "maximum-likelihood": "maximum likelihood",
    "order-agnostic": "order-agnostic training",
    "contrastive-divergence": "contrastive divergence",
}

_METRIC_TITLES = {
    "elbo": "ELBO",
    "reconstruction": "Reconstruction",
    "kl": "KL",
    "log_likelihood": "log p(x)",
    "log_likelihood_lower": "log p(x), reverse",
    "log_partition": "log Z",
    "log_partition_upper": "log Z, reverse",
    "AIS": "log p(x), AIS",
    "perplexity": "Perplexity",
}
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
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
    words = [_MODEL_TITLES.get(str(card["model"]), str(card["model"]))]
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
    """How the checkpoint came about: estimator, samples seen, time, device, start."""
    recipe, training = card.get("recipe") or {}, card.get("training") or {}
    estimator = recipe.get("estimator", {})
    name = estimator.get("name") if isinstance(estimator, Mapping) else estimator
    parts = [estimator_title(str(name))] if name else []
    if name == "iwae" and isinstance(estimator, Mapping) and "samples" in estimator:
        parts = [f"IWAE, K = {estimator['samples']}"]
    if samples := training.get("samples"):
        amount = f"{samples / 1e6:.3g} million" if samples >= 1e6 else f"{samples:.0f}"
        parts.append(f"{amount} {item(card)}s")
    if seconds := training.get("seconds"):
        parts.append(f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s")
    if device := training.get("device"):
        parts.append("GPU" if str(device).startswith("cuda") else str(device).upper())
    if start := training_start(card):
        parts.append("from " + start.removesuffix(f"-{card.get('dataset')}"))
    return f"trained with {', '.join(parts)}" if parts else ""


def training_start(card: Card) -> str:
    """The checkpoint whose weights the training began with; nothing where they were random."""
    return str(_section(card, "training").get("start") or "")


def order(name: str, card: Card) -> tuple[Any, ...]:
    """Sorting key: VAEs before DLGMs before SBNs, large pictures first, small models first."""
    models, model = list(_MODEL_TITLES), str(card["model"])
    rank = models.index(model) if model in models else len(models)
    return rank, -pixel_count(card), len(layer_sizes(card)), latent_dim(card), name


def aids(found: Mapping[str, Card]) -> dict[str, str]:
    """Checkpoints that serve others more than themselves, by name, with what each is for.

    They are those that another's training started from, but for the first of a row of the papers'
    tables, those that were trained to record the gradient variance on the way, and those whose
    recipe sets the number of training items, to compare algorithms; all are trained less than a
    model that is meant to be looked at. The other seeds of a recipe come last: they tell how much
    of its first checkpoint is chance.
    """
    from engine.leaderboard.published import systems
    from engine.seeds import seeds_of

    starts = found.keys() - {system.checkpoints[0] for system in systems() if system.checkpoints}
    seeds = {name: first for first, *others in seeds_of(found).values() for name in others}
    purposes: dict[str, list[str]] = {}
    for name, card in found.items():
        start = training_start(card)
        if start in starts and start != name and name not in seeds:
            purposes.setdefault(start, []).append(name)
    told = {name: f"the start of {', '.join(users)}" for name, users in purposes.items()}
    for name, card in found.items():
        if _section(card, "variance"):
            told[name] = "trained to record gradient variances, for the Estimators page"
        elif items := _section(card, "data").get("items"):
            told[name] = f"trained on {items} {item(card)}s, to be compared with others that were"
    others = {name: f"{first} with another seed" for name, first in seeds.items()}
    return {name: what for name, what in told.items() if name not in others} | others


def aids_last(names: Iterable[str], found: Mapping[str, Card]) -> list[str]:
    """The names in their order, but those of `aids` after all others."""
    return sorted(names, key=aids(found).__contains__)


def _section(card: Card, name: str) -> Mapping[str, Any]:
    section = (card.get("recipe") or {}).get(name)
    return section if isinstance(section, Mapping) else {}


def likelihood_bounds(card: Card) -> list[str]:
    """The names L_K among a card's metrics, the tightest (largest K) first."""
    names = {str(m["name"]) for m in card.get("metrics", ()) if str(m["name"]).startswith("L_")}
    return sorted(names, key=lambda name: -int(name.removeprefix("L_")))


def headline(card: Card) -> list[Mapping[str, Any]]:
    """The metrics that say how good it is, two at most: a bound, then what is closest to log p(x).

    Of documents the perplexity stands in place of the bounds of the whole.
    """
    tight = ["log_likelihood", "AIS", *likelihood_bounds(card)[:1]]
    names = ["perplexity"] if metric(card, "perplexity") is not None else ["elbo", *tight]
    found = [entry for name in names if (entry := metric(card, name)) is not None]
    return found[:2]


def unit(entry: Mapping[str, Any], card: Card) -> str:
    """Of a metric: "nats per image"."""
    if entry["name"] == "perplexity":
        return "per word"
    return f"nats per {item(card)}"


def how_measured(entry: Mapping[str, Any], card: Card) -> str:
    """What a metric is and how many draws it took, in a sentence."""
    name = str(entry["name"])
    if name == "perplexity":
        return "The exponential of the mean negative bound a word: lower is better."
    if name not in ("elbo", "reconstruction", "kl") and not name.startswith("L_"):
        return f"{metric_title(name)}: {entry.get('estimator') or 'as measured'}."
    samples = int(entry.get("samples") or 0)
    draws = "draws of z"
    if samples:
        draws = f"{samples} draw{'s' * (samples != 1)} of z {an_item(card)}"
    if str(entry["name"]).startswith("L_"):
        return f"log p(x) by importance weights, {draws}: between the ELBO and log p(x)."
    return f"Mean over {draws} from q(z | x)."


def where_measured(entry: Mapping[str, Any], card: Card) -> str:
    """The images (or documents) of a metric: "10 000 test images"."""
    split = {"valid": "validation", "train": "training"}.get(entry["split"], entry["split"])
    items = f"{int(entry['items']):,}".replace(",", "\u202f") if entry.get("items") else "all"
    return f"{items} {split} {item(card)}s"
