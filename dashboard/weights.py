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
# Links among the bits of layers, and among pixels: also one, or a list.
_LINKS = ("recognition_links", "prior_links", "pixel_links")


def model_arrays(model: LatentVariableModel) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What `Model` of model.js is made of.

    Returns:
        The description, for the header of a message, and the arrays by name.

    Raises:
        TypeError: the model has a part that the browser does not know.
    """
    from engine.autoregressive import Links

    state = model.state_dict()
    state |= {f"{path}.weight": m.used for path, m in model.named_modules() if isinstance(m, Links)}
    weights = {name: value.detach().cpu().numpy() for name, value in state.items()}
    known = ("data_mean", "prior_logits", *_SINGLE, *_LISTS, *_LINKS)
    for name in weights:
        if name.split(".")[0] not in known:
            raise TypeError(f"the browser has no {name.split('.')[0]!r}: see model.js.")
    # The mean and the prior are small: they stay as exact as they are.
    arrays: dict[str, NDArray[Any]] = {
        "data_mean": model.data_mean.detach().cpu().numpy().astype(np.float32)
    }
    if "prior_logits" in weights:
        arrays["prior_logits"] = weights.pop("prior_logits").astype(np.float32)
    for name, value in weights.items():
        part = _below_diagonal(value) if name.split(".")[0] in _LINKS else value
        arrays[f"weights.{name}"] = part.astype(np.float16)
    spec: dict[str, Any] = {
        "latent_kind": model.latent_kind,
        "likelihood_kind": model.likelihood_kind,
        "layer_sizes": list(model.layer_sizes),
        "data_dim": model.data_dim,
    }
    for name in _SINGLE:
        if hasattr(model, name):
            spec[name] = _network(getattr(model, name), name)
    if model.likelihood_kind == "gaussian":
        # The first half of the output is the pixels' means; their scales are not shown.
        last = spec["decoder"][-1]
        last["outputs"] = model.data_dim
        for name in (last["weight"], last["bias"]):
            arrays[name] = arrays[name][: model.data_dim]
    for name in _LISTS:
        if hasattr(model, name):
            networks = getattr(model, name)
            spec[name] = [_network(part, f"{name}.{i}") for i, part in enumerate(networks)]
    for name in _LINKS:
        found = [path for path in arrays if path.startswith(f"weights.{name}.")]
        if found:
            spec[name] = found[0] if name == "pixel_links" else found
    return spec, arrays


def _below_diagonal(links: NDArray[Any]) -> NDArray[Any]:
    """The links of each unit to those before it, row by row: the rest of the matrix is not used."""
    return links[np.tril_indices(len(links), -1)]


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
