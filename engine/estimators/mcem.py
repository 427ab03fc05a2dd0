"""Monte Carlo EM: latents from the posterior by Hamiltonian Monte Carlo."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.checks import check_positive, check_size
from engine.estimators.base import Estimate, GradientEstimator
from engine.mcmc.hmc import HMC
from engine.models.base import LatentVariableModel
from engine.random import Generator, normal

__all__ = ["MCEM", "STARTS"]

STARTS = ("recognition", "prior")
_ADAPTATION = 0.1


class MCEM(GradientEstimator):
    r"""Monte Carlo EM with HMC, as in Kingma and Welling (2014), App. E; Gaussian latents.

    .. math:: \nabla_\theta \log p(x) = E_{p(z \mid x)}[\nabla_\theta \log p(x, z)]

    with z the end of `trajectories` trajectories of HMC on p(x, z), started at a draw of q(z | x)
    or of the prior. The chain is short and forgets its start in part only: biased for log p(x),
    the less the more trajectories. The step size follows the mean acceptance of each minibatch to
    `acceptance` while in training mode, and stays in evaluation mode.

    The recognition learns to give such z, by the gradient of log q(z | x): it is a better start
    for the next chains, and what `elbo` is measured with. With start "prior" p learns as if there
    were no recognition, as in the paper. There each z serves five updates; here one, so that runs
    of equal length are to be compared by data seen.

    Args:
        trajectories: accepted or not, an item and call.
        leapfrog_steps: of each trajectory.
        step_size: at the start.
        acceptance: that the step size is tuned to.
        start: "recognition" or "prior".
    """

    latent_kinds = ("gaussian",)
    objective = "log-likelihood"
    unbiased = False
    log_step_size: Tensor

    def __init__(
        self,
        model: LatentVariableModel,
        *,
        trajectories: int = 1,
        leapfrog_steps: int = 10,
        step_size: float = 0.1,
        acceptance: float = 0.9,
        start: str = "recognition",
    ) -> None:
        super().__init__(model)
        if start not in STARTS:
            raise ValueError(f"`start` must be one of {STARTS}; got {start!r}.")
        if check_positive("acceptance", acceptance) >= 1:
            raise ValueError(f"`acceptance` must lie between 0 and 1; got {acceptance}.")
        step_size = check_positive("step_size", step_size)
        self.trajectories = check_size("trajectories", trajectories)
        self.leapfrog_steps = check_size("leapfrog_steps", leapfrog_steps)
        self.acceptance, self.start = acceptance, start
        # the start of the chain, every leapfrog step, and the gradient for the parameters
        self.evaluations = 2 + trajectories * leapfrog_steps
        self.register_buffer("log_step_size", torch.tensor(math.log(step_size)))

    def forward(
        self, model: LatentVariableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``."""
        q = model.recognition(model.corrupt(x, generator=generator))
        first = q.sample(generator=generator)
        with torch.no_grad():
            elbo = model.log_joint(x, first) - q.log_prob(first)
            if self.start == "prior":
                first = normal(first.shape, generator=generator, like=first)
            kernel = HMC(lambda z: model.log_joint(x, z), leapfrog_steps=self.leapfrog_steps)
            state = kernel.init(first)
            for _ in range(self.trajectories):
                state = kernel.step(state, self.log_step_size.exp(), generator=generator)
                if self.training:
                    error = state.acceptance.mean() - self.acceptance
                    self.log_step_size.add_(_ADAPTATION * error.to(self.log_step_size))
        z = state.position
        loss = -(model.log_joint(x, z) + q.log_prob(z)).mean()
        return Estimate(elbo, loss)
