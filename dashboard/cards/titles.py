"""Names of the engine as a person would say them; unknown ones stay as they are."""

from __future__ import annotations

__all__ = [
    "DATASET_TITLES",
    "ESTIMATOR_TITLES",
    "FAMILY_TITLES",
    "MODEL_TITLES",
    "dataset_title",
    "estimator_title",
    "metric_title",
]

DATASET_TITLES = {
    "mnist": "MNIST, grey",
    "mnist-static": "MNIST, fixed binarisation",
    "mnist-dynamic": "MNIST, bits drawn afresh",
    "frey": "Frey faces",
    "frey-blocks": "Frey faces, blocks held out",
    "digits-mini": "5000 embedded digits",
    "20-newsgroups": "20 Newsgroups",
    "omniglot": "OMNIGLOT",
    "small-norb": "Small NORB",
    "svhn": "SVHN",
    "cifar10": "CIFAR-10",
    "cifar10-small": "CIFAR-10, a small part (pictures only)",
}

MODEL_TITLES = {
    "vae": "VAE",
    "dlgm": "DLGM",
    "sbn": "SBN",
    "fdarn": "fDARN",
    "darn": "DARN",
    "nade": "NADE",
    "eonade": "EoNADE",
    "mixture": "Mixture of Bernoullis",
    "rbm": "RBM",
    "dbn": "DBN",
}

FAMILY_TITLES = {
    "vae": "VAE",
    "dlgm": "DLGM",
    "belief": "Belief networks",
    "tractable": "Tractable models",
    "machines": "Boltzmann machines",
    "others": "Others",
}

ESTIMATOR_TITLES = {
    "sgvb-a": "SGVB A",
    "sgvb-b": "SGVB B",
    "score-function": "score function",
    "nvil": "NVIL",
    "iwae": "IWAE",
    "vimco": "VIMCO",
    "dreg": "DReG",
    "wake-sleep": "wake-sleep",
    "reweighted-wake-sleep": "reweighted wake-sleep",
    "mcem": "Monte Carlo EM",
    "maximum-likelihood": "maximum likelihood",
    "order-agnostic": "order-agnostic training",
    "contrastive-divergence": "contrastive divergence",
    "persistent-contrastive-divergence": "persistent contrastive divergence",
    "greedy": "persistent contrastive divergence of the top layer",
    "joint": "the bound L_K of all layers",
    "arm": "ARM",
    "concrete": "the Concrete relaxation",
    "disarm": "DisARM",
    "gumbel-straight-through": "straight-through Gumbel-softmax",
    "leave-one-out": "leave-one-out baselines",
    "muprop": "MuProp",
    "rebar": "REBAR",
    "relax": "RELAX",
    "rezende": "the rules of Bonnet and Price",
    "sticking-the-landing": "sticking the landing",
    "straight-through": "straight-through",
}

_METRIC_TITLES = {
    "elbo": "ELBO",
    "reconstruction": "Reconstruction",
    "kl": "KL",
    "log_likelihood": "log p(x)",
    "log_likelihood_lower": "log p(x), reverse",
    "log_partition": "log Z",
    "log_partition_upper": "log Z, reverse",
    "AIS": "log p(x), AIS",
    "perplexity": "Perplexity",
}
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def dataset_title(name: str) -> str:
    """A data set's name as a person would say it; unknown names stay as they are."""
    return DATASET_TITLES.get(name, name)


def estimator_title(name: str) -> str:
    """A gradient estimator's name as the papers write it."""
    return ESTIMATOR_TITLES.get(name, name)


def metric_title(name: str) -> str:
    """A metric's name for the screen: "elbo" is "ELBO", "L_5000" is "L₅₀₀₀"."""
    if name.startswith("L_"):
        return "L" + name.removeprefix("L_").translate(_SUBSCRIPTS)
    return _METRIC_TITLES.get(name, name)
