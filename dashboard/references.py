"""Values from the papers, drawn as lines beside our curves, with how they were measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dashboard import cards
from dashboard.cards import Card

__all__ = ["PAPER_VALUES", "PaperValue", "matching"]

AEVB = "Kingma and Welling (2014), arXiv:1312.6114, read off Figure 2"
DLGM = "Rezende et al. (2014), arXiv:1401.4082"
NVIL = "Mnih and Gregor (2014), arXiv:1402.0030, Table 1"

BOUND = "ELBO"
LIKELIHOOD = "log p(x) by importance sampling"


@dataclass(frozen=True)
class PaperValue:
    """One published number.

    Attributes:
        label: short, for the line.
        value: nats per image, higher is better (most papers print the negative).
        estimator: `BOUND` or `LIKELIHOOD`; an ELBO lies below the log-likelihood, so a curve of the
            first need not reach a line of the second.
        dataset: data set with the binarisation it holds for.
        model: "vae", "dlgm" or "sbn".
        layers: latent units by layer; None where the paper's layers are not comparable with ours.
        source: where to look it up.
    """

    label: str
    value: float
    estimator: str
    dataset: str
    model: str
    layers: tuple[int, ...] | None
    source: str


PAPER_VALUES = (
    PaperValue("VAE 20", -100.0, BOUND, "mnist-static", "vae", (20,), AEVB),
    PaperValue("VAE 10", 1300.0, BOUND, "frey", "vae", (10,), AEVB),
    PaperValue("SBN 200", -113.1, BOUND, "mnist-static", "sbn", (200,), NVIL),
    PaperValue("SBN 200-200", -99.8, BOUND, "mnist-static", "sbn", (200, 200), NVIL),
    PaperValue("SBN 200-200-200", -96.7, BOUND, "mnist-static", "sbn", (200, 200, 200), NVIL),
    PaperValue("DLGM, diagonal", -87.30, LIKELIHOOD, "mnist-static", "dlgm", None, DLGM),
    PaperValue("DLGM, rank one", -86.60, LIKELIHOOD, "mnist-static", "dlgm", None, DLGM),
)


def matching(shown: Iterable[Card]) -> list[PaperValue]:
    """The values that belong beside curves of these checkpoints, highest first.

    A value belongs where data set, model and (if it has them) layers are those of a checkpoint.
    """
    present = {(card["dataset"], card["model"], cards.layer_sizes(card)) for card in shown}
    found = [
        value
        for value in PAPER_VALUES
        if any(
            (value.dataset, value.model) == (dataset, model) and value.layers in (None, layers)
            for dataset, model, layers in present
        )
    ]
    return sorted(found, key=lambda value: -value.value)
