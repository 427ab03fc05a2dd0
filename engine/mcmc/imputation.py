"""Filling in what was not observed: the driver, its methods and the check of its arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from engine.checks import check_size
from engine.mcmc.adaptive import AdaptiveCollapsed
from engine.mcmc.hamiltonian import HamiltonianGibbs
from engine.mcmc.kernel import Kernel, State
from engine.mcmc.metropolis import MetropolisWithinGibbs
from engine.mcmc.pseudo_gibbs import PseudoGibbs
from engine.models.base import LatentVariableModel

METHODS: Mapping[str, Callable[[LatentVariableModel], Kernel]] = MappingProxyType(
    {
        "pseudo-gibbs": PseudoGibbs,
        "metropolis-within-gibbs": MetropolisWithinGibbs,
        "ac-mwg": AdaptiveCollapsed,
        "hmc": HamiltonianGibbs,
    }
)


def suitable_methods(model: LatentVariableModel) -> list[str]:
    """The keys of `METHODS` that can run on `model`: HMC needs latents that are real.

    None where pixels are linked given the latents, as counts of words are.
    """
    if model.likelihood_kind == "multinomial" or not getattr(model, "independent_pixels", True):
        return []
    return [name for name in METHODS if name != "hmc" or model.latent_kind == "gaussian"]


def build_kernel(method: str, model: LatentVariableModel) -> Kernel:
    """The kernel called `method` for `model`.

    For who wants step 0 as well, or to keep a chain and go on later: `kernel.init` gives the
    random fill, `kernel.step` each transition. `impute` does the same in a loop.

    Raises:
        ValueError: no method of that name, or it does not suit the model.
    """
    if method not in METHODS:
        known = ", ".join(repr(name) for name in METHODS)
        raise ValueError(f"`method` must be one of {known}; got {method!r}.")
    return METHODS[method](model)


def impute(
    model: LatentVariableModel,
    x: Tensor,
    observed: Tensor,
    method: str = "pseudo-gibbs",
    chains: int = 1,
    generator: torch.Generator | None = None,
) -> Iterator[State]:
    """Chains over the missing pixels of `x`, as an endless iterator of states.

    The missing pixels start as a random fill (bits as often on as in training, uniform in [0, 1]
    for Gaussian pixels) drawn from `generator`. **The first state that comes out is after one
    transition**: `next(chain).step` is 1, and every state has passed through the model. The fill
    itself is `build_kernel(method, model).init(x, observed, chains=..., generator=...)`; stepping
    that with the same generator gives the same states as this iterator.

    All chains of all images move together. Draws that a Gaussian likelihood puts outside [0, 1]
    are left there: cutting them off would change the chain's law.

    Args:
        model: read only. Put it in eval mode first.
        x: `(batch, data)`, the model's dtype and device. Observed pixels must lie in [0, 1] for
            Bernoulli pixels and be finite for Gaussian ones. What stands where `observed` is
            false is never looked at, and may be NaN.
        observed: bool `(batch, data)`, true = observed, never changed.
        method: a key of `METHODS`.
        chains: how many independent chains for each image.
        generator: where every draw comes from; torch's default generator if None.

    Returns:
        An iterator of `State`: `.x` `(chains, batch, data)`, `.z` `(chains, batch, latent)`,
        `.log_joint` `(chains, batch)`, `.accepted` bool `(chains, batch)`, `.mean`
        `(chains, batch, data)`.

    Raises:
        ValueError: at the call, not at the first `next`, for an argument that breaks these rules.
    """
    kernel = build_kernel(method, model)
    check_arguments(model, x, observed, chains)
    return _run(kernel, x, observed, chains, generator)


def _run(
    kernel: Kernel,
    x: Tensor,
    observed: Tensor,
    chains: int,
    generator: torch.Generator | None,
) -> Iterator[State]:
    state = kernel.init(x, observed, chains=chains, generator=generator)
    while True:
        state = kernel.step(state, generator=generator)
        yield state


def check_arguments(model: LatentVariableModel, x: Tensor, observed: Tensor, chains: int) -> None:
    """Refuse what no kernel can use; see `impute` for the rules.

    Raises:
        ValueError: names the argument, the rule and the value.
    """
    if getattr(model, "kind", "latent") != "latent":
        raise ValueError(
            f"`model` must have latents for a chain over them; got {type(model).__name__}, which "
            f"is of the kind {model.kind!r}."
        )
    if model.likelihood_kind == "multinomial":
        raise ValueError(
            "`model` must have pixels to fill in; got one of documents, whose counts are not "
            "independent given the latents."
        )
    reference = next(model.parameters(), None)
    if not getattr(_dtype(x), "is_floating_point", False):
        raise ValueError(
            f"`x` must be a floating-point tensor; got {_dtype(x)}. For pixels stored as uint8 "
            "use x.float() / 255."
        )
    if reference is not None and x.dtype != reference.dtype:
        raise ValueError(f"`x` must have the model's dtype {reference.dtype}; got {x.dtype}.")
    if reference is not None and x.device != reference.device:
        raise ValueError(f"`x` must be on the model's device {reference.device}; got {x.device}.")
    if x.ndim != 2 or x.shape[-1] != model.data_dim:
        raise ValueError(f"`x` must have shape (batch, {model.data_dim}); got {tuple(x.shape)}.")
    if _dtype(observed) != torch.bool:
        raise ValueError(
            f"`observed` must be a bool tensor, true = observed; got {_dtype(observed)}."
        )
    if observed.shape != x.shape:
        raise ValueError(
            f"`observed` must have the shape of `x`, {tuple(x.shape)}; got {tuple(observed.shape)}."
        )
    if observed.device != x.device:
        raise ValueError(
            f"`observed` must be on the device of `x`, {x.device}; got {observed.device}."
        )
    check_size("chains", chains)

    seen = x[observed]
    wrong = ~seen.isfinite()
    rule = "be finite"
    if model.likelihood_kind == "bernoulli":
        wrong |= (seen < 0) | (seen > 1)
        rule = "lie in [0, 1]"
    if wrong.any():
        raise ValueError(
            f"the observed pixels of `x` must {rule}; got {seen[wrong][0].item()} "
            f"({int(wrong.sum())} such pixels)."
        )


def _dtype(value: object) -> torch.dtype | str:
    return value.dtype if isinstance(value, Tensor) else f"a {type(value).__name__}"
