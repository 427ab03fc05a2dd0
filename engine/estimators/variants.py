"""The estimators that are compared: registry names with the switches of NVIL spelled out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from engine.estimators import ESTIMATORS, build_estimator
from engine.estimators.base import GradientEstimator
from engine.estimators.layers import LayerEstimator
from engine.models.base import LatentVariableModel

__all__ = ["LAYERED", "VARIANTS", "Variant", "build_variant", "suitable_variants"]


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


def _rws(phi: str) -> Variant:
    options = MappingProxyType({"phi": phi})
    return Variant(f"RWS ({phi}), K = 5", "reweighted-wake-sleep", options)


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        "sgvb-a": Variant("SGVB A", "sgvb-a"),
        "sgvb-b": Variant("SGVB B", "sgvb-b"),
        "sticking-the-landing": Variant("sticking the landing", "sticking-the-landing"),
        "rezende": Variant("Bonnet, Price", "rezende"),
        "iwae": Variant("IWAE, K = 5", "iwae"),
        "dreg": Variant("DReG, K = 5", "dreg"),
        "score-function": Variant("score function", "score-function"),
        "nvil-c": _nvil("+ centring", baseline=False, normalise=False),
        "nvil-c-idb": _nvil("+ baseline", baseline=True, normalise=False),
        "nvil-c-idb-vn": _nvil("+ normalisation", baseline=True, normalise=True),
        "nvil": Variant("NVIL, local signals", "nvil"),
        "leave-one-out": Variant("leave-one-out, K = 2", "leave-one-out"),
        "leave-one-out-branches": Variant(
            "leave-one-out, branches", "leave-one-out", MappingProxyType({"branches": 2})
        ),
        "arm": Variant("ARM", "arm"),
        "disarm": Variant("DisARM", "disarm"),
        "straight-through": Variant("straight-through", "straight-through"),
        "concrete": Variant("Concrete", "concrete"),
        "gumbel-straight-through": Variant("ST Gumbel-softmax", "gumbel-straight-through"),
        "muprop": Variant("MuProp", "muprop"),
        "rebar": Variant("REBAR", "rebar"),
        "relax": Variant("RELAX", "relax"),
        "vimco": Variant("VIMCO, K = 5", "vimco"),
        "wake-sleep": Variant("wake-sleep", "wake-sleep"),
        "rws-wake": _rws("wake"),
        "rws-sleep": _rws("sleep"),
        "rws-both": _rws("both"),
        "mcem": Variant("Monte Carlo EM", "mcem"),
    }
)
"""Key to variant: by reparameterisation, by scores (the parts of NVIL one after the other, local
signals last), by pairs, by relaxations, and last the objectives other than the ELBO."""

LAYERED = ("nvil", "leave-one-out-branches")
"""Where there is one layer they are the same as the one before them."""


def build_variant(key: str, model: LatentVariableModel) -> GradientEstimator:
    """The estimator of a variant for `model`.

    Raises:
        ValueError: the key is unknown, or the model's latents do not suit the estimator.
    """
    if key not in VARIANTS:
        raise ValueError(f"`estimator` must be one of {list(VARIANTS)}; got {key!r}.")
    variant = VARIANTS[key]
    return build_estimator(variant.name, model=model, **variant.options)


def suitable_variants(latent_kind: str, layers: int, *, factorial: bool = True) -> list[str]:
    """The keys that make sense for latents of a kind in so many layers, without duplicates.

    Args:
        factorial: whether bits are independent within a layer of q(z | x); where they are not,
            the estimators that go through a layer bit by bit are left out.
    """
    layered = latent_kind == "bernoulli" and layers > 1
    return [
        key
        for key, variant in VARIANTS.items()
        if latent_kind in ESTIMATORS[variant.name].latent_kinds
        and (layered or key not in LAYERED)
        and (factorial or not issubclass(ESTIMATORS[variant.name], LayerEstimator))
    ]
