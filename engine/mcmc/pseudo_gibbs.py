"""Pseudo-Gibbs: the imputation chain of Rezende, Mohamed and Wierstra."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from engine.mcmc.kernel import State
from engine.models.base import LatentVariableModel
from engine.random import uniform


class PseudoGibbs:
    r"""z ~ q(z | x_o, x_m), then x_m ~ p(x_m | z); the observed pixels x_o stay.

    The chain of Rezende et al. (2014), arXiv:1401.4082v3, Appendix F. Where q is the posterior
    this is Gibbs sampling, and the chain's law tends to p(x_m, z | x_o). Otherwise its stationary
    law is only near it, the nearer the better q is: their bound is by the total variation between
    the two kernels. Nothing is ever rejected.

    Args:
        model: read only; its `recognition` and `likelihood` are called under `no_grad`.
    """

    def __init__(self, model: LatentVariableModel) -> None:
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
        """Fill the missing pixels with fair coins, or uniformly in [0, 1] for Gaussian pixels.

        Args:
            x: `(batch, data)`; what it holds where `observed` is false is never looked at.
            observed: bool `(batch, data)`.
            chains: how many independent fills of each image.
            generator: where every draw comes from.
        """
        fill = uniform((chains, *x.shape), generator=generator, like=x)
        if self.model.likelihood_kind == "bernoulli":
            fill = (fill < 0.5).to(x.dtype)
        filled = torch.where(observed, x, fill)
        return State(
            x=filled,
            z=self._recognise(filled, generator),
            mean=torch.where(observed, x, 0.5).expand_as(filled),
            accepted=torch.ones(filled.shape[:2], dtype=torch.bool, device=x.device),
            observed=observed,
            step=0,
        )

    @torch.no_grad()
    def step(self, state: State, *, generator: torch.Generator | None = None) -> State:
        """One transition of every chain of every image, in two passes through the networks."""
        z = self._recognise(state.x, generator)
        likelihood = self.model.likelihood(z.flatten(0, 1))
        draw = likelihood.sample(generator=generator).view_as(state.x)
        return replace(
            state,
            x=torch.where(state.observed, state.x, draw),
            z=z,
            mean=torch.where(state.observed, state.x, likelihood.mean.view_as(state.x)),
            step=state.step + 1,
        )

    def _recognise(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw from q(z | x), x `(chains, batch, data)`: models take one batch axis: fold two."""
        z = self.model.recognition(x.flatten(0, 1)).sample(generator=generator)
        return z.view(*x.shape[:2], z.shape[-1])
