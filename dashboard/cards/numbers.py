"""What a card says of how good its model is, with how it was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.cards.models import Card, an_item, item
from dashboard.cards.titles import metric_title

__all__ = [
    "format_metric",
    "headline",
    "how_measured",
    "likelihood_bounds",
    "metric",
    "unit",
    "where_measured",
]


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
