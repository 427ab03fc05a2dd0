"""Markov chains that use a model and its recognition network: imputation of missing pixels."""

from engine.mcmc.adaptive import AdaptiveCollapsed
from engine.mcmc.hamiltonian import HamiltonianGibbs
from engine.mcmc.imputation import METHODS, build_kernel, impute, suitable_methods
from engine.mcmc.kernel import Kernel, State
from engine.mcmc.metropolis import MetropolisWithinGibbs
from engine.mcmc.moments import PixelMoments
from engine.mcmc.pseudo_gibbs import PseudoGibbs

__all__ = [
    "METHODS",
    "AdaptiveCollapsed",
    "HamiltonianGibbs",
    "Kernel",
    "MetropolisWithinGibbs",
    "PixelMoments",
    "PseudoGibbs",
    "State",
    "build_kernel",
    "impute",
    "suitable_methods",
]
