"""Which quantity and which part of the model the charts of gradients show."""

from __future__ import annotations

from dashboard.components import linked
from dashboard.logic.estimators import gradients

__all__ = ["choose_part", "choose_quantity"]

_NAMES = {"recorded": "recorded_", "live": ""}  # what names in the address begin with


def choose_quantity(section: str) -> str:
    """Variance, signal-to-noise or (live) bias; `section` is "recorded" or "live"."""
    return linked.choose_segment(
        "Quantity",
        {
            key: title
            for key, (title, _) in (
                gradients.QUANTITIES if section == "recorded" else gradients.MEASURED
            ).items()
        },
        name=_NAMES[section] + "quantity",
        key=f"estimators.{section}.quantity",
        help="Variance: of the gradient of the mean objective over a minibatch, summed over the "
        "parameters. Signal-to-noise: length of the mean gradient over the root of that sum."
        + ("" if section == "recorded" else " Bias: distance of the mean from the truth, squared."),
    )


def choose_part(layers: list[str], section: str) -> str:
    """One of `layers`; `section` as in `choose_quantity`."""
    return linked.choose_one(
        "Part of the model",
        {layer: gradients.layer_title(layer) for layer in layers},
        name=_NAMES[section] + "part",
        key=f"estimators.{section}.layer",
        help="Recognition layers from the data upwards; the generative part is the same for all "
        "estimators but those that draw several times.",
    )
