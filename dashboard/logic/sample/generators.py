"""A checkpoint's generative half for the browser, and the same for what is drawn again here."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from dashboard import cache
from dashboard.blobs import pack

if TYPE_CHECKING:
    from engine.models import LatentVariableModel

__all__ = ["browser_model", "message"]

INFERENCE = ("encoder", "heads", "factor_heads", "recognisers", "recognition_links")  # stay here


def browser_model(name: str) -> LatentVariableModel:
    """The model with the weights that the browser has: for files that equal what it shows."""

    def make() -> LatentVariableModel:
        from dashboard.logic.sample.browser_draws import as_in_browser

        return as_in_browser(cache.model(name))

    return cache.derived(name, "browser model", make)


def message(name: str, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> bytes:
    """A message with the generative half of a model; "token" in its header tells it from others."""

    def make() -> tuple[dict[str, Any], dict[str, NDArray[Any]], str]:
        from dashboard.weights import model_arrays

        spec, weights = model_arrays(cache.model(name))
        spec = {key: value for key, value in spec.items() if key not in INFERENCE}
        weights = {
            key: value
            for key, value in weights.items()  # "weights.decoder.0.weight", or "data_mean"
            if key.split(".")[1:2] not in [[part] for part in INFERENCE]
        }
        digest = hashlib.sha256(b"".join(value.tobytes() for value in weights.values()))
        return spec, weights, digest.hexdigest()

    spec, weights, digest = cache.derived(name, "generator", make)
    words = json.dumps([name, digest, header]).encode()
    own = b"".join(value.tobytes() for value in arrays.values())
    token = hashlib.sha256(words + own).hexdigest()[:16]
    return pack({"model": spec, "token": token, **header}, {**weights, **arrays})
