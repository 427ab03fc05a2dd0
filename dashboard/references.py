"""Values from the papers, drawn as lines beside our curves, with how they were measured."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PAPER_VALUES", "PaperValue", "matching"]

NVIL = "Mnih and Gregor (2014), arXiv:1402.0030, Table 1"
DLGM = "Rezende et al. (2014), arXiv:1401.4082, Table 1"
AEVB = "Kingma and Welling (2014), arXiv:1312.6114, Figure 2"


@dataclass(frozen=True)
class PaperValue:
    """One published number.

    Attributes:
        label: as the line is labelled, short.
        value: nats per image, higher is better (papers print the negative).
        estimator: "ELBO" or how the log-likelihood was estimated. An ELBO lies below the
            log-likelihood, so the two are shown apart.
        dataset: the data set with the binarisation it holds for.
        model: "vae", "dlgm" or "sbn".
        layers: latent units by layer.
        source: where to look it up.
    """

    label: str
    value: float
    estimator: str
    dataset: str
    model: str
    layers: tuple[int, ...]
    source: str


PAPER_VALUES = (
    PaperValue("SBN 200, NVIL", -113.1, "ELBO", "mnist-static", "sbn", (200,), NVIL),
    PaperValue("SBN 200-200, NVIL", -99.8, "ELBO", "mnist-static", "sbn", (200, 200), NVIL),
    PaperValue(
        "SBN 200-200-200, NVIL", -96.7, "ELBO", "mnist-static", "sbn", (200, 200, 200), NVIL
    ),
    PaperValue(
        "DLGM, diagonal", -87.30, "importance sampling", "mnist-static", "dlgm", (200,), DLGM
    ),
    PaperValue(
        "DLGM, rank one", -86.60, "importance sampling", "mnist-static", "dlgm", (200,), DLGM
    ),
    PaperValue("VAE, 10 latents (read off the figure)", 1300.0, "ELBO", "frey", "vae", (10,), AEVB),
)


def matching(dataset: str, models: set[str], *, likelihoods: bool = False) -> list[PaperValue]:
    """The values that may stand beside curves of these models on this data set.

    Args:
        dataset: key of `engine.DATASETS`.
        models: names of the models whose curves are shown.
        likelihoods: also the estimates of log p(x), which no ELBO reaches.
    """
    return [
        value
        for value in PAPER_VALUES
        if value.dataset == dataset
        and value.model in models
        and (likelihoods or value.estimator == "ELBO")
    ]
