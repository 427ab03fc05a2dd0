"""Training deep belief networks: the machine on top alone, or every weight together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor, nn

from engine.checks import check_size
from engine.estimators.base import Estimate
from engine.estimators.contrastive_divergence import PersistentContrastiveDivergence
from engine.estimators.multi_sample import VIMCO
from engine.models.base import GenerativeModel
from engine.models.dbn import DBN
from engine.models.rbm import RBM
from engine.random import Generator

__all__ = ["Greedy", "Joint"]

_MEAN_RATE = 0.01  # of the moving mean of the first layer


class Greedy(PersistentContrastiveDivergence):
    """The second layer of greedy training (Hinton, Osindero and Teh 2006): the top machine alone.

    Persistent chains fit the machine to z ~ q(z | x). With the first layer fixed that climbs the
    lower bound of log p(x), whose other terms do not change. `Estimate.elbo` is the machine's
    pseudo-log-likelihood of z.

    Args:
        model: a `DBN`, its first layer trained ([training] start = an RBM's checkpoint).
        steps, centring: see `PersistentContrastiveDivergence`.

    Raises:
        ValueError: the model is none or `steps` is below 1.
    """

    model_kind: ClassVar[str] = "latent"
    latent_kinds: ClassVar[tuple[str, ...]] = ("bernoulli",)
    prior_kinds: ClassVar[tuple[str, ...]] = ("energy",)

    def _build(self, machine: RBM, steps: int, centring: bool) -> None:
        super()._build(machine, steps, centring)
        self.objective = "elbo"

    def machine(self, model: GenerativeModel) -> RBM:
        """The machine on top."""
        if not isinstance(model, DBN):
            raise ValueError(f"`model` must be a DBN; got {type(model).__name__}.")
        return model.top

    def moved(self, model: GenerativeModel) -> Iterable[nn.Parameter]:
        """Those of the machine on top."""
        return self.machine(model).parameters()

    def forward(
        self, model: GenerativeModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One step for the minibatch `x` ``(batch, data)``."""
        assert isinstance(model, DBN)
        with torch.no_grad():
            z = model.recognition(model.corrupt(x, generator=generator)).sample(generator=generator)
            model.top.data_mean.lerp_(z.mean(0), _MEAN_RATE)
        return self.step(model.top, z, generator)


class Joint(VIMCO):
    r"""All weights of a deep belief network by the bound L_K, log Z by persistent chains.

    `VIMCO` with the prior known up to Z, whose gradient comes from the machine's particles, moved
    on by k Gibbs sweeps at each step:

    .. math:: \nabla \log Z = -\operatorname{E}_{z \sim p} \nabla F(z).

    Biased as far as the particles lag behind. `Estimate.elbo` lacks what log Z has changed since
    it was last estimated.

    Args:
        model: a `DBN`, best after greedy training.
        samples: K, at least 2 draws an item.
        steps: k.

    Raises:
        ValueError: the model's prior has no energy or a number is too small.
    """

    unbiased = False
    latent_kinds: ClassVar[tuple[str, ...]] = ("bernoulli",)
    prior_kinds: ClassVar[tuple[str, ...]] = ("energy",)

    def __init__(self, model: DBN, *, samples: int = 5, steps: int = 5) -> None:
        super().__init__(model, samples=samples)
        self.steps = check_size("steps", steps)

    def forward(self, model: DBN, x: Tensor, *, generator: Generator | None = None) -> Estimate:  # type: ignore[override]
        """One estimate for the minibatch `x` ``(batch, data)``; `elbo` is the one-sample bound."""
        top = model.top
        particles = top.gibbs(top.particles, self.steps, generator=generator)
        top.particles.copy_(particles)
        estimate = super().forward(model, x, generator=generator)
        # log Z enters the loss with a plus: its gradient, by the particles, with a value of zero
        energy = top.free_energy(particles).mean()
        return Estimate(estimate.elbo, estimate.loss - (energy - energy.detach()))
