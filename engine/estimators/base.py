"""What a gradient estimator is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from engine.models.base import GenerativeModel, LatentVariableModel
from engine.nn import initialise
from engine.random import Generator


class Estimate(NamedTuple):
    """What an estimator returns; the two are different numbers.

    Attributes:
        elbo: an estimate of the lower bound, ``(batch,)`` nats, without gradient: reported.
        loss: scalar whose negative gradient estimates that of the objective: differentiated,
            never reported.
    """

    elbo: Tensor
    loss: Tensor


class GradientEstimator(nn.Module, ABC):
    """Callable ``(model, x, *, generator) -> Estimate``; ``-grad loss`` estimates the gradient.

    Attributes:
        objective: the quantity whose batch mean is climbed: "elbo", "iwae-K".
        unbiased: whether the expectation is that gradient exactly.
        evaluations: how often one call evaluates the density p(x, z) for an item, its price in
            cost tables. Gradients are not counted.
        model_kind: the kind of model it is for.
        latent_kinds: the latents it can deal with; none where the model has no latents.
        prior_kinds: the priors p(z) it can deal with: those with a density, or with an energy,
            whose log Z moves with the weights.
    """

    objective: str = "elbo"
    unbiased: bool = True
    evaluations: int = 1
    model_kind: ClassVar[str] = "latent"
    latent_kinds: ClassVar[tuple[str, ...]] = ("gaussian", "bernoulli")
    prior_kinds: ClassVar[tuple[str, ...]] = ("density",)

    def __init__(self, model: GenerativeModel) -> None:
        super().__init__()
        if model.kind != self.model_kind:
            raise ValueError(
                f"{type(self).__name__} needs a model of the kind {self.model_kind!r}; "
                f"{type(model).__name__} is of the kind {model.kind!r}."
            )
        if isinstance(model, LatentVariableModel) and model.latent_kind not in self.latent_kinds:
            raise ValueError(
                f"{type(self).__name__} needs latents that are {' or '.join(self.latent_kinds)}; "
                f"those of {type(model).__name__} are {model.latent_kind}."
            )

        if isinstance(model, LatentVariableModel) and model.prior_kind not in self.prior_kinds:
            raise ValueError(
                f"{type(self).__name__} needs a prior with {' or '.join(self.prior_kinds)}; that "
                f"of {type(model).__name__} has {model.prior_kind}."
            )

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights of the estimator's own networks anew."""
        initialise(self, generator)

    def moved(self, model: Any) -> Iterable[nn.Parameter]:
        """The parameters of `model` that training by this estimator moves: all but for some."""
        parameters: Iterable[nn.Parameter] = model.parameters()
        return parameters

    @abstractmethod
    def forward(self, model: Any, x: Tensor, *, generator: Generator | None = None) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``."""
