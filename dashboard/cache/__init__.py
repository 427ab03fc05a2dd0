"""Every Streamlit cache of the app: one copy of models, data and drawn samples for all visitors.

What these functions return is shared: read it, never change it in place. torch and the engine are
imported on the first call, not with this package, so that a page paints before they are loaded.
"""

from __future__ import annotations

from dashboard.cache.checkpoints import broken_checkpoints, card, cards, checkpoint, derived, model
from dashboard.cache.datasets import dataset, dataset_is_here
from dashboard.cache.decoded import codes, latent_effects, prior_means
from dashboard.cache.process import start_engine
from dashboard.cache.records import (
    curves,
    imputation_table,
    paper_curves,
    paper_datasets,
    paper_figures,
    paper_marginals,
    variance_curves,
)
from dashboard.cache.runs import gap_runs, tiny_comparison, tsne_runs

__all__ = [
    "broken_checkpoints",
    "card",
    "cards",
    "checkpoint",
    "codes",
    "curves",
    "dataset",
    "dataset_is_here",
    "derived",
    "gap_runs",
    "imputation_table",
    "latent_effects",
    "model",
    "paper_curves",
    "paper_datasets",
    "paper_figures",
    "paper_marginals",
    "prior_means",
    "start_engine",
    "tiny_comparison",
    "tsne_runs",
    "variance_curves",
]
