"""Sigmoid belief networks (Neal 1992) with the recognition of Mnih and Gregor (2014)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from engine.autoregressive import AutoregressiveBernoulli, Links
from engine.checks import check_sizes
from engine.distributions import FactorizedBernoulli, Pixels
from engine.models.base import LatentVariableModel
from engine.nn import mlp
from engine.random import Generator

RECOGNITION = ("factorial", "autoregressive")

Bits = FactorizedBernoulli | AutoregressiveBernoulli


def _logits(network: nn.Module, bits: Tensor) -> Tensor:
    """The network's output for `bits` coded as -1 and +1, on which it learns fastest.

    In the dtype of `bits`: autocast may run the products in 16 bits, densities stay in 32.
    """
    return network(2 * bits - 1).to(bits.dtype)


class BeliefPrior:
    """p(z) = p(z_L) prod_l p(z_l | z_{l+1}) of a sigmoid belief network."""

    def __init__(self, model: SBN) -> None:
        self.model = model

    @property
    def mean(self) -> Tensor:
        """Mean-field probabilities ``(latent,)``: each layer at the mean of the one above."""
        layers = [self.model.layer_prior(len(self.model.layer_sizes) - 1, None).mean]
        for layer in reversed(range(len(self.model.transforms))):
            layers.insert(0, self.model.layer_prior(layer, layers[0]).mean)
        return torch.cat(layers, dim=-1)

    def sample(self, shape: Sequence[int] = (), *, generator: Generator | None = None) -> Tensor:
        """Ancestral draws, ``(*shape, latent)``."""
        blank = self.model.prior_logits.new_zeros(*shape, sum(self.model.layer_sizes))
        free = [False] * len(self.model.layer_sizes)
        return self.model.resample(blank, free, generator=generator)

    def log_prob_layers(self, z: Tensor) -> list[Tensor]:
        """Log p(z_l | z_{l+1}) for l = 1 to L in nats, each ``(*sample, batch)``."""
        layers = z.split(self.model.layer_sizes, dim=-1)
        pairs = enumerate(zip(layers, [*layers[1:], None], strict=True))
        return [self.model.layer_prior(i, above).log_prob(bits) for i, (bits, above) in pairs]

    def log_prob(self, value: Tensor) -> Tensor:
        """Log p(z) in nats, ``(*sample, batch)``."""
        return torch.stack(self.log_prob_layers(value)).sum(0)


class BeliefRecognition:
    """q(z | x) = q(z_1 | x) prod_l q(z_l | z_{l-1}), each factor over the bits of a layer.

    Bits of a layer are independent, or each depends on those before it (`SBN`, `recognition`).

    Args:
        model: its networks give the logits of every layer but the first.
        first_logits: of q(z_1 | x), ``(batch, units of layer 1)``.
        shifts: added to the logits of each layer above the first, ``(batch, units)`` each: what
            q is free in when it is fitted to single items. None adds nothing.
    """

    def __init__(
        self, model: SBN, first_logits: Tensor, shifts: Sequence[Tensor] | None = None
    ) -> None:
        self.model = model
        self.first_logits = first_logits
        self.shifts = shifts

    def layer(self, index: int, below: Tensor | None) -> Bits:
        """q(z_l | z_{l-1}) of the layer at index `index`, 0 for the one next to the data.

        Args:
            below: bits of the layer below, ``(*sample, batch, units)``; None for the first layer.
        """
        if below is None:
            return self.model.layer_recognition(0, self.first_logits)
        logits = _logits(self.model.recognisers[index], below)
        if self.shifts is not None:
            logits = logits + self.shifts[index - 1]
        return self.model.layer_recognition(index, logits)

    @property
    def mean(self) -> Tensor:
        """Mean-field probabilities ``(batch, latent)``: each layer at the mean of the one below."""
        layers = [self.layer(0, None).mean]
        for index in range(1, len(self.model.recognisers)):
            layers.append(self.layer(index, layers[-1]).mean)
        return torch.cat(layers, dim=-1)

    def sample(self, shape: Sequence[int] = (), *, generator: Generator | None = None) -> Tensor:
        """Bits, ``(*shape, batch, latent)``."""
        layers = [self.layer(0, None).sample(shape, generator=generator)]
        for index in range(1, len(self.model.recognisers)):
            # inside, not as a decorator, which torch.compile cannot trace here
            with torch.no_grad():
                bits = self.layer(index, layers[-1])
            layers.append(bits.sample(generator=generator))
        return torch.cat(layers, dim=-1)

    def log_prob_layers(self, z: Tensor) -> list[Tensor]:
        """Log q(z_l | z_{l-1}) for l = 1 to L in nats, each ``(*sample, batch)``."""
        layers = z.split(self.model.layer_sizes, dim=-1)
        pairs = enumerate(zip([None, *layers[:-1]], layers, strict=True))
        return [self.layer(i, below).log_prob(bits) for i, (below, bits) in pairs]

    def log_prob(self, value: Tensor) -> Tensor:
        """Log q(z | x) in nats, ``(*sample, batch)``."""
        return torch.stack(self.log_prob_layers(value)).sum(0)


class SBN(LatentVariableModel):
    """Layers of bits, each a logistic regression on (or a perceptron of) the layer above.

    The recognition mirrors the model layer by layer: q(z_1 | x), q(z_2 | z_1), ... (Mnih and
    Gregor 2014, arXiv:1402.0030, Sec. 4). Prior logits are learned. With an "autoregressive"
    recognition, the bits of a layer of q depend on those before them in their layer by links, so
    that q can choose between explanations that exclude each other.

    Args:
        data_dim: number of pixels, or of words.
        layers: units of each layer, the deepest last.
        hidden: widths of tanh layers between two stochastic layers; none makes them linear.
        recognition: within a layer of q, "factorial" or "autoregressive".
        likelihood: "bernoulli" pixels, or "multinomial" counts of words.
        input_noise, noise_rate: see `LatentVariableModel.corrupt`.

    Raises:
        ValueError: a size, a rate or a name is out of range.
    """

    latent_kind = "bernoulli"

    def __init__(
        self,
        data_dim: int,
        layers: Sequence[int] = (200,),
        hidden: Sequence[int] = (),
        *,
        recognition: str = "factorial",
        likelihood: str = "bernoulli",
        input_noise: str = "none",
        noise_rate: float = 0.0,
    ) -> None:
        super().__init__(
            data_dim,
            layers,
            likelihood=likelihood,
            input_noise=input_noise,
            noise_rate=noise_rate,
        )
        hidden = check_sizes("hidden", hidden)
        if recognition not in RECOGNITION:
            raise ValueError(f"`recognition` must be one of {RECOGNITION}; got {recognition!r}.")
        self.factorial_recognition = recognition == "factorial"
        self.config = {
            "data_dim": self.data_dim,
            "layers": list(self.layer_sizes),
            "hidden": list(hidden),
            "recognition": recognition,
            "likelihood": likelihood,
            "input_noise": input_noise,
            "noise_rate": noise_rate,
        }
        sizes = self.layer_sizes
        pairs = list(pairwise(sizes))
        self.prior_logits = nn.Parameter(torch.zeros(sizes[-1]))
        self.transforms = nn.ModuleList(mlp(above, hidden, below) for below, above in pairs)
        self.decoder = mlp(sizes[0], hidden, data_dim)
        self.recognisers = nn.ModuleList(
            mlp(below, hidden[::-1], above) for below, above in [(data_dim, sizes[0]), *pairs]
        )
        self.recognition_links = nn.ModuleList(
            Links(size) for size in sizes if not self.factorial_recognition
        )
        self.add_links()
        self.reset_parameters()

    def add_links(self) -> None:
        """Where a subclass makes the links of its p: called once, before weights are drawn."""

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Glorot-uniform weights; prior logits, biases and links within layers at zero."""
        super().reset_parameters(generator)
        nn.init.zeros_(self.prior_logits)
        for module in self.modules():
            if isinstance(module, Links):
                module.reset_parameters()

    def layer_prior(self, layer: int, above: Tensor | None) -> Bits:
        """p(z_l | z_{l+1}) of the layer at index `layer`; p(z_L), without a batch, for the last.

        Args:
            layer: 0 for the one next to the data.
            above: bits of the layer above, ``(*batch, units)``; None for the last layer.
        """
        if above is None:
            return self.prior_bits(layer, self.prior_logits)
        return self.prior_bits(layer, _logits(self.transforms[layer], above))

    def prior_bits(self, layer: int, logits: Tensor) -> Bits:
        """The bits of a layer of p with the `logits` that the layer above gives."""
        return FactorizedBernoulli(logits)

    def layer_recognition(self, layer: int, logits: Tensor) -> Bits:
        """The bits of a layer of q with the `logits` that the layer below gives."""
        if self.factorial_recognition:
            return FactorizedBernoulli(logits)
        bits: AutoregressiveBernoulli = self.recognition_links[layer](logits)
        return bits

    def prior(self) -> BeliefPrior:
        """p(z), ancestral from the deepest layer."""
        return BeliefPrior(self)

    def likelihood(self, z: Tensor) -> Pixels:
        """p(x | z_1), independent bits or words."""
        return self.pixels(_logits(self.decoder, z[..., : self.layer_sizes[0]]))

    def recognition(self, x: Tensor) -> BeliefRecognition:
        """q(z | x), layer by layer."""
        return BeliefRecognition(self, self.recognisers[0](self.centre(x)).to(x.dtype))

    def resample(
        self, z: Tensor, keep: Sequence[bool], *, generator: Generator | None = None
    ) -> Tensor:
        """Draw the layers that are not kept, from the deepest down, each given the one above."""
        self._check_layers(z, keep)
        old = z.detach().split(self.layer_sizes, dim=-1)
        new: list[Tensor] = []
        for layer in reversed(range(len(old))):
            if keep[layer]:
                new.insert(0, old[layer])
                continue
            # inside, not as a decorator, which torch.compile cannot trace here
            with torch.no_grad():
                prior = self.layer_prior(layer, new[0] if new else None)
            shape = () if new else old[layer].shape[:-1]
            new.insert(0, prior.sample(shape, generator=generator))
        return torch.cat(new, dim=-1)

    def generative_modules(self) -> Sequence[nn.Module]:
        """The networks from the deepest layer to the data."""
        return (self.transforms, self.decoder)

    def generative_parameters(self) -> list[nn.Parameter]:  # type: ignore[override]
        """Those of the networks, and the prior logits."""
        return [self.prior_logits, *super().generative_parameters()]

    def recognition_modules(self) -> Sequence[nn.Module]:
        """The networks from the data to the deepest layer, and the links within layers."""
        return (self.recognisers, self.recognition_links)

    def output_network(self) -> nn.Sequential:
        """The network of the pixels."""
        return self.decoder
