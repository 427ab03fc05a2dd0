"""Deep belief networks (Hinton, Osindero and Teh 2006) of two layers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from engine.checks import check_sizes
from engine.distributions import FactorizedBernoulli
from engine.models.base import LatentVariableModel
from engine.models.rbm import RBM
from engine.nn import initialise, mlp
from engine.random import Generator

__all__ = ["DBN", "MachinePrior"]


class MachinePrior:
    """p(z) of the visible units z of a restricted Boltzmann machine, event ``(latent,)``."""

    def __init__(self, machine: RBM) -> None:
        self.machine = machine

    @property
    def mean(self) -> Tensor:
        """Mean of the machine's particles, ``(latent,)``."""
        return self.machine.particles.mean(0)

    @torch.no_grad()
    def sample(self, shape: Sequence[int] = (), *, generator: Generator | None = None) -> Tensor:
        """The ends of Gibbs chains, ``(*shape, latent)``: see `RBM.sample`."""
        flat = self.machine.sample(math.prod(shape), generator=generator)
        return flat.reshape(*shape, self.machine.data_dim)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log p(z) in nats, ``(*sample, batch)``, as right as the machine's `log_partition` is."""
        rows = value.reshape(-1, self.machine.data_dim)
        return self.machine.log_prob(rows).reshape(value.shape[:-1])


class DBN(LatentVariableModel):
    r"""A machine over two layers of bits, and the pixels below it.

    .. math:: p(x, z) = p(x \mid z) \tfrac1Z e^{-F(z)}

    with independent pixels given z, and the free energy F of a restricted Boltzmann machine whose
    hidden units, the second layer, are summed out. q(z | x) is factorial. Greedy training takes
    the first layer from a trained RBM, upwards and downwards, and fits the machine above to
    the states that it gives the data ("greedy"); "joint" moves all of it on. Where the second layer
    is as wide as the data or wider, the machine above starts as that RBM turned over, and so the
    network as good as it, its bound tight (Hinton, Osindero and Teh 2006, Sec. 4).

    Samples come from Gibbs chains in the machine on top, and then one step down.

    Args:
        data_dim: number of pixels.
        layers: units of the first layer z and of the second.
        particles: chains of the machine on top.
        input_noise, noise_rate: see `LatentVariableModel.corrupt`.

    Raises:
        ValueError: there are not two layers, or a size, a rate or a name is out of range.
    """

    latent_kind = "bernoulli"
    prior_kind = "energy"

    def __init__(
        self,
        data_dim: int,
        layers: Sequence[int] = (500, 2000),
        *,
        particles: int = 100,
        input_noise: str = "none",
        noise_rate: float = 0.0,
    ) -> None:
        sizes = check_sizes("layers", layers, fewest=2)
        if len(sizes) != 2:
            raise ValueError(f"`layers` must be two widths; got {layers!r}.")
        super().__init__(data_dim, sizes[:1], input_noise=input_noise, noise_rate=noise_rate)
        self.decoder = mlp(sizes[0], (), data_dim)
        self.recogniser = mlp(data_dim, (), sizes[0])
        self.top = RBM(sizes[0], sizes[1], particles=particles)
        self.config = {
            "data_dim": self.data_dim,
            "layers": list(sizes),
            "particles": len(self.top.particles),
            "input_noise": input_noise,
            "noise_rate": noise_rate,
        }
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Glorot-uniform weights below; see `RBM.reset_parameters` for the machine."""
        initialise(self, generator)
        self.top.reset_parameters(generator)
        with torch.no_grad():
            self.top.data_mean.fill_(0.5)

    def prior(self) -> MachinePrior:
        """p(z), by the machine on top."""
        return MachinePrior(self.top)

    def likelihood(self, z: Tensor) -> FactorizedBernoulli:
        """p(x | z), independent bits."""
        return FactorizedBernoulli(self.decoder(z).to(z.dtype))

    def recognition(self, x: Tensor) -> FactorizedBernoulli:
        """q(z | x), independent bits."""
        return FactorizedBernoulli(self.recogniser(x).to(x.dtype))

    def weights_of(self, other: nn.Module) -> Mapping[str, Tensor]:
        """The state of another DBN, or a trained RBM as the first layer, both ways."""
        if not isinstance(other, RBM):
            return super().weights_of(other)
        weights = {
            "decoder.0.weight": other.weight,
            "decoder.0.bias": other.visible_bias,
            "recogniser.0.weight": other.weight.T,
            "recogniser.0.bias": other.hidden_bias,
            "data_mean": other.data_mean,
        }
        if self.top.hidden < self.data_dim or other.weight.shape != self.decoder[0].weight.shape:
            return weights
        return weights | self._turned_over(other)

    @torch.no_grad()
    def _turned_over(self, other: RBM) -> dict[str, Tensor]:
        """The state of the machine on top whose hidden units are the pixels of an RBM, and more."""
        top, width = self.top, other.data_dim
        # Small enough that the units beyond the pixels change nothing yet, but not all alike.
        weight, bias = 0.1 * top.weight, torch.zeros_like(top.hidden_bias)
        weight[:, :width], bias[:width] = other.weight.T, other.visible_bias
        hidden = (other.hidden_logits(other.particles) > 0).to(weight.dtype)
        rows = torch.arange(len(top.particles), device=hidden.device) % len(hidden)
        return {
            "top.weight": weight,
            "top.hidden_bias": bias,
            "top.visible_bias": other.hidden_bias,
            "top.particles": hidden[rows],
            "top.data_mean": hidden.mean(0),
            "top.log_partition": other.log_partition + (top.hidden - width) * math.log(2),
        }

    def generative_modules(self) -> Sequence[nn.Module]:
        """The machine on top and the network of the pixels."""
        return (self.top, self.decoder)

    def recognition_modules(self) -> Sequence[nn.Module]:
        """The network of q."""
        return (self.recogniser,)

    def output_network(self) -> nn.Sequential:
        """The network of the pixels."""
        return self.decoder
