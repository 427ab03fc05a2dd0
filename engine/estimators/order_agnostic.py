"""Order-agnostic training of Uria, Murray and Larochelle (2014), arXiv:1310.1757."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from engine.estimators.base import Estimate, GradientEstimator
from engine.models.base import GenerativeModel
from engine.models.eonade import EoNADE
from engine.random import Generator, uniform


class OrderAgnostic(GradientEstimator):
    """An unbiased estimate of the mean of log p(x | o) over *all* orderings o, from one pass.

    Of the D pixels a random set S is known, of a size that is uniform on 0 to D - 1; the others
    are all predicted at once: D / (D - |S|) sum_{i not in S} log p(x_i | x_S) (Sec. 3, Eq. 9).
    Its mean over orderings lies below log p(x) of their mixture, so it is a bound of it.

    A set is drawn without sorting: its share r is uniform on [0, 1] and every pixel is known with
    probability r, which makes its size uniform on 0 to D; full sets count as nothing and the others
    (D + 1) / D times as much. The shares of a minibatch are a regular grid, moved by one common
    draw: each item's is uniform, and together they cover all sizes evenly.

    Raises:
        ValueError: the model has no conditionals given any set of pixels.
    """

    objective = "mean over orderings"
    model_kind: ClassVar[str] = "tractable"
    latent_kinds: ClassVar[tuple[str, ...]] = ()

    def __init__(self, model: GenerativeModel) -> None:
        super().__init__(model)
        if not isinstance(model, EoNADE):
            raise ValueError(f"OrderAgnostic needs an EoNADE; got {type(model).__name__}.")

    def forward(self, model: EoNADE, x: Tensor, *, generator: Generator | None = None) -> Estimate:
        """One set of known pixels for each item of `x` ``(batch, data)``."""
        count, pixels = x.shape
        grid = torch.arange(count, device=x.device, dtype=x.dtype) / count
        share = (grid + uniform((1,), generator=generator, like=x)) % 1.0
        known = (uniform(x.shape, generator=generator, like=x) < share[:, None]).to(x.dtype)
        hidden = pixels - known.sum(-1)
        terms = model.conditionals(x, known).log_prob_terms(x)
        total = (terms * (1 - known)).sum(-1)
        estimate = total * (pixels + 1) / hidden.clamp(min=1)
        return Estimate(elbo=estimate.detach(), loss=-estimate.mean())
