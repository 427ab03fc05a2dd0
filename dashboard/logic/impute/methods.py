"""The methods of imputation in words, for every part of the page."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["METHODS", "Method", "title"]


@dataclass(frozen=True)
class Method:
    """What a method is called, and what it does.

    Attributes:
        title: for a menu.
        sentence: one, with its source.
    """

    title: str
    sentence: str


METHODS = {
    "pseudo-gibbs": Method(
        "Pseudo-Gibbs",
        "Takes every draw of $q(z \\mid x)$ (Rezende et al. 2014): fast, and as good as q is.",
    ),
    "metropolis-within-gibbs": Method(
        "Metropolis-within-Gibbs",
        "Accepts or rejects each draw of $q(z \\mid x)$ (Mattei and Frellsen 2018), and so tends "
        "to the model's own p(hidden | visible), however poor q is.",
    ),
    "ac-mwg": Method(
        "Adaptive collapsed (AC-MWG)",
        "Metropolis-within-Gibbs that proposes from older completions and from the prior as well, "
        "with the hidden pixels left out of its test (Simkus and Gutmann 2023): it sticks less.",
    ),
    "hmc": Method(
        "Hamiltonian (HMC)",
        "Moves real latents along the gradient of $\\log p(x_{obs}, z)$, ten leapfrog steps at a "
        "time (Neal 2011): no q at all, most proposals taken, some ten times the work a step.",
    ),
}
"""By their keys in `engine.mcmc.METHODS`."""


def title(method: str) -> str:
    """What a method is called; its key where nobody has named it."""
    return METHODS[method].title if method in METHODS else method
