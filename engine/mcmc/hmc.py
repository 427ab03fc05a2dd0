"""Hamiltonian Monte Carlo on any differentiable density, for many chains at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.checks import check_size
from engine.random import Generator, normal, uniform

__all__ = ["HMC", "DualAveraging", "HMCState", "StepSize", "warm_up"]

LogDensity = Callable[[Tensor], Tensor]
"""Positions ``(*chains, dims)`` to log-densities in nats ``(*chains,)``, up to a constant."""


@dataclass(frozen=True, slots=True)
class HMCState:
    """Where every chain stands: all that the next step needs, and how the last one went.

    Attributes:
        position: ``(*chains, dims)``.
        log_density: there, ``(*chains,)`` nats.
        gradient: of the log-density there, ``(*chains, dims)``.
        acceptance: probability with which the last proposal was to be taken, ``(*chains,)``; what
            a step size is tuned by. Ones before the first step.
        accepted: whether it was, bool ``(*chains,)``.
        step: transitions so far.
    """

    position: Tensor
    log_density: Tensor
    gradient: Tensor
    acceptance: Tensor
    accepted: Tensor
    step: int


class HMC:
    r"""Momentum r ~ N(0, I), L leapfrog steps of size eps, then a test of the end point.

    .. math:: \alpha = \min\bigl(1, \exp(\log p(z') - \tfrac12 \|r'\|^2
              - \log p(z) + \tfrac12 \|r\|^2)\bigr)

    Duane et al. (1987); Neal (2011), arXiv:1206.1901, Sec. 2. Chains do not depend on one another.
    A trajectory that ends where the density is not finite is rejected. Works under
    `torch.func.vmap` and with the draws of a `Replay`; nothing carries a gradient.

    Args:
        log_density: see `LogDensity`; differentiable in the position.
        leapfrog_steps: L, each one evaluation of the density and its gradient.

    Raises:
        ValueError: `leapfrog_steps` is below 1.
    """

    def __init__(self, log_density: LogDensity, *, leapfrog_steps: int = 10) -> None:
        self.log_density = log_density
        self.leapfrog_steps = check_size("leapfrog_steps", leapfrog_steps)

    def init(self, position: Tensor) -> HMCState:
        """Step 0 at `position`, ``(*chains, dims)``; one evaluation."""
        log_density, gradient = self._evaluate(position.detach())
        return HMCState(
            position=position.detach(),
            log_density=log_density,
            gradient=gradient,
            acceptance=torch.ones_like(log_density),
            accepted=torch.ones_like(log_density, dtype=torch.bool),
            step=0,
        )

    def step(
        self,
        state: HMCState,
        step_size: float | Tensor,
        *,
        generator: Generator | None = None,
    ) -> HMCState:
        """One transition of every chain.

        Args:
            step_size: eps, one number or one for each chain ``(*chains,)``.
        """
        with torch.no_grad():  # inside, not as a decorator, which torch.compile cannot trace
            start = normal(state.position.shape, generator=generator, like=state.position)
            chance = uniform(state.log_density.shape, generator=generator, like=state.position)
            position, momentum, log_density, gradient = self.leapfrog(
                state.position, start, state.gradient, step_size
            )
            gain = log_density - 0.5 * momentum.square().sum(-1)
            loss = state.log_density - 0.5 * start.square().sum(-1)
            ratio = torch.nan_to_num(gain - loss, nan=-torch.inf, posinf=-torch.inf)
            acceptance = ratio.clamp(max=0).exp()
            accepted = chance < acceptance
            moved = accepted.unsqueeze(-1)
            return HMCState(
                position=torch.where(moved, position, state.position),
                log_density=torch.where(accepted, log_density, state.log_density),
                gradient=torch.where(moved, gradient, state.gradient),
                acceptance=acceptance,
                accepted=accepted,
                step=state.step + 1,
            )

    def leapfrog(
        self, position: Tensor, momentum: Tensor, gradient: Tensor, step_size: float | Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """L steps of the dynamics: position, momentum, log-density and gradient at their end.

        Reversible (the end with its momentum turned round leads back) and volume-preserving.
        """
        if isinstance(step_size, Tensor):
            step_size = step_size.unsqueeze(-1)
        log_density = gradient.new_zeros(())
        for _ in range(self.leapfrog_steps):
            momentum = momentum + 0.5 * step_size * gradient
            position = position + step_size * momentum
            log_density, gradient = self._evaluate(position)
            momentum = momentum + 0.5 * step_size * gradient
        return position, momentum, log_density, gradient

    def _evaluate(self, position: Tensor) -> tuple[Tensor, Tensor]:
        """The log-density and its gradient, neither with a graph."""

        def total(point: Tensor) -> tuple[Tensor, Tensor]:
            value = self.log_density(point)
            return value.sum(), value

        gradient, value = torch.func.grad(total, has_aux=True)(position)
        return value.detach(), gradient.detach()


@dataclass(frozen=True, slots=True)
class StepSize:
    """A step size on its way to the target acceptance.

    Attributes:
        log_step: logarithm of the step to take next.
        log_average: logarithm of the average that is kept when the tuning ends.
        centre: what `log_step` is drawn to, mu of the paper.
        error: running mean of target less acceptance.
        count: updates so far.
    """

    log_step: Tensor
    log_average: Tensor
    centre: Tensor
    error: Tensor
    count: int

    @property
    def value(self) -> Tensor:
        """Eps to use while tuning."""
        return self.log_step.exp()

    @property
    def average(self) -> Tensor:
        """Eps to use from the end of the tuning on."""
        return self.log_average.exp()


@dataclass(frozen=True, slots=True)
class DualAveraging:
    """The step size by Nesterov's dual averaging (Hoffman and Gelman 2014, Sec. 3.2).

    Attributes:
        target: mean acceptance to reach.
        shrinkage, offset, decay: gamma, t_0 and kappa of the paper.

    Raises:
        ValueError: the target is not between 0 and 1.
    """

    target: float = 0.9
    shrinkage: float = 0.05
    offset: float = 10.0
    decay: float = 0.75

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise ValueError(f"`target` must lie between 0 and 1; got {self.target}.")

    def init(self, step_size: float | Tensor) -> StepSize:
        """Start at `step_size`, one number or one for each of several groups of chains.

        Raises:
            ValueError: a step size is not positive.
        """
        step = torch.as_tensor(step_size)
        if not bool((step > 0).all()):
            raise ValueError(f"`step_size` must be positive; got {step_size}.")
        log_step = step.log()
        return StepSize(log_step, log_step, (10 * step).log(), torch.zeros_like(log_step), 0)

    def update(self, state: StepSize, acceptance: Tensor) -> StepSize:
        """After a step with mean `acceptance`, of the shape of the step size."""
        count = state.count + 1
        share = 1 / (count + self.offset)
        error = (1 - share) * state.error + share * (self.target - acceptance)
        log_step = state.centre - count**0.5 / self.shrinkage * error
        weight = count**-self.decay
        log_average = weight * log_step + (1 - weight) * state.log_average
        return replace(state, log_step=log_step, log_average=log_average, error=error, count=count)


def warm_up(
    kernel: HMC,
    state: HMCState,
    *,
    steps: int,
    step_size: float = 0.1,
    target: float = 0.9,
    generator: Generator | None = None,
) -> tuple[HMCState, Tensor]:
    """`steps` transitions with a step size tuned to a mean acceptance of `target`.

    Returns:
        The state after them, and the step size for all chains to go on with, a scalar.

    Raises:
        ValueError: `steps` or `step_size` is not positive, or the target is not in (0, 1).
    """
    tuning = DualAveraging(target)
    size = tuning.init(torch.as_tensor(step_size).to(state.log_density))
    for _ in range(check_size("steps", steps)):
        state = kernel.step(state, size.value, generator=generator)
        size = tuning.update(size, state.acceptance.mean())
    return state, size.average
