"""Gibbs sampling with a trajectory of Hamiltonian Monte Carlo for latents that are real."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from engine.checks import check_size
from engine.mcmc.gibbs import Gibbs
from engine.mcmc.hmc import HMC, DualAveraging, LogDensity, StepSize
from engine.mcmc.kernel import State
from engine.models.base import LatentVariableModel
from engine.random import uniform

__all__ = ["HamiltonianGibbs", "TunedState"]

FIRST_STEP = 0.25
"""Where the tuning begins: the latents are N(0, I) a priori."""

JITTER = 0.2
"""Step sizes vary by as much, either way: a fixed trajectory can come back to where it began."""


@dataclass(frozen=True, slots=True)
class TunedState(State):
    """A `State` with the step size of each image.

    Attributes:
        step_size: of each image ``(batch,)``; the mean acceptance of its chains tunes it.
    """

    step_size: StepSize


class HamiltonianGibbs(Gibbs):
    r"""z by a trajectory of HMC on p(z | x_o), then x_m ~ p(x_m | z) exactly.

    As the missing pixels are drawn afresh from their conditional law, they need not be in the way
    of the latents: log p(z) + sum over the observed pixels of log p(x_i | z) is what the
    trajectory moves on. No recognition model is used but for the start. Exact for any decoder;
    modes far apart are crossed rarely. Duane et al. (1987); Neal (2011), arXiv:1206.1901.

    Args:
        model: with Gaussian latents.
        leapfrog_steps: of a trajectory.
        target: mean acceptance that the step sizes are tuned to.
        tune: transitions over which they are, the first of a chain; then they stay.

    Raises:
        ValueError: the latents are not Gaussian, or a number is out of range.
    """

    def __init__(
        self,
        model: LatentVariableModel,
        *,
        leapfrog_steps: int = 10,
        target: float = 0.8,
        tune: int = 40,
    ) -> None:
        super().__init__(model)
        if getattr(model, "latent_kind", "gaussian") != "gaussian":
            raise ValueError(
                "`method` 'hmc' needs a `model` with Gaussian latents; those of "
                f"{type(model).__name__} are {model.latent_kind}. Take 'ac-mwg' for bits."
            )
        self.leapfrog_steps = check_size("leapfrog_steps", leapfrog_steps)
        self.tuning, self.tune = DualAveraging(target), tune

    def step(self, state: State, *, generator: torch.Generator | None = None) -> TunedState:
        """One transition; a state of another kernel begins the tuning."""
        if isinstance(state, TunedState):
            size = state.step_size
        else:
            size = self.tuning.init(state.x.new_full(state.x.shape[1:2], FIRST_STEP))
        tunes = size.count < self.tune
        with torch.no_grad():
            chance = uniform(state.accepted.shape, generator=generator, like=state.x)
            factor = 1 + JITTER * (2 * chance - 1)
            kernel = HMC(self._target(state), leapfrog_steps=self.leapfrog_steps)
            step_size = size.value if tunes else size.average
            moved = kernel.step(kernel.init(state.z), step_size * factor, generator=generator)
            if tunes:
                size = self.tuning.update(size, moved.acceptance.mean(0))
            likelihood = self.decode(moved.position)
            draw = likelihood.sample(generator=generator).view_as(state.x)
        known = {field.name: getattr(state, field.name) for field in fields(State)}
        known |= {
            "x": torch.where(state.observed, state.x, draw),
            "z": moved.position,
            "log_joint": moved.log_density,
            "mean": torch.where(state.observed, state.x, likelihood.mean.view_as(state.x)),
            "accepted": moved.accepted,
            "step": state.step + 1,
        }
        return TunedState(**known, step_size=size)

    def _target(self, state: State) -> LogDensity:
        """Log p(x_o, z) as a function of z ``(chains, batch, latent)``."""

        def log_joint(z: Tensor) -> Tensor:
            terms = self.model.likelihood(z).log_prob_terms(state.x)
            return (terms * state.observed).sum(-1) + self.model.prior().log_prob(z)

        return log_joint
