"""Training deep belief networks: the machine on top alone, or every weight together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor, nn

from engine.checks import check_size
from engine.estimators.base import Estimate
from engine.estimators.contrastive_divergence import PersistentContrastiveDivergence
from engine.estimators.multi_sample import vimco
from engine.models.base import GenerativeModel
from engine.models.dbn import DBN
from engine.models.rbm import RBM
from engine.random import Generator, uniform

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
        return self.climb(model.top, z, generator)

    def climb(self, machine: RBM, z: Tensor, generator: Generator | None) -> Estimate:
        """One step of `machine` for the states `z` of the first layer, whose mean it keeps."""
        machine.data_mean.lerp_(z.mean(0), _MEAN_RATE)
        return self.step(machine, z, generator)


class Joint(Greedy):
    r"""All weights of a deep belief network by the bound L_K, log Z by persistent chains.

    `VIMCO` for the first layer, both ways. The machine on top climbs the same bound: its part is

    .. math:: \nabla L_K = -\sum_k w_k \nabla F(z_k) + \operatorname{E}_{z \sim p} \nabla F(z),

    so that it takes the step of `Greedy` for one draw an item, chosen with the weights w_k. Biased
    as far as the particles lag behind. `Estimate.elbo` lacks what log Z has changed since it was
    last estimated.

    Args:
        model: a `DBN`, best after greedy training.
        samples: K, at least 2 draws an item.
        steps, centring: see `PersistentContrastiveDivergence`.

    Raises:
        ValueError: the model is none or a number is too small.
    """

    def __init__(
        self, model: DBN, *, samples: int = 5, steps: int = 5, centring: bool = True
    ) -> None:
        super().__init__(model, steps=steps, centring=centring)
        self.samples = check_size("samples", samples, least=2)
        self.evaluations = self.samples + self.steps
        self.objective = f"iwae-{self.samples}"

    def moved(self, model: GenerativeModel) -> Iterable[nn.Parameter]:
        """All."""
        return model.parameters()

    def forward(
        self, model: GenerativeModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``; `elbo` is the one-sample bound."""
        assert isinstance(model, DBN)
        q = model.recognition(model.corrupt(x, generator=generator))
        z = q.sample((self.samples,), generator=generator)
        # the machine's own step, below, moves its weights: here they stand still
        log_joint = model.likelihood(z).log_prob(x) + model.prior().log_prob(z).detach()
        log_q = q.log_prob(z)
        below = vimco(log_joint, log_q)
        with torch.no_grad():
            # Gumbel noise: the largest sum is the k-th with the probability w_k
            noise = uniform(log_q.shape, generator=generator, like=x)
            chosen = (log_joint - log_q - (-noise.log()).log()).argmax(0)
            z = z[chosen, torch.arange(len(x), device=x.device)]
        above = self.climb(model.top, z, generator)
        return Estimate(below.elbo, below.loss + above.loss)
