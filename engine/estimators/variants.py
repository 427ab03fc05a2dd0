"""The estimators that are compared: registry names with the switches of NVIL spelled out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from engine.estimators import ESTIMATORS, build_estimator
from engine.estimators.base import GradientEstimator
from engine.models.base import LatentVariableModel

__all__ = ["VARIANTS", "Variant", "build_variant", "suitable_variants"]


@dataclass(frozen=True)
class Variant:
    """An estimator with its options.

    Attributes:
        title: as the papers write it.
        name: key of `ESTIMATORS`.
        options: its arguments.
    """

    title: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


def _nvil(title: str, baseline: bool, normalise: bool) -> Variant:
    options = {"input_baseline": baseline, "normalise": normalise, "local_signals": False}
    return Variant(title, "nvil", MappingProxyType(options))


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        "sgvb-a": Variant("SGVB A", "sgvb-a"),
        "sgvb-b": Variant("SGVB B", "sgvb-b"),
        "iwae": Variant("IWAE, K = 5", "iwae"),
        "score-function": Variant("score function", "score-function"),
        "nvil-c": _nvil("+ centring", baseline=False, normalise=False),
        "nvil-c-idb": _nvil("+ baseline", baseline=True, normalise=False),
        "nvil-c-idb-vn": _nvil("+ normalisation", baseline=True, normalise=True),
        "nvil": Variant("NVIL, local signals", "nvil"),
    }
)
"""Key to variant. The parts of NVIL are added one after the other, local signals last."""


def build_variant(key: str, model: LatentVariableModel) -> GradientEstimator:
    """The estimator of a variant for `model`.

    Raises:
        ValueError: the key is unknown, or the model's latents do not suit the estimator.
    """
    if key not in VARIANTS:
        raise ValueError(f"`estimator` must be one of {list(VARIANTS)}; got {key!r}.")
    variant = VARIANTS[key]
    return build_estimator(variant.name, model=model, **variant.options)


def suitable_variants(latent_kind: str, layers: int) -> list[str]:
    """The keys that make sense for latents of a kind in so many layers, without duplicates.

    Local signals need layers of bits: elsewhere "nvil" is the same as "nvil-c-idb-vn".
    """
    layered = latent_kind == "bernoulli" and layers > 1
    return [
        key
        for key, variant in VARIANTS.items()
        if latent_kind in ESTIMATORS[variant.name].latent_kinds and (layered or key != "nvil")
    ]
