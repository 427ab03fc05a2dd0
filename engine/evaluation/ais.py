"""log p(x) by annealed importance sampling, from below and, where z is known, from above.

Wu, Burda, Salakhutdinov and Grosse (2017), arXiv:1611.04273: the path p(z) p(x | z)^beta from the
prior to the posterior, a trajectory of Hamiltonian Monte Carlo at each temperature. Where L_K
needs a q that covers the posterior, this finds its own way; it costs the more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.checks import check_size
from engine.mcmc.hmc import HMC
from engine.models.base import GenerativeModel, LatentVariableModel

__all__ = ["Annealed", "Bidirectional", "anneal", "bidirectional", "sigmoid_schedule"]

CHUNK_ROWS = 2048
"""Chains times items that move together."""

TARGET = 0.65
"""Mean acceptance that the step sizes are tuned to (their Sec. 3.1)."""

_PILOT_CHAINS = 8
_PILOT_TEMPERATURES = 200
_FIRST_STEP = 0.5  # of a pilot, at the prior
_GAIN = 0.2  # of a pilot's logarithm of the step size, per unit of acceptance
_SMOOTH = 9  # temperatures of a pilot that are averaged

Progress = Callable[[int], object]


@dataclass(frozen=True)
class Annealed:
    """What the chains say of log p(x), nats.

    Attributes:
        log_weights: of each chain, ``(chains, items)`` float64. The mean of exp(log_weights) is
            p(x) for chains from the prior; 1 / p(x) for `reverse` ones.
        acceptance: mean over the trajectories of each item, ``(items,)``.
        reverse: whether the chains went from the posterior to the prior.
    """

    log_weights: Tensor
    acceptance: Tensor
    reverse: bool

    @property
    def estimate(self) -> Tensor:
        """Log p(x), ``(items,)``: on average too low, or too high of `reverse` chains (Jensen)."""
        log_mean = self.log_weights.logsumexp(0) - math.log(len(self.log_weights))
        return -log_mean if self.reverse else log_mean

    @property
    def standard_error(self) -> Tensor:
        """Of each `estimate` given its item, ``(items,)`` (delta method); NaN of one chain.

        As untrustworthy as the estimate where a single chain has most of the weight. Of `reverse`
        chains it leaves out that all of them began at the same latents.
        """
        relative = (self.log_weights + (self.estimate if self.reverse else -self.estimate)).exp()
        return relative.std(0) / math.sqrt(len(relative))


@dataclass(frozen=True)
class Bidirectional:
    """Two bounds of log p(x) on data that the model made itself.

    Attributes:
        x: ``(items, data)``.
        lower: chains from the prior.
        upper: chains from the latents that `x` was made from.
    """

    x: Tensor
    lower: Annealed
    upper: Annealed

    @property
    def gap(self) -> Tensor:
        """Upper less lower bound, ``(items,)``: their joint error, at most, on average."""
        return self.upper.estimate - self.lower.estimate


def sigmoid_schedule(temperatures: int, sharpness: float = 4.0) -> Tensor:
    """`temperatures` + 1 values of beta from 0 to 1, dense at both ends, float64.

    Raises:
        ValueError: `temperatures` is below 1 or `sharpness` not positive.
    """
    check_size("temperatures", temperatures)
    if not sharpness > 0:
        raise ValueError(f"`sharpness` must be positive; got {sharpness}.")
    line = torch.linspace(-sharpness, sharpness, temperatures + 1, dtype=torch.float64).sigmoid()
    return (line - line[0]) / (line[-1] - line[0])


@torch.no_grad()
def anneal(
    model: LatentVariableModel,
    x: Tensor,
    *,
    chains: int = 16,
    temperatures: int = 1000,
    leapfrog_steps: int = 10,
    posterior: Tensor | None = None,
    observed: Tensor | None = None,
    generator: torch.Generator,
    progress: Progress | None = None,
) -> Annealed:
    """Anneal `chains` chains for each item of `x`.

    The step sizes, one for each temperature and item, come from a short run that serves for
    nothing else: chains that tuned their own would no longer be unbiased.

    Args:
        model: with Gaussian latents; read only.
        x: ``(items, data)``.
        chains: of each item; all move together.
        temperatures: steps from the prior to the posterior, each with a trajectory.
        leapfrog_steps: of a trajectory.
        posterior: exact draws of p(z | x), ``(items, latent)``; with them the chains go from
            there to the prior.
        observed: bool ``(items, data)``; with it log p of the observed pixels alone.
        progress: called with the number of trajectories after each temperature; what it raises
            ends this. Their number is `trajectories(...)`.

    Raises:
        ValueError: the latents are not Gaussian, a shape does not fit or a number is below 1.
    """
    _check(model, x, posterior, observed)
    check_size("chains", chains)
    check_size("leapfrog_steps", leapfrog_steps)
    betas = sigmoid_schedule(temperatures)
    rows = max(1, CHUNK_ROWS // chains)
    was_training = model.training
    model.eval()
    found = []
    try:
        for start in range(0, len(x), rows):
            part = slice(start, start + rows)
            path = _Path(
                model,
                x[part],
                None if observed is None else observed[part],
                leapfrog_steps,
                generator,
                progress,
            )
            sizes = path.tuned_sizes(betas, min(chains, _PILOT_CHAINS))
            first = None if posterior is None else posterior[part].expand(chains, -1, -1)
            found.append(path.walk(betas, sizes, chains, first))
    finally:
        model.train(was_training)
    weights, acceptance = zip(*found, strict=True)
    return Annealed(torch.cat(weights, dim=1), torch.cat(acceptance), posterior is not None)


def trajectories(items: int, *, chains: int, temperatures: int) -> int:
    """How many trajectories `anneal` makes, the tuning ones included."""
    pilot = min(chains, _PILOT_CHAINS) * min(temperatures, _PILOT_TEMPERATURES)
    return items * (pilot + chains * (temperatures - 1))


def bidirectional(
    model: LatentVariableModel,
    items: int,
    *,
    chains: int = 16,
    temperatures: int = 1000,
    leapfrog_steps: int = 10,
    generator: torch.Generator,
    progress: Progress | None = None,
) -> Bidirectional:
    """Bidirectional Monte Carlo (Grosse, Ghahramani and Adams 2015, arXiv:1511.02543).

    Latents from the prior and data made from them: the latents are then an exact draw of their
    posterior, from which reverse chains bound log p(x) from above. What is learnt of the schedule
    holds for real data as far as the model's own resemble them.

    Raises:
        ValueError: as `anneal`, or `items` is below 1.
    """
    check_size("items", items)
    _check_kind(model)
    with torch.no_grad():
        z = model.prior().sample((items,), generator=generator)
        x = model.likelihood(z).sample(generator=generator)
    lower, upper = (
        anneal(
            model,
            x,
            chains=chains,
            temperatures=temperatures,
            leapfrog_steps=leapfrog_steps,
            posterior=posterior,
            generator=generator,
            progress=progress,
        )
        for posterior in (None, z)
    )
    return Bidirectional(x, lower, upper)


class _Path:
    """The distributions between prior and posterior of a few items, and walks along them."""

    def __init__(
        self,
        model: LatentVariableModel,
        x: Tensor,
        observed: Tensor | None,
        leapfrog_steps: int,
        generator: torch.Generator,
        progress: Progress | None,
    ) -> None:
        self.model, self.x, self.observed = model, x, observed
        self.leapfrog_steps, self.generator, self.progress = leapfrog_steps, generator, progress

    def log_likelihood(self, z: Tensor) -> Tensor:
        """Log p(x | z), ``(chains, items)``."""
        pixels = self.model.likelihood(z)
        if self.observed is None:
            return pixels.log_prob(self.x)
        return torch.where(self.observed, pixels.log_prob_terms(self.x), 0).sum(-1)

    def move(self, z: Tensor, beta: float, step_size: Tensor) -> tuple[Tensor, Tensor]:
        """A trajectory at `beta`: where every chain is then, and its acceptance probability."""
        prior = self.model.prior()

        def log_density(z: Tensor) -> Tensor:
            return prior.log_prob(z) + beta * self.log_likelihood(z)

        kernel = HMC(log_density, leapfrog_steps=self.leapfrog_steps)
        sizes = step_size.expand(z.shape[:-1])
        state = kernel.step(kernel.init(z), sizes, generator=self.generator)
        if self.progress is not None:
            self.progress(state.accepted.numel())
        return state.position, state.acceptance

    def start(self, chains: int) -> Tensor:
        """Draws of the prior, ``(chains, items, latent)``."""
        return self.model.prior().sample((chains, len(self.x)), generator=self.generator)

    def tuned_sizes(self, betas: Tensor, chains: int) -> Tensor:
        """A step size for each of `betas` and items, ``(betas, items)``.

        Robbins and Monro's recursion along a coarser path, smoothed over the temperatures.
        """
        points = min(len(betas) - 1, _PILOT_TEMPERATURES)
        coarse = torch.linspace(0, len(betas) - 1, points + 1)[1:].round().long()
        z = self.start(chains)
        log_size = z.new_full((len(self.x),), math.log(_FIRST_STEP))
        noted = []
        for beta in betas[coarse].tolist():
            z, acceptance = self.move(z, beta, log_size.exp())
            log_size = log_size + _GAIN * (acceptance.mean(0) - TARGET)
            noted.append(log_size)
        curve = torch.stack(noted).T[:, None]  # (items, 1, points)
        curve = torch.nn.functional.pad(curve, (_SMOOTH // 2, _SMOOTH // 2), mode="replicate")
        smooth = torch.nn.functional.avg_pool1d(curve, _SMOOTH, stride=1)
        whole = torch.nn.functional.interpolate(smooth, len(betas), mode="linear")
        return whole[:, 0].T.exp()

    def walk(
        self, betas: Tensor, sizes: Tensor, chains: int, first: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Log-weights ``(chains, items)`` and mean acceptance ``(items,)``.

        With `first` from the last temperature to the first.
        """
        z = self.start(chains) if first is None else first
        if first is not None:
            betas, sizes = betas.flip(0), sizes.flip(0)
        weights = z.new_zeros(z.shape[:-1], dtype=torch.float64)
        total = z.new_zeros(len(self.x))
        for step in range(1, len(betas)):
            change = float(betas[step] - betas[step - 1])
            weights += change * self.log_likelihood(z).double()
            if step < len(betas) - 1:  # a move at the last temperature would change no weight
                z, acceptance = self.move(z, float(betas[step]), sizes[step])
                total += acceptance.mean(0)
        return weights, total / max(len(betas) - 2, 1)


def _check_kind(model: GenerativeModel) -> None:
    if not isinstance(model, LatentVariableModel):
        raise ValueError(
            f"annealing over the latents needs a model with latents; {type(model).__name__} is of "
            f"the kind {model.kind!r}."
        )
    if model.latent_kind != "gaussian":
        raise ValueError(
            "`model` must have Gaussian latents, for Hamiltonian Monte Carlo; those of "
            f"{type(model).__name__} are {model.latent_kind}."
        )


def _check(
    model: LatentVariableModel, x: Tensor, posterior: Tensor | None, observed: Tensor | None
) -> None:
    _check_kind(model)
    if x.ndim != 2 or x.shape[1] != model.data_dim or len(x) == 0:
        raise ValueError(
            f"`x` must be (items, {model.data_dim}), one item or more; got {tuple(x.shape)}."
        )
    latents = sum(model.layer_sizes)
    if posterior is not None and posterior.shape != (len(x), latents):
        raise ValueError(
            f"`posterior` must be ({len(x)}, {latents}); got {tuple(posterior.shape)}."
        )
    if observed is not None and (observed.shape != x.shape or observed.dtype != torch.bool):
        raise ValueError(
            f"`observed` must be bool and {tuple(x.shape)}; got {observed.dtype} and "
            f"{tuple(observed.shape)}."
        )
