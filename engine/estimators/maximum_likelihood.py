"""Maximum likelihood, for the models whose density can be said."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from engine.estimators.base import Estimate, GradientEstimator
from engine.models.tractable import TractableModel
from engine.random import Generator


class MaximumLikelihood(GradientEstimator):
    """The gradient of log p(x) itself; nothing is drawn. `Estimate.elbo` is log p(x)."""

    objective = "log-likelihood"
    model_kind: ClassVar[str] = "tractable"
    latent_kinds: ClassVar[tuple[str, ...]] = ()

    def forward(
        self, model: TractableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """Log p(x) of the minibatch `x` ``(batch, data)``."""
        log_prob = model.log_prob(x)
        return Estimate(elbo=log_prob.detach(), loss=-log_prob.mean())
