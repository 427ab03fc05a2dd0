"""The contract of every model, and of those with latent variables."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine import nn as networks
from engine.checks import check_rate, check_size, check_sizes
from engine.distributions import (
    DiagonalNormal,
    Distribution,
    FactorizedBernoulli,
    Multinomial,
    PixelDistribution,
    Pixels,
)
from engine.random import Generator, uniform

SCALE_FLOOR = 2 / 255
INPUT_NOISE = ("none", "bit-flip", "drop-out")


class GenerativeModel(nn.Module, ABC):
    """p(x) with parameters, from which items can be drawn.

    `x` is ``(batch, data)``; densities are in nats per item and higher is better.

    Attributes:
        kind: how p(x) is had: "latent" models bound it, "tractable" ones say it
            (`TractableModel.log_prob`), "energy" ones know it up to a factor
            (`EnergyModel.free_energy`).
        likelihood_kind: what an item is made of: "bernoulli" or "gaussian" pixels, or
            "multinomial" counts of words.
        config: the constructor's arguments, plain numbers, words and lists.
        data_mean: mean of the training items ``(data,)``, a buffer.

    Args:
        data_dim: number of observed variables.

    Raises:
        ValueError: `data_dim` is not a whole number from 1 on.
    """

    kind: ClassVar[Literal["latent", "tractable", "energy"]]
    likelihood_kind: str = "bernoulli"
    data_mean: Tensor

    def __init__(self, data_dim: int) -> None:
        super().__init__()
        self.data_dim = check_size("data_dim", data_dim)
        self.config: dict[str, Any] = {}
        self.register_buffer("data_mean", torch.zeros(self.data_dim))

    @abstractmethod
    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """`n` items ``(n, data)``.

        Raises:
            ValueError: `n` is negative.
        """

    @torch.no_grad()
    def set_data_mean(self, mean: Tensor) -> None:
        """Keep `mean` ``(data,)``; subclasses start from it what can start there.

        Raises:
            ValueError: the shape of `mean` is wrong.
        """
        if mean.shape != (self.data_dim,):
            raise ValueError(f"`mean` must have shape ({self.data_dim},); got {tuple(mean.shape)}.")
        self.data_mean.copy_(mean)

    def base_logits(self) -> Tensor:
        """Logits ``(data,)`` of the data's mean, kept finite: where bits start."""
        return self.data_mean.clamp(0.001, 0.999).logit()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights anew (Glorot-uniform, zero biases)."""
        networks.initialise(self, generator)

    def weights_of(self, other: nn.Module) -> Mapping[str, Tensor]:
        """The state of `other`, a trained model to start from, by the names of this one's."""
        return other.state_dict()

    def generative_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters of p: by default all."""
        yield from self.parameters()

    def recognition_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters of q(z | x), where there is one."""
        yield from ()

    def check_items(self, x: Tensor) -> None:
        """Refuse what is not ``(batch, data)``.

        Raises:
            ValueError: the shape of `x` is wrong.
        """
        if x.ndim != 2 or x.shape[1] != self.data_dim:
            raise ValueError(f"`x` must be (batch, {self.data_dim}); got {tuple(x.shape)}.")


def check_count(n: int) -> int:
    """`n` items to draw, or a ValueError."""
    if n < 0:
        raise ValueError(f"`n` must not be negative; got {n}.")
    return n


def check_bits(x: Tensor) -> None:
    """Refuse grey values.

    Raises:
        ValueError: `x` holds something else than 0 and 1.
    """
    if not bool(((x == 0) | (x == 1)).all()):
        raise ValueError("`x` must hold bits, 0 or 1; got other values.")


def check_independent_pixels(model: LatentVariableModel, what: str) -> None:
    """Refuse `what`, which takes p(x | z) apart by pixels, where they are linked given z.

    Raises:
        ValueError: the model links its pixels.
    """
    if not getattr(model, "independent_pixels", True):
        raise ValueError(
            f"{what} needs pixels that are independent given the latents, as p(x_m | x_o, z) "
            f"has no closed form otherwise; those of {type(model).__name__} are linked. Use a "
            "model without links among its pixels, such as 'fdarn' or 'sbn'."
        )


class LatentVariableModel(GenerativeModel):
    """p(x, z) = p(z) p(x | z) with a recognition model q(z | x).

    `x` is ``(batch, data)``; latents of several layers lie side by side on the last axis, `z` is
    ``(*sample, batch, latent)``. Everything is in nats per item and higher is better.

    Attributes:
        latent_kind: "gaussian" or "bernoulli".
        likelihoods: what `likelihood` may be.
        independent_pixels: given z, so that p(x_m | x_o, z) = p(x_m | z) for a part x_m of them.

    Args:
        data_dim: number of observed variables.
        layer_sizes: latent units by layer, the deepest last.
        likelihood: one of the class's `likelihoods`.
        input_noise: what `corrupt` does to the recognition's input while training.
        noise_rate: share of the pixels that it changes.

    Raises:
        ValueError: a size is not a whole number from 1 on, the likelihood or the noise is unknown,
            or the rate of the noise is not in [0, 1).
    """

    kind = "latent"
    latent_kind: ClassVar[Literal["gaussian", "bernoulli"]]
    prior_kind: ClassVar[Literal["density", "energy"]] = "density"
    likelihoods: ClassVar[tuple[str, ...]] = ("bernoulli", "multinomial")
    independent_pixels: ClassVar[bool] = True

    def __init__(
        self,
        data_dim: int,
        layer_sizes: Sequence[int],
        *,
        likelihood: str = "bernoulli",
        input_noise: str = "none",
        noise_rate: float = 0.0,
    ) -> None:
        super().__init__(data_dim)
        if likelihood not in self.likelihoods:
            raise ValueError(f"`likelihood` must be one of {self.likelihoods}; got {likelihood!r}.")
        if input_noise not in INPUT_NOISE:
            raise ValueError(f"`input_noise` must be one of {INPUT_NOISE}; got {input_noise!r}.")
        if (likelihood, input_noise) == ("multinomial", "bit-flip"):
            raise ValueError(
                "`input_noise` must be 'none' or 'drop-out' for counts; got 'bit-flip'."
            )
        self.likelihood_kind = likelihood
        self.layer_sizes = check_sizes("layers", layer_sizes, fewest=1)
        self.input_noise = input_noise
        self.noise_rate = check_rate("noise_rate", noise_rate)

    @abstractmethod
    def prior(self) -> Distribution:
        """p(z), event ``(latent,)``."""

    @abstractmethod
    def likelihood(self, z: Tensor) -> PixelDistribution:
        """p(x | z), batch ``(*sample, batch)``, event ``(data,)``."""

    @abstractmethod
    def recognition(self, x: Tensor) -> Distribution:
        """q(z | x), batch ``(batch,)``, event ``(latent,)``."""

    @abstractmethod
    def generative_modules(self) -> Sequence[nn.Module]:
        """The modules that p(x, z) uses."""

    @abstractmethod
    def recognition_modules(self) -> Sequence[nn.Module]:
        """The modules that q(z | x) uses."""

    @abstractmethod
    def output_network(self) -> nn.Sequential:
        """The network whose last layer gives the logits or the mean of x."""

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """Log p(x, z) in nats, ``(*sample, batch)``."""
        return self.likelihood(z).log_prob(x) + self.prior().log_prob(z)

    @torch.no_grad()
    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """X by ancestral sampling, ``(n, data)``.

        Raises:
            ValueError: `n` is negative.
        """
        z = self.prior().sample((check_count(n),), generator=generator)
        return self.likelihood(z).sample(generator=generator)

    @torch.no_grad()
    def resample(
        self, z: Tensor, keep: Sequence[bool], *, generator: Generator | None = None
    ) -> Tensor:
        """Draw the layers that are not kept from the prior, given the layers above them.

        Args:
            z: ``(batch, latent)``; not changed.
            keep: one flag a layer, in the order of `layer_sizes`.

        Raises:
            ValueError: the number of flags or the width of `z` is wrong.
        """
        self._check_layers(z, keep)
        fresh = self.prior().sample(z.shape[:-1], generator=generator)
        old, new = z.split(self.layer_sizes, -1), fresh.split(self.layer_sizes, -1)
        return torch.cat([a if k else b for a, b, k in zip(old, new, keep, strict=True)], dim=-1)

    def corrupt(self, x: Tensor, *, generator: Generator | None = None) -> Tensor:
        """The recognition's input while training: `x` with `input_noise`; `x` itself otherwise.

        A noisy recognition input is a regulariser of q alone (the likelihood sees the clean x), so
        the objective stays a lower bound of log p(x). Rezende et al. (2014), Sec. 5, use it
        against over-fitting.
        """
        if not self.training or self.input_noise == "none" or self.noise_rate == 0:
            return x
        hit = uniform(x.shape, generator=generator, like=x) < self.noise_rate
        return torch.where(hit, 1 - x if self.input_noise == "bit-flip" else self.data_mean, x)

    def centre(self, x: Tensor) -> Tensor:
        """What the recognition and the baselines read: `x` ``(batch, data)`` less its mean.

        Of counts the logarithm of 1 + count: documents differ in length a thousandfold, and how
        often a word comes again says much less than that it comes at all.
        """
        if self.likelihood_kind == "multinomial":
            return x.log1p() - self.data_mean.log1p()
        return x - self.data_mean

    def pixels(self, output: Tensor) -> Pixels:
        """p(x | network output): the output is logits, of bits or of words."""
        if self.likelihood_kind == "multinomial":
            return Multinomial(output)
        return FactorizedBernoulli(output)

    @torch.no_grad()
    def set_data_mean(self, mean: Tensor) -> None:
        """Centre the recognition's input on `mean` ``(data,)`` and start the output there.

        The output bias becomes the logit of the mean, as in the benchmark of Maddison et al.
        (2017), arXiv:1611.00712, App. F; of counts the logarithm of each word's share.

        Raises:
            ValueError: the shape of `mean` is wrong.
        """
        super().set_data_mean(mean)
        bias = networks.output_layer(self.output_network()).bias
        if self.likelihood_kind == "multinomial":
            share = mean.clamp(min=1e-6)  # a word that never occurs must not be impossible
            bias.copy_((share / share.sum()).log())
        else:
            bias[: self.data_dim] = self.base_logits()

    def generative_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters of p(x, z)."""
        for module in self.generative_modules():
            yield from module.parameters()

    def recognition_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters of q(z | x)."""
        for module in self.recognition_modules():
            yield from module.parameters()

    def _check_layers(self, z: Tensor, keep: Sequence[bool]) -> None:
        if len(keep) != len(self.layer_sizes):
            raise ValueError(
                f"`keep` needs one flag for each of the {len(self.layer_sizes)} layers; "
                f"got {len(keep)}."
            )
        if z.shape[-1] != sum(self.layer_sizes):
            raise ValueError(
                f"`z` must have {sum(self.layer_sizes)} latents on its last axis; "
                f"got {z.shape[-1]}."
            )


class GaussianLatentModel(LatentVariableModel):
    """A model whose latents are N(0, I) a priori."""

    latent_kind = "gaussian"
    likelihoods = ("bernoulli", "gaussian", "multinomial")
    prior_loc: Tensor

    def __init__(
        self,
        data_dim: int,
        layer_sizes: Sequence[int],
        *,
        likelihood: str = "bernoulli",
        input_noise: str = "none",
        noise_rate: float = 0.0,
    ) -> None:
        super().__init__(
            data_dim,
            layer_sizes,
            likelihood=likelihood,
            input_noise=input_noise,
            noise_rate=noise_rate,
        )
        self.output_dim = 2 * data_dim if likelihood == "gaussian" else data_dim
        self.register_buffer("prior_loc", torch.zeros(sum(self.layer_sizes)), persistent=False)

    def prior(self) -> DiagonalNormal:
        """p(z) = N(0, I)."""
        return DiagonalNormal(self.prior_loc, torch.zeros_like(self.prior_loc))

    def pixels(self, output: Tensor) -> Pixels:
        """p(x | network output): logits of bits or words, or a Gaussian with a sigmoid mean.

        Kingma and Welling (2014), App. C: both the mean and the scale of a Gaussian pixel come
        from the network, and the mean is squashed into (0, 1). A scale has a floor
        (`SCALE_FLOOR`): grey values are integers over 255, and a density finer than their
        spacing would reward the rounding, not the picture.
        """
        if self.likelihood_kind != "gaussian":
            return super().pixels(output)
        loc, log_scale = output.chunk(2, dim=-1)
        floor = math.log(SCALE_FLOOR)
        return DiagonalNormal(loc.sigmoid(), floor + F.softplus(log_scale - floor))
