"""The checkpoints as tables: the rows of the papers that they are, and those that are none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from engine.leaderboard import count_parameters, leaderboard
from engine.leaderboard.measured import some_of
from engine.leaderboard.tables import markdown_rows
from engine.markdown import pipe_table
from engine.seeds import say_spread, seeds_of, spread_of

COLUMNS = ("checkpoint", "model", "data, split", "ELBO", "L_K", "trained")
NAMES = {"eonade": "EoNADE", "mixture": "Mixture"}


def readme_tables(cards: Mapping[str, Mapping[str, Any]]) -> str:
    """Every system of the papers' tables with our checkpoints of it, then all other checkpoints.

    Args:
        cards: of the shipped checkpoints by name, see `engine.read_card`.
    """
    rows = leaderboard(cards, {name: count_parameters(name) for name in cards})
    ranked = {entry.checkpoint for row in rows for entry in row.entries}
    groups = {name: seeds for name, seeds in seeds_of(cards).items() if name not in ranked}
    others = {name: cards[name] for seeds in groups.values() for name in seeds}
    blocks = [markdown_rows(rows)]
    if others:
        head = "**Other checkpoints**: maps, starts of other trainings, recorded gradients"
        blocks.append(f"{head}\n\n{markdown_table(others)}")
    return "\n\n".join(blocks)


def markdown_table(cards: Mapping[str, Mapping[str, Any]]) -> str:
    """One row a checkpoint, in nats per item with standard errors; rows of one data set together.

    Checkpoints that differ by their seed alone are one row, which adds mean ± standard deviation
    over the seeds to the numbers of the first.

    Args:
        cards: card by checkpoint name, see `engine.read_card`.
    """
    seeds = seeds_of(cards)
    order = sorted(seeds, key=lambda name: (cards[name]["dataset"] == "frey", _natural(name)))
    return pipe_table(COLUMNS, [_row(name, [cards[one] for one in seeds[name]]) for name in order])


def _natural(name: str) -> list[tuple[int, str]]:
    """vae-3 before vae-20."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _row(name: str, cards: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Of the first card; the others are those of other seeds."""
    card = cards[0]
    metrics = {entry["name"]: entry for entry in card["metrics"]}
    elbo, likelihood = metrics.get("elbo"), metrics.get("log_likelihood")
    bounds = [m for key, m in metrics.items() if key.startswith("L_")]
    bound = max(bounds, key=lambda m: m["samples"], default=None)
    measured = elbo or likelihood or card["metrics"][0]
    if bound is not None:
        how = f"K = {bound['samples']}, {some_of(bound['estimator'])}{bound['items']} items"
        last = f"{_value(bound)} ({how}{_over_seeds(cards, bound, '; ')})"
    elif likelihood is not None:
        how = f"{likelihood['estimator']}{_over_seeds(cards, likelihood, '; ')}"
        last = f"{_value(likelihood)} ({how})"
    else:
        last = "" if elbo else f"{_value(measured)} ({measured['estimator']})"
    training = card["training"]
    recipe = card["recipe"]
    start = recipe.get("training", {}).get("start")
    return (
        f"`{name}`",
        _describe(card),
        f"{card['dataset']}, {measured['items']} {measured['split']} items",
        f"{_value(elbo)}{_over_seeds(cards, elbo, ' (', ')')}" if elbo else "",
        last,
        f"{recipe['estimator']['name']}, {training['seconds'] / 60:.0f} min, "
        f"{training['samples'] / 1e6:.1f} M items{f' from `{start}`' if start else ''}, "
        f"seed{'s' * (len(cards) > 1)} {', '.join(str(one['seed']) for one in cards)}",
    )


def _over_seeds(
    cards: Sequence[Mapping[str, Any]], metric: Mapping[str, Any], before: str, after: str = ""
) -> str:
    spread = spread_of(cards, metric)
    return "" if spread is None else f"{before}{say_spread(spread)}{after}"


def _value(metric: Mapping[str, Any]) -> str:
    return f"{metric['value']:.2f} ± {metric['standard_error']:.2f}"


def _describe(card: Mapping[str, Any]) -> str:
    config = card["config"]
    name = NAMES.get(card["model"], card["model"].upper())
    latents = config.get("layers") or ([config["latent_dim"]] if "latent_dim" in config else None)
    widths = config.get("hidden") or ([config["hidden_dim"]] if "hidden_dim" in config else None)
    hidden = "-".join(map(str, widths)) if widths else "linear"
    if latents is None:
        return f"{name} {config.get('components', hidden)}"
    text = f"{name} {'-'.join(map(str, latents))}, {hidden}"
    if config.get("decoder_hidden") == []:
        text += ", linear decoder"
    if config.get("covariance"):
        text += f", {config['covariance']}"
    return text
