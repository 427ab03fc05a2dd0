"""The contract of the models whose density is known up to a factor."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from engine.models.base import GenerativeModel


class EnergyModel(GenerativeModel):
    """p(x) = exp(-F(x)) / Z with the free energy F, where Z is a sum over too many states.

    Attributes:
        log_partition: log Z as last estimated (`engine.evaluation.partition.settle`), a buffer
            without axes; nothing keeps it right while the weights move.
    """

    kind = "energy"
    log_partition: Tensor

    def __init__(self, data_dim: int) -> None:
        super().__init__(data_dim)
        self.register_buffer("log_partition", torch.zeros(()))

    @abstractmethod
    def free_energy(self, x: Tensor) -> Tensor:
        """F(x) in nats, ``(batch,)``, for `x` ``(batch, data)``; the lower, the likelier.

        Raises:
            ValueError: the shape of `x` is wrong.
        """

    def log_prob(self, x: Tensor) -> Tensor:
        """Log p(x) in nats, ``(batch,)``, as right as `log_partition` is.

        Raises:
            ValueError: the shape of `x` is wrong.
        """
        return -self.free_energy(x) - self.log_partition

    @abstractmethod
    def log_partition_exact(self) -> Tensor:
        """Log Z in nats, a scalar, by enumeration.

        Raises:
            ValueError: the model has too many states to sum over.
        """
