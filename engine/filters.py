"""Which weights of a model make pictures, and what each picture says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from engine import nn as networks
from engine.decoding import encode, layer_slice, mean_changes
from engine.models import (
    DARN,
    DBN,
    NADE,
    RBM,
    SBN,
    VAE,
    EoNADE,
    GenerativeModel,
    LatentVariableModel,
)
from engine.models.mixture import BernoulliMixture

__all__ = ["Bank", "banks_of"]


@dataclass(frozen=True)
class Bank:
    """A picture for each unit of a kind.

    Attributes:
        title: as the page's selector shows it.
        unit: what one of them is called: "latent", "hidden unit", "component", "pixel".
        meaning: what a picture says, a sentence.
        make: the pictures, float32 `(units, data)`: signed weights, or images in [0, 1].
        signed: which of the two.
        answers: how strongly each unit answers to images `(n, data)`, `(n, units)`; None where it
            has no answer of its own.
        answer: what that is, with its unit.
        shares: of components, how often each is drawn, `(units,)`.
    """

    title: str
    unit: str
    meaning: str
    make: Callable[[], Tensor]
    signed: bool = True
    answers: Callable[[Tensor], Tensor] | None = None
    answer: str = ""
    shares: Callable[[], Tensor] | None = None


def banks_of(model: GenerativeModel) -> dict[str, Bank]:
    """The pictures that a model of images has, by a word for the address; at least one."""
    if isinstance(model, BernoulliMixture):
        return {"components": _components(model)}
    if isinstance(model, RBM):
        return {"couplings": _couplings(model)}
    if isinstance(model, NADE):
        return dict(_nade(model))
    if isinstance(model, EoNADE):
        return dict(_eonade(model))
    return dict(_latent(cast(LatentVariableModel, model)))


def _components(model: BernoulliMixture) -> Bank:
    return Bank(
        "Components",
        "component",
        "The mean image of each component: how often each of its pixels is on.",
        lambda: model.logits.sigmoid(),
        signed=False,
        answers=lambda x: model.log_joint(x).softmax(-1),
        answer="p(component | x)",
        shares=lambda: model.prior_logits.softmax(-1),
    )


def _couplings(model: RBM) -> Bank:
    return Bank(
        "Couplings",
        "hidden unit",
        "Its couplings to the pixels, in nats: how much likelier a pixel is on while it is on, and "
        "the other way round.",
        lambda: model.weight.T,
        answers=lambda x: model.hidden_logits(x).sigmoid(),
        answer="p(h = 1 | x)",
    )


def _nade(model: NADE) -> Iterator[tuple[str, Bank]]:
    yield (
        "inputs",
        Bank(
            "Into the hidden units",
            "hidden unit",
            "What a pixel that is on, and comes before, adds to the input of the unit.",
            lambda: model.input_weight.T,
            answers=lambda x: x @ model.input_weight + model.hidden_bias,
            answer="input after the last pixel",
        ),
    )
    yield (
        "outputs",
        Bank(
            "Out of the hidden units",
            "hidden unit",
            "What the unit, fully on, adds to the logit of each pixel, in nats.",
            lambda: model.output_weight.T,
        ),
    )


def _eonade(model: EoNADE) -> Iterator[tuple[str, Bank]]:
    size = model.data_dim
    yield (
        "inputs",
        Bank(
            "Values of known pixels",
            "hidden unit",
            "What a known pixel that is on adds to the input of a unit of the first hidden layer, "
            "compared with one that is off.",
            lambda: model.input.weight[:, :size],
        ),
    )
    yield (
        "known",
        Bank(
            "Which pixels are known",
            "hidden unit",
            "What it adds to the input of the unit that a pixel is known, whatever its value (at "
            "the mean of the data).",
            lambda: model.input.weight[:, size:],
        ),
    )
    yield (
        "outputs",
        Bank(
            "Out of the last hidden layer",
            "hidden unit",
            "What the unit adds to the logit of each pixel, in nats for each unit of its activity.",
            lambda: networks.output_layer(model.network).weight.T,
        ),
    )


def _latent(model: LatentVariableModel) -> Iterator[tuple[str, Bank]]:
    bits = model.latent_kind == "bernoulli"
    step = "from off to on" if bits else "from −1 to +1"
    answer = "q(z = 1 | x)" if bits else "mean of q(z | x)"
    # no closed form of the mean of linked pixels: see `AutoregressiveBernoulli.mean`
    field = " (each pixel at the probabilities of those before it)" * isinstance(model, DARN)
    layers = 1 if isinstance(model, DBN) else len(model.layer_sizes)
    for layer in range(layers):
        where = layer_slice(model.layer_sizes, layer)
        yield (
            f"layer-{layer + 1}",
            Bank(
                "Latents" if layers == 1 else f"Latents of layer {layer + 1}",
                "latent",
                f"How the mean image{field} changes when the latent goes {step} and the others "
                "stay: the mean over codes drawn from the prior.",
                # bound now: the loop goes on
                lambda layer=layer: mean_changes(model, layer),  # type: ignore[misc]
                answers=lambda x, where=where: encode(model, x)[:, where],  # type: ignore[misc]
                answer=answer,
            ),
        )
    yield "decoder", _decoder(model)
    yield "recognition", _recognition(model)
    if isinstance(model, DARN):
        links = model.pixel_links
        yield (
            "links",
            Bank(
                "Links among pixels",
                "pixel",
                "What each pixel before it adds to the logit of this one, in nats, when it is on "
                "and not off.",
                lambda: 2 * links.used,
            ),
        )


def _decoder(model: LatentVariableModel) -> Bank:
    network = model.output_network()
    weight = networks.output_layer(network).weight[: model.data_dim].T
    linear = sum(isinstance(part, nn.Linear) for part in network) == 1
    if not linear:
        return Bank(
            "Out of the decoder's hidden units",
            "hidden unit",
            "What a unit of the decoder's last hidden layer adds to the logit of each pixel, for "
            "each unit of its activity.",
            lambda: weight,
        )
    # Bits reach the networks of a belief net as -1 and +1, those of a deep belief net as they are.
    bits = model.latent_kind == "bernoulli" and not isinstance(model, DBN)
    unit = "" if model.likelihood_kind == "gaussian" else ", in nats"
    on = "switching it on" if model.latent_kind == "bernoulli" else "a step of one"
    return Bank(
        "Decoder's weights",
        "latent",
        f"What {on} adds to the logit of each pixel{unit}.",
        lambda: 2 * weight if bits else weight,
        answers=lambda x: encode(model, x)[:, : model.layer_sizes[0]],
        answer="q(z = 1 | x)" if model.latent_kind == "bernoulli" else "mean of q(z | x)",
    )


def _recognition(model: LatentVariableModel) -> Bank:
    maps = [
        part
        for module in model.recognition_modules()
        for part in module.modules()
        if isinstance(part, nn.Linear)
    ]
    first = maps[0]
    # A linear map straight to the latents: of Gaussian ones its first rows give the means.
    straight = isinstance(model, DBN | VAE) and len(maps) == 1
    straight |= isinstance(model, SBN) and not model.config["hidden"]
    units = model.layer_sizes[0] if straight else first.out_features
    return Bank(
        "Into the recognition network",
        "latent" if straight else "hidden unit",
        "What each pixel adds to the input of a unit of the recognition network's first layer: the "
        "image that it looks for.",
        lambda: first.weight[:units],
        answers=lambda x: _inputs(model, first, x)[:, :units],
        answer="input to the unit",
    )


@torch.inference_mode()
def _inputs(model: LatentVariableModel, first: nn.Linear, x: Tensor) -> Tensor:
    """What reaches the units of the recognition network's first layer, `(n, units)`."""
    # DBN's recognition takes the bits as they are
    inputs: Tensor = first(x if isinstance(model, DBN) else model.centre(x))
    return inputs
