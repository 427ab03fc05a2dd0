"""Deep latent Gaussian models of Rezende, Mohamed and Wierstra (2014), arXiv:1401.4082."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from engine.checks import check_sizes
from engine.distributions import (
    DiagonalNormal,
    IndependentLayers,
    Pixels,
    RankOneNormal,
)
from engine.models.base import GaussianLatentModel
from engine.nn import ACTIVATIONS, initialise, mlp

START_LOG_SCALE = -3.0
START_FACTOR = 0.05
COVARIANCES = ("diagonal", "rank-one")


class DLGM(GaussianLatentModel):
    """Any number of stochastic layers, each a transformed Gaussian (Eqs. 1-4).

    With noise xi_l ~ N(0, I): h_L = G_L xi_L, h_l = T_l(h_{l+1}) + G_l xi_l and
    v ~ p(v | T_0(h_1)). The latents z of the interface are the noise xi, layer 1 first. The
    recognition model is a Gaussian in xi for each layer, whose parameters come from one
    network of v.

    Args:
        data_dim: number of pixels.
        layers: width of each stochastic layer, the deepest last.
        hidden: widths of the deterministic layers of T_0; the recognition network mirrors them.
        between: widths of the hidden layers of each T_l, l >= 1; none makes them linear.
        covariance: of the recognition: "diagonal", or "rank-one" for a *precision* that is
            diagonal plus rank one.
        activation: "relu", "tanh" or "silu".
        likelihood: "bernoulli" or "gaussian" pixels, or "multinomial" counts of words.
        input_noise, noise_rate: see `LatentVariableModel.corrupt`.

    Raises:
        ValueError: a size, a rate or a name is out of range.
    """

    def __init__(
        self,
        data_dim: int,
        layers: Sequence[int] = (200,),
        hidden: Sequence[int] = (200, 200),
        *,
        between: Sequence[int] = (),
        covariance: str = "diagonal",
        activation: str = "relu",
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
        if covariance not in COVARIANCES:
            raise ValueError(f"`covariance` must be one of {COVARIANCES}; got {covariance!r}.")
        hidden, between = check_sizes("hidden", hidden, fewest=1), check_sizes("between", between)
        self.config = {
            "data_dim": self.data_dim,
            "layers": list(self.layer_sizes),
            "hidden": list(hidden),
            "between": list(between),
            "covariance": covariance,
            "activation": activation,
            "likelihood": likelihood,
            "input_noise": input_noise,
            "noise_rate": noise_rate,
        }
        self.covariance = covariance
        sizes = self.layer_sizes
        self.factors = nn.ModuleList(nn.Linear(size, size, bias=False) for size in sizes)
        self.transforms = nn.ModuleList(
            mlp(above, between, below, activation=activation) for below, above in pairwise(sizes)
        )
        self.decoder = mlp(sizes[0], hidden[::-1], self.output_dim, activation=activation)
        self.encoder = nn.Sequential(
            mlp(data_dim, hidden[:-1], hidden[-1], activation=activation),
            ACTIVATIONS[activation](),
        )
        self.heads = nn.ModuleList(nn.Linear(hidden[-1], 2 * size) for size in sizes)
        # Apart from the rest, so that a diagonal model's weights can start a rank-one one.
        self.factor_heads = nn.ModuleList(
            nn.Linear(hidden[-1], size) for size in sizes if covariance == "rank-one"
        )
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Glorot-uniform weights; q starts narrow and nearly diagonal, the lower layers quiet.

        With a posterior as wide as the prior, hundreds of latents carry more noise than signal:
        the decoder learns to ignore them and q collapses onto the prior for good. And where the
        layers near the data speak as loudly as the deepest one from the start, they say all there
        is to say: the deepest one never comes to be used.
        """
        initialise(self, generator)
        for head in self.heads:
            assert isinstance(head, nn.Linear)
            size = head.out_features // 2
            head.weight[size:].mul_(0.1)
            head.bias[size:].fill_(START_LOG_SCALE)
        for head in self.factor_heads:
            assert isinstance(head, nn.Linear)
            head.weight.mul_(0.1)
        for factor in self.factors[:-1]:  # all layers but the deepest
            assert isinstance(factor, nn.Linear)
            factor.weight.mul_(START_FACTOR)

    def hidden_states(self, z: Tensor) -> list[Tensor]:
        """h_1 to h_L for the noise `z`, each ``(*sample, batch, layer size)``."""
        noise = z.split(self.layer_sizes, dim=-1)
        states = [self.factors[-1](noise[-1])]
        for layer in reversed(range(len(self.layer_sizes) - 1)):
            mean = self.transforms[layer](states[0])
            states.insert(0, mean + self.factors[layer](noise[layer]))
        return states

    def likelihood(self, z: Tensor) -> Pixels:
        """p(v | T_0(h_1)), independent pixels."""
        return self.pixels(self.decoder(self.hidden_states(z)[0]).to(z.dtype))

    def recognition(self, x: Tensor) -> IndependentLayers:
        """q(xi | v), one Gaussian a layer (Eqs. 8-9 and 16-19)."""
        features = self.encoder(self.centre(x))
        means = [head(features).to(x.dtype).chunk(2, dim=-1) for head in self.heads]
        if self.covariance == "diagonal":
            return IndependentLayers([DiagonalNormal(*pair) for pair in means])
        factors = [head(features).to(x.dtype) for head in self.factor_heads]
        return IndependentLayers(
            [
                RankOneNormal(loc, -2 * log_scale, factor)
                for (loc, log_scale), factor in zip(means, factors, strict=True)
            ]
        )

    def generative_modules(self) -> Sequence[nn.Module]:
        """G_l, T_l and T_0."""
        return (self.factors, self.transforms, self.decoder)

    def recognition_modules(self) -> Sequence[nn.Module]:
        """The shared network and the head of each layer."""
        return (self.encoder, self.heads, self.factor_heads)

    def output_network(self) -> nn.Sequential:
        """T_0."""
        return self.decoder
