"""The contract of the models whose density is known up to a factor."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from engine.models.base import GenerativeModel


class EnergyModel(GenerativeModel):
    """p(x) = exp(-F(x)) / Z with the free energy F, where Z is a sum over too many states."""

    kind = "energy"

    @abstractmethod
    def free_energy(self, x: Tensor) -> Tensor:
        """F(x) in nats, ``(batch,)``, for `x` ``(batch, data)``; the lower, the likelier.

        Raises:
            ValueError: the shape of `x` is wrong.
        """

    @abstractmethod
    def log_partition_exact(self) -> Tensor:
        """Log Z in nats, a scalar, by enumeration.

        Raises:
            ValueError: the model has too many states to sum over.
        """
