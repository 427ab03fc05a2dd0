"""The models by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from engine.models.base import GenerativeModel, LatentVariableModel
from engine.models.darn import DARN, FDARN
from engine.models.dbn import DBN
from engine.models.dlgm import DLGM
from engine.models.energy import EnergyModel
from engine.models.eonade import EoNADE
from engine.models.mixture import BernoulliMixture
from engine.models.nade import NADE
from engine.models.rbm import RBM
from engine.models.sbn import SBN
from engine.models.tractable import TractableModel
from engine.models.vae import VAE

MODELS: Mapping[str, type[GenerativeModel]] = MappingProxyType(
    {
        "darn": DARN,
        "dbn": DBN,
        "dlgm": DLGM,
        "eonade": EoNADE,
        "fdarn": FDARN,
        "mixture": BernoulliMixture,
        "nade": NADE,
        "rbm": RBM,
        "sbn": SBN,
        "vae": VAE,
    }
)


def build_model(name: str, **config: Any) -> Any:
    """The model `name` with the constructor arguments `config`; every model takes `data_dim`.

    A `GenerativeModel`; of which kind, its name and not its static type says. Weights are drawn
    from torch's default generator; `model.reset_parameters(generator)` draws them again from one
    of your own.

    Raises:
        ValueError: the name or an argument is unknown, an argument is missing or out of range.
    """
    if name not in MODELS:
        raise ValueError(f"`name` must be one of {sorted(MODELS)}; got {name!r}.")
    try:
        inspect.signature(MODELS[name]).bind(**config)
    except TypeError as error:
        allowed = list(inspect.signature(MODELS[name]).parameters)
        raise ValueError(f"model {name!r}: {error}; its arguments are {allowed}.") from None
    return MODELS[name](**config)


__all__ = [
    "DARN",
    "DBN",
    "DLGM",
    "FDARN",
    "MODELS",
    "NADE",
    "RBM",
    "SBN",
    "VAE",
    "BernoulliMixture",
    "EnergyModel",
    "EoNADE",
    "GenerativeModel",
    "LatentVariableModel",
    "TractableModel",
    "build_model",
]
