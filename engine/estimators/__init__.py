"""The gradient estimators by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from engine.estimators.antithetic import ARM, DisARM
from engine.estimators.base import Estimate, GradientEstimator
from engine.estimators.contrastive_divergence import (
    ContrastiveDivergence,
    PersistentContrastiveDivergence,
)
from engine.estimators.deep_belief import Greedy, Joint
from engine.estimators.maximum_likelihood import MaximumLikelihood
from engine.estimators.mcem import MCEM
from engine.estimators.multi_sample import VIMCO, LeaveOneOut
from engine.estimators.muprop import MuProp
from engine.estimators.order_agnostic import OrderAgnostic
from engine.estimators.path_derivative import DReG, StickingTheLanding
from engine.estimators.pathwise import IWAE, SGVBA, SGVBB
from engine.estimators.rebar import REBAR, RELAX
from engine.estimators.relaxed import Concrete, GumbelStraightThrough, StraightThrough
from engine.estimators.rezende import Rezende
from engine.estimators.score_function import NVIL, ScoreFunction
from engine.estimators.wake_sleep import ReweightedWakeSleep, WakeSleep
from engine.models.base import GenerativeModel

ESTIMATORS: Mapping[str, type[GradientEstimator]] = MappingProxyType(
    {
        "arm": ARM,
        "concrete": Concrete,
        "contrastive-divergence": ContrastiveDivergence,
        "disarm": DisARM,
        "dreg": DReG,
        "greedy": Greedy,
        "gumbel-straight-through": GumbelStraightThrough,
        "iwae": IWAE,
        "joint": Joint,
        "leave-one-out": LeaveOneOut,
        "maximum-likelihood": MaximumLikelihood,
        "mcem": MCEM,
        "muprop": MuProp,
        "nvil": NVIL,
        "order-agnostic": OrderAgnostic,
        "persistent-contrastive-divergence": PersistentContrastiveDivergence,
        "rebar": REBAR,
        "relax": RELAX,
        "reweighted-wake-sleep": ReweightedWakeSleep,
        "rezende": Rezende,
        "score-function": ScoreFunction,
        "sgvb-a": SGVBA,
        "sgvb-b": SGVBB,
        "sticking-the-landing": StickingTheLanding,
        "straight-through": StraightThrough,
        "vimco": VIMCO,
        "wake-sleep": WakeSleep,
    }
)


def build_estimator(name: str, *, model: GenerativeModel, **options: Any) -> GradientEstimator:
    """The estimator `name` for `model`.

    Raises:
        ValueError: the name or an option is unknown, or the model or its latents do not suit it.
    """
    if name not in ESTIMATORS:
        raise ValueError(f"`name` must be one of {sorted(ESTIMATORS)}; got {name!r}.")
    signature = inspect.signature(ESTIMATORS[name])
    try:
        signature.bind(model, **options)
    except TypeError as error:
        allowed = [option for option in signature.parameters if option != "model"]
        raise ValueError(f"estimator {name!r}: {error}; its options are {allowed}.") from None
    return ESTIMATORS[name](model, **options)


__all__ = [
    "ARM",
    "ESTIMATORS",
    "IWAE",
    "MCEM",
    "NVIL",
    "REBAR",
    "RELAX",
    "SGVBA",
    "SGVBB",
    "VIMCO",
    "Concrete",
    "ContrastiveDivergence",
    "DReG",
    "DisARM",
    "Estimate",
    "GradientEstimator",
    "Greedy",
    "GumbelStraightThrough",
    "Joint",
    "LeaveOneOut",
    "MaximumLikelihood",
    "MuProp",
    "OrderAgnostic",
    "PersistentContrastiveDivergence",
    "ReweightedWakeSleep",
    "Rezende",
    "ScoreFunction",
    "StickingTheLanding",
    "StraightThrough",
    "WakeSleep",
    "build_estimator",
]
