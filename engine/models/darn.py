"""Deep autoregressive networks (Gregor et al. 2014): belief networks with links within layers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from engine.autoregressive import AutoregressiveBernoulli, Links, neighbourhood
from engine.checks import check_size
from engine.models.sbn import SBN


class FDARN(SBN):
    """A belief network in which each latent bit depends on those before it in its layer as well.

    Gregor et al. (2014), arXiv:1310.8499, but without links among the pixels, as in the tables of
    Mnih and Gregor (2014), arXiv:1402.0030. Links start at zero, where the model is a sigmoid
    belief network.

    Args:
        data_dim, layers, hidden, recognition, likelihood, input_noise, noise_rate: see `SBN`.

    Raises:
        ValueError: a size, a rate or a name is out of range.
    """

    def add_links(self) -> None:
        """Links within every latent layer."""
        self.prior_links = nn.ModuleList(Links(size) for size in self.layer_sizes)

    def prior_bits(self, layer: int, logits: Tensor) -> AutoregressiveBernoulli:
        """The linked bits of a layer of p with the `logits` that the layer above gives."""
        bits: AutoregressiveBernoulli = self.prior_links[layer](logits)
        return bits

    def generative_modules(self) -> Sequence[nn.Module]:
        """The networks from the deepest layer to the data, and the links."""
        return (*super().generative_modules(), self.prior_links)


class DARN(FDARN):
    """fDARN in which each pixel depends on those before it as well, in the order of the rows.

    Gregor et al. (2014), arXiv:1310.8499. The mean of p(x | z) is that of
    `AutoregressiveBernoulli`, a mean-field one. p(x_m | x_o, z) has no closed form, so that nothing
    can be imputed.

    Args:
        data_dim, layers, hidden, recognition, input_noise, noise_rate: see `SBN`.
        likelihood: "bernoulli" pixels.

    Raises:
        ValueError: a size, a rate or a name is out of range.
    """

    likelihoods = ("bernoulli",)
    independent_pixels = False

    def __init__(
        self,
        data_dim: int,
        layers: Sequence[int] = (500,),
        hidden: Sequence[int] = (),
        *,
        recognition: str = "factorial",
        likelihood: str = "bernoulli",
        input_noise: str = "none",
        noise_rate: float = 0.0,
        link_reach: int | None = None,
        image_width: int | None = None,
    ) -> None:
        super().__init__(
            data_dim,
            layers,
            hidden,
            recognition=recognition,
            likelihood=likelihood,
            input_noise=input_noise,
            noise_rate=noise_rate,
        )
        reach = None
        if link_reach is not None:
            width = check_size("image_width", image_width)
            if self.data_dim % width:
                raise ValueError(f"`image_width` {width} does not divide {self.data_dim} pixels.")
            reach = neighbourhood(self.data_dim, width, check_size("link_reach", link_reach))
        self.pixel_links = Links(self.data_dim, reach)
        self.config |= {"link_reach": link_reach, "image_width": image_width}

    def pixels(self, output: Tensor) -> AutoregressiveBernoulli:
        """p(x | network output): linked pixels; what a link carries is centred on the data mean."""
        bits: AutoregressiveBernoulli = self.pixel_links(output, centre=self.data_mean)
        return bits

    def generative_modules(self) -> Sequence[nn.Module]:
        """The networks from the deepest layer to the data, and the links."""
        return (*super().generative_modules(), self.pixel_links)
