"""Modules of `dashboard/frontend` in a blank tab: their functions called with plain values."""

from __future__ import annotations

import base64
from typing import Any

import torch
from playwright.sync_api import Page

import engine
from dashboard.blobs import pack
from dashboard.frontend import script
from dashboard.weights import model_arrays
from engine.models import LatentVariableModel, build_model
from engine.random import make_generator

LINKED: dict[str, tuple[str, dict[str, Any]]] = {
    "sbn, linked q": ("sbn", {"layers": [60, 30], "recognition": "autoregressive"}),
    "fdarn": ("fdarn", {"layers": [60, 30], "recognition": "autoregressive"}),
    "fdarn, perceptrons": ("fdarn", {"layers": [50], "hidden": [20]}),
    "darn": ("darn", {"layers": [60], "recognition": "autoregressive"}),
}
"""Models with links within layers and among pixels, as large as a quick test allows."""


def linked(name: str) -> LatentVariableModel:
    """A model of `LINKED`, with links that matter."""
    kind, config = LINKED[name]
    model = build_model(kind, data_dim=196, **config)
    generator = make_generator(4)
    model.reset_parameters(generator)
    model.set_data_mean(torch.rand(196, generator=generator) * 0.8 + 0.1)
    for key, weight in model.named_parameters():
        if "links" in key:  # a bit gets as much from those before it as from the layer above
            torch.nn.init.normal_(weight, 0, len(weight) ** -0.5, generator=generator)
    return model.eval().requires_grad_(False)


def load(page: Page, *names: str) -> None:
    """Import modules into a tab; what they export is then at `modules.NAME`."""
    for name in names:
        address = f"data:text/javascript;base64,{base64.b64encode(script(name).encode()).decode()}"
        page.evaluate(
            """async ([name, address]) => {
                globalThis.modules ??= {};
                globalThis.modules[name] = await import(address);
            }""",
            [name, address],
        )


def send(page: Page, name: str, message: bytes) -> None:
    """Give a tab a binary message as a component gets it; it is then at `messages.NAME`."""
    page.evaluate(
        """([name, text]) => {
            const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
            globalThis.messages ??= {};
            globalThis.messages[name] = modules.blob.unpack(bytes);
        }""",
        [name, base64.b64encode(message).decode()],
    )


def send_model(page: Page, name: str) -> LatentVariableModel:
    """Give a tab (modules "blob", "model") a checkpoint as `model`, or one of `LINKED`."""
    if name in LINKED:
        model = linked(name)
    else:
        model = engine.load_checkpoint(name).model.eval().requires_grad_(False)
    spec, arrays = model_arrays(model)
    send(page, "weights", pack({"model": spec}, arrays))
    page.evaluate(
        """() => { globalThis.model = new modules.model.Model(
            messages.weights.header.model, messages.weights.arrays); }"""
    )
    return model


def numbers(page: Page, expression: str, argument: Any = None) -> list[float]:
    """The value of an expression as a list of numbers, whatever kind of array it is."""
    found: list[float] = page.evaluate(f"(argument) => Array.from({expression})", argument)
    return found
