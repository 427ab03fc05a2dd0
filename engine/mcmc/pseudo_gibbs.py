"""Pseudo-Gibbs: the imputation chain of Rezende, Mohamed and Wierstra."""

from __future__ import annotations

from dataclasses import replace

import torch

from engine.mcmc.gibbs import Gibbs
from engine.mcmc.kernel import State


class PseudoGibbs(Gibbs):
    r"""z ~ q(z | x_o, x_m), then x_m ~ p(x_m | z); the observed pixels x_o stay.

    The chain of Rezende et al. (2014), arXiv:1401.4082v3, Appendix F. Where q is the posterior
    this is Gibbs sampling, and the chain's law tends to p(x_m, z | x_o). Otherwise its stationary
    law is only near it, the nearer the better q is: their bound is by the total variation between
    the two kernels. Nothing is ever rejected.
    """

    @torch.no_grad()
    def step(self, state: State, *, generator: torch.Generator | None = None) -> State:
        """One transition of every chain of every image, in two passes through the networks."""
        z = self.recognise(state.x).sample(generator=generator).view_as(state.z)
        likelihood = self.decode(z)
        draw = likelihood.sample(generator=generator).view_as(state.x)
        x = torch.where(state.observed, state.x, draw)
        # Of what was drawn as well: the observed pixels are the same in both.
        terms = likelihood.log_prob_terms(x.flatten(0, 1)).view_as(x)
        return replace(
            state,
            x=x,
            z=z,
            log_joint=(terms * state.observed).sum(-1) + self.model.prior().log_prob(z),
            mean=torch.where(state.observed, state.x, likelihood.mean.view_as(state.x)),
            step=state.step + 1,
        )
