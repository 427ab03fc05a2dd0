"""The variational auto-encoder of Kingma and Welling (2014), arXiv:1312.6114."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from engine.checks import check_size, check_sizes
from engine.distributions import DiagonalNormal, Pixels
from engine.models.base import GaussianLatentModel
from engine.nn import mlp


class VAE(GaussianLatentModel):
    """One layer of Gaussian latents between two perceptrons: p(x, z) = N(z; 0, I) p(x | f(z)).

    Args:
        data_dim: number of pixels.
        latent_dim: number of latents.
        hidden: widths of the hidden layers of the encoder; the decoder mirrors them.
        decoder_hidden: widths of those of the decoder instead, the one next to the latents first;
            none makes it linear, and the model a factor analysis with logistic pixels.
        activation: "tanh" as in the paper, "relu" or "silu".
        likelihood: "bernoulli" pixels, "gaussian" ones with a sigmoid mean (App. C), or
            "multinomial" counts of words.
        input_noise, noise_rate: see `LatentVariableModel.corrupt`.

    Raises:
        ValueError: a size, a rate or a name is out of range.
    """

    def __init__(
        self,
        data_dim: int,
        latent_dim: int = 20,
        hidden: Sequence[int] = (500,),
        *,
        decoder_hidden: Sequence[int] | None = None,
        activation: str = "tanh",
        likelihood: str = "bernoulli",
        input_noise: str = "none",
        noise_rate: float = 0.0,
    ) -> None:
        latent_dim, hidden = check_size("latent_dim", latent_dim), check_sizes("hidden", hidden)
        super().__init__(
            data_dim,
            (latent_dim,),
            likelihood=likelihood,
            input_noise=input_noise,
            noise_rate=noise_rate,
        )
        mirrored = decoder_hidden is None
        widths = hidden[::-1] if mirrored else check_sizes("decoder_hidden", decoder_hidden)
        self.config = {
            "data_dim": self.data_dim,
            "latent_dim": latent_dim,
            "hidden": list(hidden),
            "activation": activation,
            "likelihood": likelihood,
            "input_noise": input_noise,
            "noise_rate": noise_rate,
        }
        if not mirrored:
            self.config["decoder_hidden"] = list(widths)
        self.encoder = mlp(data_dim, hidden, 2 * latent_dim, activation=activation)
        self.decoder = mlp(latent_dim, widths, self.output_dim, activation=activation)
        self.reset_parameters()

    def likelihood(self, z: Tensor) -> Pixels:
        """p(x | z), independent pixels."""
        return self.pixels(self.decoder(z).to(z.dtype))

    def recognition(self, x: Tensor) -> DiagonalNormal:
        """q(z | x) with mean and log-scale from one network (Eq. 9)."""
        loc, log_scale = self.encoder(self.centre(x)).to(x.dtype).chunk(2, dim=-1)
        return DiagonalNormal(loc, log_scale)

    def generative_modules(self) -> Sequence[nn.Module]:
        """The decoder."""
        return (self.decoder,)

    def recognition_modules(self) -> Sequence[nn.Module]:
        """The encoder."""
        return (self.encoder,)

    def output_network(self) -> nn.Sequential:
        """The decoder."""
        return self.decoder
