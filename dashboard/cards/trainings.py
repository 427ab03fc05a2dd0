"""How a checkpoint came about, and what it is for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dashboard.cards.models import Card, item, latent_dim, layer_sizes, pixel_count
from dashboard.cards.titles import MODEL_TITLES, estimator_title

__all__ = ["aids", "aids_last", "order", "training_start", "training_summary"]


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
    models, model = list(MODEL_TITLES), str(card["model"])
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
