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

    The links among all pairs of 784 pixels are 307 000 weights, which over-fit to single training
    images. With `link_reach` only neighbours are linked, as in the locally connected networks of
    the paper, and what is far apart agrees through the latents.

    Args:
        data_dim, layers, hidden, recognition, input_noise, noise_rate: see `SBN`.
        likelihood: "bernoulli" pixels.
        link_reach: how many rows, and how many columns, apart linked pixels may be; None links all.
        image_width: pixels in a row, where `link_reach` is given; None elsewhere.

    Raises:
        ValueError: a size, a rate or a name is out of range, one of `link_reach` and `image_width`
            is given without the other, or `image_width` does not divide the pixels.
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
        # After the weights were drawn: links start at zero, so that they draw none.
        self.pixel_links = Links(self.data_dim, _reach(self.data_dim, image_width, link_reach))
        self.config |= {"link_reach": link_reach, "image_width": image_width}

    def pixels(self, output: Tensor) -> AutoregressiveBernoulli:
        """p(x | network output): linked pixels; what a link carries is centred on the data mean."""
        bits: AutoregressiveBernoulli = self.pixel_links(output, centre=self.data_mean)
        return bits

    def generative_modules(self) -> Sequence[nn.Module]:
        """The networks from the deepest layer to the data, and the links."""
        return (*super().generative_modules(), self.pixel_links)


def _reach(pixels: int, width: int | None, reach: int | None) -> Tensor | None:
    if reach is None:
        if width is not None:
            raise ValueError("`image_width` is for `link_reach`, which is not given.")
        return None
    width = check_size("image_width", width)
    if pixels % width:
        raise ValueError(f"`image_width` {width} does not divide {pixels} pixels.")
    return neighbourhood(pixels, width, check_size("link_reach", reach))
