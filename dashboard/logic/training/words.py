"""What the Training page says of its charts: units, what is missing and why, what a band is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from dashboard import cards, references
from dashboard.cards import Card
from dashboard.logic.training.lines import QUANTITIES, Columns, Line, Series, shorter

__all__ = [
    "axis_titles",
    "minus",
    "missing",
    "papers_told",
    "seeds_told",
    "starts_told",
    "told",
]


def minus(text: str) -> str:
    """Hyphens before a digit as minus signs, as in the rest of the page."""
    return re.sub(r"(?<![\w.])-(?=\d)", "−", text)


def axis_titles(shown: Sequence[Card], quantity: str, progress: str) -> tuple[str, str]:
    """Of the horizontal and the vertical axis, with the units of the data of all `shown`.

    What a model without latents records as its bound is log p(x) itself.
    """
    item = cards.item(shown[0])
    latent = [not _without_latents(card) for card in shown]
    bound = "ELBO" if all(latent) else "ELBO or log p(x)" if any(latent) else "log p(x)"
    y = {"elbo": bound, "reconstruction": "E log p(x | z)", "kl": "KL(q(z | x) ‖ p(z))"}[quantity]
    x = {"samples": f"training {item}s seen", "seconds": "training time (minutes)"}[progress]
    return x, f"{y} (nats per {item})"


def _without_latents(card: Card) -> bool:
    return cards.model_kind(card) in ("tractable", "energy")


def missing(shown: Mapping[str, Card], drawn: Sequence[str], quantity: str) -> str:
    """Why some of a chart have no curve of the quantity; nothing where all have one.

    Args:
        shown: card by name of all that were chosen.
        drawn: names of those with a curve.
        quantity: key of `QUANTITIES`.
    """
    left = [name for name in shown if name not in drawn]
    without = [name for name in left if quantity != "elbo" and _without_latents(shown[name])]
    lines = []
    if without:
        one = len(without) == 1
        lines.append(
            f"{_listed(without)} {'has' if one else 'have'} no latents: nothing is encoded, so "
            "there is neither a reconstruction nor a KL. The curve of log p(x) is under **Bound**."
        )
    if other := [name for name in left if name not in without]:
        one = len(other) == 1
        title = QUANTITIES[quantity]
        quantity_name = title if title.isupper() else title.lower()
        lines.append(
            f"{_listed(other)} did not record this quantity ({quantity_name}) "
            f"while {'it was' if one else 'they were'} trained."
        )
    return "  \n".join(lines)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def seeds_told(
    lines: Sequence[Line],
    series: Series,
    seeds: Mapping[str, object],
    progress: str,
    *,
    apart: bool,
) -> str:
    """What the bands of a chart are, or the single lines of seeds; nothing where there are none.

    Args:
        lines: of the chart.
        series: as of `lines_of`.
        seeds: of every name in it.
        progress: key of `PROGRESS`.
        apart: whether the seeds are drawn apart.
    """
    several = {name: members for name, members in series.items() if len(members) > 1}
    if not several:
        return ""
    ends = {line.name: _band_end(line) for line in lines if line.split == "valid"}
    each = ", ".join(
        f"`{name}` (seeds {', '.join(str(seeds[one]) for one in members)}{ends.get(name, '')})"
        for name, members in several.items()
    )
    if apart:
        return (
            f"Thin lines of one colour differ by their seed alone: {each}. Point at one to see "
            "which it is."
        )
    text = (
        "Lines with a band are means over the seeds of one recipe; the band goes from the lowest "
        f"to the highest seed: {each}."
    )
    if progress == "seconds":
        text += " Their times are means as well."
    ended = [name for members in several.values() for name in shorter(members)]
    if ended:
        were = "was" if len(ended) == 1 else "were"
        text += (
            f" {_listed(ended)} {were} trained for fewer steps, and mean and band end there: "
            "*Seeds apart* shows the rest."
        )
    return text


def _band_end(line: Line) -> str:
    """Between which values a band ends: it may be too narrow to be seen."""
    if line.low is None or line.high is None:
        return ""
    return minus(f": {line.low[-1]:.2f} to {line.high[-1]:.2f} at the end")


def starts_told(drawn: Mapping[str, Card]) -> str:
    """Which curves of a chart do not begin at random weights; nothing where all do.

    Args:
        drawn: card by name of those with a curve.
    """
    starts = {name: cards.training_start(card) for name, card in drawn.items()}
    each = [f"`{name}` with those of `{start}`" for name, start in starts.items() if start]
    if not each:
        return ""
    return (
        f"Not trained from random weights: {', '.join(each)}. What the first training saw, and its "
        "time, do not count here."
    )


def papers_told(values: Sequence[references.PaperValue], item: str) -> list[str]:
    """Where the published values of a chart stand, and how they compare with its curves."""
    if not values:
        return []
    by_source: dict[tuple[str, str], list[str]] = {}
    for value in values:
        by_source.setdefault((value.source, value.estimator), []).append(
            minus(f"{value.label} {value.value:g}")
        )
    lines = [
        f"- {', '.join(labels)} ({estimator}): {source}"
        for (source, estimator), labels in by_source.items()
    ]
    found = [f"Dashed, published values on test {item}s:\n" + "\n".join(lines)]
    if any(value.estimator != references.BOUND for value in values):
        found.append(
            "An ELBO lies below log p(x), so a curve need not reach a line that estimates log p(x)."
        )
    return found


def told(series: Series, y_title: str, quantity: str, card: Card) -> str:
    """The chart in words: what it shows, and where each training ended, seed by seed.

    Args:
        series: as of `lines_of`.
        y_title: of the vertical axis.
        quantity: key of `QUANTITIES`.
        card: of one of them, for the data.
    """
    ends = []
    for members in series.values():
        for one, columns in members.items():
            end = _end(columns, quantity)
            if end is not None:
                ends.append(f"{one} ends at {minus(f'{end:.1f}')}")
    names = [
        name if len(members) == 1 else f"{name} ({len(members)} seeds)"
        for name, members in series.items()
    ]
    ends = list(dict.fromkeys(ends))  # a seed may be chosen beside the others of its recipe
    return (
        f"{y_title} during training on {cards.dataset_title(card['dataset'])}: "
        f"{', '.join(names)}. On validation {cards.item(card)}s {'; '.join(ends) or 'none'}."
    )


def _end(columns: Columns, quantity: str) -> float | None:
    measured = np.asarray(columns.get(f"valid_{quantity}", ()), dtype=float)
    measured = measured[np.isfinite(measured)]
    return float(measured[-1]) if len(measured) else None
