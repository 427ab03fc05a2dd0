"""Helmholtz: deep directed latent-variable models, their gradient estimators, their checkpoints."""

from __future__ import annotations

from engine.checkpoints import Checkpoint, list_checkpoints, load_checkpoint, read_card
from engine.datasets import DATASETS, load_dataset
from engine.errors import CheckpointError, DatasetError, EngineError, RecipeError
from engine.estimators import ESTIMATORS, Estimate, build_estimator
from engine.mcmc import impute
from engine.models import MODELS, build_model
from engine.random import make_generator

__all__ = [
    "DATASETS",
    "ESTIMATORS",
    "MODELS",
    "Checkpoint",
    "CheckpointError",
    "DatasetError",
    "EngineError",
    "Estimate",
    "RecipeError",
    "build_estimator",
    "build_model",
    "impute",
    "list_checkpoints",
    "load_checkpoint",
    "load_dataset",
    "make_generator",
    "read_card",
]
