"""Adaptive collapsed Metropolis-within-Gibbs: proposals that do not stick to the last filling."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from engine.checks import check_size
from engine.mcmc.gibbs import Gibbs
from engine.mcmc.kernel import State
from engine.models.base import LatentVariableModel
from engine.random import uniform

__all__ = ["AdaptiveCollapsed", "HistoryState"]


@dataclass(frozen=True, slots=True)
class HistoryState(State):
    """A `State` with the completed items that proposals are made from.

    Attributes:
        available: ``(chains, batch, memory, data)``: a uniform sample of what was drawn from
            latents that the chain has left since. Slots past `size` repeat the first item.
        size: filled slots, int64 ``(chains, batch)``.
        pending: as `available`, with the draws from the present latents as well.
        seen: completed items so far, the pending ones included.
    """

    available: Tensor
    size: Tensor
    pending: Tensor
    seen: int


class AdaptiveCollapsed(Gibbs):
    r"""z' ~ (1 - w) q(z | x_o, x~_m) + w p(z), taken with probability alpha; then x_m ~ p(x_m | z).

    Simkus and Gutmann (2023), arXiv:2308.09078, Sec. 4.1 (AC-MWG). Three cures for the sticking of
    Metropolis-within-Gibbs: the missing pixels are integrated out of the test,

    .. math:: \alpha = \min\left(1, \frac{p(x_o, z')\, \tilde q(z)}{p(x_o, z)\, \tilde q(z')}
              \right), \qquad \tilde q(z) = (1 - w)\, q(z | x_o, \tilde x_m) + w\, p(z),

    so that a filling of another digit does not hold its latents back; the proposal is mixed with
    the prior, which reaches every mode; and it starts from an old filling, drawn uniformly from
    all that came from latents since left. A filling by the present latents would tell where the
    chain is, and the test would no longer be that of an independence sampler.

    The proposals adapt ever more slowly, as old fillings grow in number, and the prior's share
    bounds the rejections: so the law converges to p(x_m, z | x_o) (Roberts and Rosenthal 2007,
    Theorem 1). `memory` old fillings are kept, at any time a uniform sample of all (reservoir
    sampling, Vitter 1985): the draw of one of them is that of the paper, and the state stays small.

    Args:
        prior_share: w, in (0, 1).
        memory: old fillings kept for each chain and image.

    Raises:
        ValueError: `prior_share` is not in (0, 1) or `memory` below 1.
    """

    def __init__(
        self, model: LatentVariableModel, *, prior_share: float = 0.3, memory: int = 32
    ) -> None:
        super().__init__(model)
        if not 0 < prior_share < 1:
            raise ValueError(f"`prior_share` must lie between 0 and 1; got {prior_share}.")
        check_size("memory", memory)
        self.prior_share, self.memory = prior_share, memory

    @torch.no_grad()
    def step(self, state: State, *, generator: torch.Generator | None = None) -> HistoryState:
        """One transition; a state of another kernel begins the history with its `x`."""
        old = state if isinstance(state, HistoryState) else self.remember(state)
        guide = self._pick(old, generator)
        q, prior = self.recognise(guide), self.model.prior()
        from_q = q.sample(generator=generator).view_as(old.z)
        from_prior = prior.sample(old.z.shape[:-1], generator=generator)
        coins = uniform(old.accepted.shape, generator=generator, like=old.x) < self.prior_share
        proposal = torch.where(coins[..., None], from_prior, from_q)

        z = torch.stack([old.z, proposal])  # (2, chains, batch, latent)
        shape = (2, *old.x.shape)
        likelihood, log_prior = self.decode(z), prior.log_prob(z)
        terms = likelihood.log_prob_terms(old.x.expand(shape).flatten(0, 2)).view(shape)
        log_joint = torch.where(old.observed, terms, 0).sum(-1) + log_prior
        log_q = q.log_prob(z.flatten(1, 2)).view_as(log_prior)
        log_mixture = torch.logaddexp(
            math.log(1 - self.prior_share) + log_q, math.log(self.prior_share) + log_prior
        )
        log_weights = log_joint - log_mixture
        chance = uniform(old.accepted.shape, generator=generator, like=old.x)
        accepted = chance.log() < log_weights[1] - log_weights[0]

        taken = accepted[..., None]
        draws = likelihood.sample(generator=generator).view(shape)
        mean = likelihood.mean.view(shape)
        left = replace(
            old,
            x=torch.where(old.observed, old.x, torch.where(taken, draws[1], draws[0])),
            z=torch.where(taken, proposal, old.z),
            log_joint=torch.where(accepted, log_joint[1], log_joint[0]),
            mean=torch.where(old.observed, old.x, torch.where(taken, mean[1], mean[0])),
            accepted=accepted,
            step=old.step + 1,
            # The old latents are left: what was drawn from them may guide from now on.
            available=torch.where(taken[..., None], old.pending, old.available),
            size=torch.where(accepted, min(old.seen, self.memory), old.size),
        )
        return self._note(left, generator)

    def remember(self, state: State) -> HistoryState:
        """A history of the one completed item of `state`."""
        slots = state.x[:, :, None].expand(-1, -1, self.memory, -1)
        known = {field.name: getattr(state, field.name) for field in fields(State)}
        return HistoryState(
            **known,
            available=slots,
            size=torch.ones_like(state.accepted, dtype=torch.int64),
            pending=slots,
            seen=1,
        )

    def _pick(self, state: HistoryState, generator: torch.Generator | None) -> Tensor:
        """One of the available items for each chain and image, ``(chains, batch, data)``."""
        chance = uniform(state.size.shape, generator=generator, like=state.x)
        slot = (chance * state.size).long().clamp(max=self.memory - 1)
        index = slot[..., None, None].expand(-1, -1, 1, state.x.shape[-1])
        return state.available.gather(2, index).squeeze(2)

    def _note(self, state: HistoryState, generator: torch.Generator | None) -> HistoryState:
        """The state with its new item among the pending ones, by reservoir sampling."""
        chance = uniform(state.size.shape, generator=generator, like=state.x)
        slot = (chance * (state.seen + 1)).long()  # kept where it falls on a slot
        if state.seen < self.memory:
            slot = torch.full_like(slot, state.seen)
        place = torch.arange(self.memory, device=slot.device) == slot[..., None]
        pending = torch.where(place[..., None], state.x[:, :, None], state.pending)
        return replace(state, pending=pending, seen=state.seen + 1)
