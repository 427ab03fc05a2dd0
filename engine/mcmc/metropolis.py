"""Metropolis-within-Gibbs: pseudo-Gibbs put right by a test of every proposal."""

from __future__ import annotations

from dataclasses import replace

import torch

from engine.mcmc.gibbs import Gibbs
from engine.mcmc.kernel import State
from engine.random import uniform


class MetropolisWithinGibbs(Gibbs):
    r"""z' ~ q(z | x_o, x_m) taken with probability alpha, then x_m ~ p(x_m | z).

    Mattei and Frellsen (2018), arXiv:1802.04826, Algorithm 2, with x = (x_o, x_m):

    .. math:: \alpha = \min\left(1,
              \frac{p(x, z')\, q(z | x)}{p(x, z)\, q(z' | x)}\right).

    The recognition is only the proposal of an independence sampler: whatever it is, p(x_m, z |
    x_o) is the stationary law, as long as q covers the posterior. A bad q costs rejections, not
    truth. From a random fill proposals can be bad for long; the paper starts the chain with some
    transitions of pseudo-Gibbs, whose states this kernel continues.
    """

    @torch.no_grad()
    def step(self, state: State, *, generator: torch.Generator | None = None) -> State:
        """One transition; old and proposed latents go through the decoder together."""
        q = self.recognise(state.x)
        proposal = q.sample(generator=generator).view_as(state.z)
        z = torch.stack([state.z, proposal])  # (2, chains, batch, latent)
        likelihood, log_prior = self.decode(z), self.model.prior().log_prob(z)
        shape = (2, *state.x.shape)
        terms = likelihood.log_prob_terms(state.x.expand(shape).flatten(0, 2)).view(shape)
        log_q = q.log_prob(z.flatten(1, 2)).view_as(log_prior)
        log_weights = terms.sum(-1) + log_prior - log_q
        chance = uniform(state.accepted.shape, generator=generator, like=state.x)
        accepted = chance.log() < log_weights[1] - log_weights[0]

        log_joint = (terms * state.observed).sum(-1) + log_prior
        taken = accepted.unsqueeze(-1)
        draws = likelihood.sample(generator=generator).view(shape)
        mean = likelihood.mean.view(shape)
        return replace(
            state,
            x=torch.where(state.observed, state.x, torch.where(taken, draws[1], draws[0])),
            z=torch.where(taken, proposal, state.z),
            log_joint=torch.where(accepted, log_joint[1], log_joint[0]),
            mean=torch.where(state.observed, state.x, torch.where(taken, mean[1], mean[0])),
            accepted=accepted,
            step=state.step + 1,
        )
