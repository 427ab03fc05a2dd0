"""A model as the browser's forward passes take it: a description and 16-bit weights.

`dashboard/frontend/model.js` is the other end. 16-bit floats move no pixel probability of a shipped
model by more than a thousandth (tested), and halve what is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

    from engine.models import LatentVariableModel

__all__ = ["model_arrays"]

# The networks of all models, under the names that they have there: one network, or a list.
_SINGLE = ("decoder", "encoder")
_LISTS = ("transforms", "factors", "heads", "factor_heads", "recognisers")
# Links within the layers of q are unknown there: such a model comes without its recognition.
_LINKS = "recognition_links"


def model_arrays(model: LatentVariableModel) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What `Model` of model.js is made of.

    Returns:
        The description, for the header of a message, and the arrays by name.

    Raises:
        TypeError: the model has a part that the browser does not know.
    """
    weights = {name: value.detach().cpu().numpy() for name, value in model.state_dict().items()}
    linked = any(name.startswith(_LINKS) for name in weights)
    left_out = (_LINKS, "recognisers") if linked else ()
    weights = {k: value for k, value in weights.items() if not k.startswith(left_out)}
    known = ("data_mean", "prior_logits", *_SINGLE, *_LISTS)
    for name in weights:
        if name.split(".")[0] not in known:
            raise TypeError(f"the browser has no {name.split('.')[0]!r}: see model.js.")
    # The mean and the prior are small: they stay as exact as they are.
    arrays: dict[str, NDArray[Any]] = {
        "data_mean": model.data_mean.detach().cpu().numpy().astype(np.float32)
    }
    if "prior_logits" in weights:
        arrays["prior_logits"] = weights.pop("prior_logits").astype(np.float32)
    arrays |= {f"weights.{name}": value.astype(np.float16) for name, value in weights.items()}
    spec: dict[str, Any] = {
        "latent_kind": model.latent_kind,
        "likelihood_kind": model.likelihood_kind,
        "layer_sizes": list(model.layer_sizes),
        "data_dim": model.data_dim,
    }
    for name in _SINGLE:
        if hasattr(model, name):
            spec[name] = _network(getattr(model, name), name)
    for name in _LISTS:
        if hasattr(model, name) and name not in left_out:
            networks = getattr(model, name)
            spec[name] = [_network(part, f"{name}.{i}") for i, part in enumerate(networks)]
    return spec, arrays


def _network(module: nn.Module, path: str) -> list[dict[str, Any]]:
    """The layers of a network in order, each `{"op": ...}`."""
    from torch import nn

    if isinstance(module, nn.Sequential):
        return [
            layer
            for name, part in module.named_children()
            for layer in _network(part, f"{path}.{name}")
        ]
    if isinstance(module, nn.Linear):
        layer: dict[str, Any] = {"op": "linear", "bias": None}
        layer |= {"inputs": module.in_features, "outputs": module.out_features}
        return [layer | {name: f"weights.{path}.{name}" for name, _ in module.named_parameters()}]
    for kind, op in ((nn.ReLU, "relu"), (nn.Tanh, "tanh"), (nn.SiLU, "silu")):
        if isinstance(module, kind):
            return [{"op": op}]
    raise TypeError(f"the browser has no {type(module).__name__} ({path}): see model.js.")
