"""What the chains that alternate between latents and missing pixels have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from engine.distributions import Distribution, PixelDistribution
from engine.mcmc.kernel import State
from engine.models.base import LatentVariableModel, check_independent_pixels
from engine.random import uniform


class Gibbs(ABC):
    """First z given the completed x, then the missing pixels given z; the observed ones stay.

    Subclasses say how z moves. All of them start alike, so a chain can be begun by one and
    continued by another.

    Args:
        model: read only; its `recognition` and `likelihood` are called under `no_grad`.

    Raises:
        ValueError: the model's pixels are not independent given z.
    """

    def __init__(self, model: LatentVariableModel) -> None:
        check_independent_pixels(model, "imputation")
        self.model = model

    @torch.no_grad()
    def init(
        self,
        x: Tensor,
        observed: Tensor,
        *,
        chains: int = 1,
        generator: torch.Generator | None = None,
    ) -> State:
        """Fill the missing pixels at random: bits as often on as in training, others uniformly.

        Fair coins would put bits where training has none, of which a recognition network may make
        anything: from there pseudo-Gibbs can be lost for good.

        Args:
            x: `(batch, data)`; what it holds where `observed` is false is never looked at.
            observed: bool `(batch, data)`.
            chains: how many independent fills of each image.
            generator: where every draw comes from.
        """
        fill, mean = uniform((chains, *x.shape), generator=generator, like=x), torch.tensor(0.5)
        if self.model.likelihood_kind == "bernoulli":
            mean = self.model.data_mean
            fill = (fill < mean).to(x.dtype)
        filled = torch.where(observed, x, fill)
        z = self.recognise(filled).sample(generator=generator).unflatten(0, filled.shape[:2])
        terms = self.decode(z).log_prob_terms(filled.flatten(0, 1)).view_as(filled)
        return State(
            x=filled,
            z=z,
            log_joint=torch.where(observed, terms, 0).sum(-1) + self.model.prior().log_prob(z),
            mean=torch.where(observed, x, mean.to(x)).expand_as(filled),
            accepted=torch.ones(filled.shape[:2], dtype=torch.bool, device=x.device),
            observed=observed,
            step=0,
        )

    @abstractmethod
    def step(self, state: State, *, generator: torch.Generator | None = None) -> State:
        """One transition of every chain of every image."""

    def recognise(self, x: Tensor) -> Distribution:
        """q(z | x) for x `(chains, batch, data)`, with one batch axis of chains times images."""
        return self.model.recognition(x.flatten(0, 1))

    def decode(self, z: Tensor) -> PixelDistribution:
        """p(x | z) for z `(..., latent)`, all axes before the last folded into one."""
        return self.model.likelihood(z.flatten(0, -2))
