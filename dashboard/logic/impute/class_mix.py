"""Which class does a completed image look like? The classes of its nearest neighbours among codes.

No Streamlit in here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from engine.models import LatentVariableModel

__all__ = ["NEIGHBOURS", "ClassMix"]

NEIGHBOURS = 10


@dataclass(frozen=True)
class ClassMix:
    """Embedded images of known class.

    Attributes:
        codes: E[z | x] of each, `(n, latent)`.
        labels: `(n,)`, from 0 on.
        names: of the classes.
    """

    codes: NDArray[np.float32]
    labels: NDArray[np.int64]
    names: tuple[str, ...]

    def votes(self, model: LatentVariableModel, x: Tensor) -> NDArray[np.uint8]:
        """How many of the `NEIGHBOURS` nearest codes are of each class, `(batch, classes)`.

        Args:
            model: that made the codes.
            x: `(batch, data)` in [0, 1].
        """
        from engine.decoding import encode

        return self.count(encode(model, x).numpy())

    def count(self, z: NDArray[np.floating]) -> NDArray[np.uint8]:
        """The same of codes z `(batch, latent)`, by Euclidean distance."""
        import torch

        known = torch.from_numpy(np.array(self.codes, dtype=np.float32))
        asked = torch.from_numpy(np.array(z, dtype=np.float32))
        # |a - b|^2 without |a|^2, which is the same for all neighbours of a.
        distance = known.square().sum(1) - 2 * asked @ known.T
        nearest = distance.topk(min(NEIGHBOURS, len(known)), largest=False).indices.numpy()
        found = self.labels[nearest]
        counts = [(found == label).sum(1) for label in range(len(self.names))]
        return np.stack(counts, axis=1).astype(np.uint8)
