"""Markov chains that use a model and its recognition network: imputation of missing pixels."""

from engine.mcmc.imputation import METHODS, build_kernel, impute
from engine.mcmc.kernel import Kernel, State
from engine.mcmc.metropolis import MetropolisWithinGibbs
from engine.mcmc.moments import PixelMoments
from engine.mcmc.pseudo_gibbs import PseudoGibbs

__all__ = [
    "METHODS",
    "Kernel",
    "MetropolisWithinGibbs",
    "PixelMoments",
    "PseudoGibbs",
    "State",
    "build_kernel",
    "impute",
]
