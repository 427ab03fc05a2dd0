"""The contract of the models whose density can be said outright."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from engine.models.base import GenerativeModel
from engine.random import Generator


class TractableModel(GenerativeModel):
    """A model with a normalised density: `log_prob` of every x, no bound and no sampling.

    Attributes:
        terms: how many densities `log_prob` averages one after the other, its price (an ensemble
            over orderings has many); 1 for a plain density.
    """

    kind = "tractable"

    @property
    def terms(self) -> int:
        """See the class."""
        return 1

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Log p(x) in nats, ``(batch,)``, for `x` ``(batch, data)``.

        Raises:
            ValueError: the shape of `x` is wrong.
        """

    def noisy_log_prob(self, x: Tensor, *, generator: Generator | None = None) -> Tensor:
        """What training climbs: `log_prob` under the model's drop-out, where it has any.

        In evaluation mode, and by default, `log_prob` itself.
        """
        return self.log_prob(x)

    def quick_log_prob(self, x: Tensor, terms: int) -> Tensor:
        """Log-density of the average of the first `terms` of the model's densities alone.

        A normalised density as well, `log_prob` itself where `terms` is `self.terms` or more:
        what validation looks at where all of them would cost too much.
        """
        return self.log_prob(x)
