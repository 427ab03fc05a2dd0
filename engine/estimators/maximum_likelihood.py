"""Maximum likelihood, for the models whose density can be said."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from engine.estimators.base import Estimate, GradientEstimator
from engine.models.tractable import TractableModel
from engine.random import Generator


class MaximumLikelihood(GradientEstimator):
    """The gradient of log p(x) itself; `Estimate.elbo` is log p(x).

    Nothing is drawn, but for the drop-out of a model that has it and is in training mode.
    """

    objective = "log-likelihood"
    model_kind: ClassVar[str] = "tractable"
    latent_kinds: ClassVar[tuple[str, ...]] = ()

    def forward(
        self, model: TractableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """Log p(x) of the minibatch `x` ``(batch, data)``."""
        log_prob = model.noisy_log_prob(x, generator=generator)
        return Estimate(elbo=log_prob.detach(), loss=-log_prob.mean())
