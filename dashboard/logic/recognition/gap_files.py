"""The numbers of a gap's anatomy as tables."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.evaluation.gap import Anatomy

__all__ = ["curve_csv", "gap_csv"]


def curve_csv(anatomy: Anatomy) -> bytes:
    """L_K over K as a table."""
    lines = ["K,L_K_nats,standard_error"]
    curve = anatomy.curve
    for k, bound, error in zip(
        curve.ks, curve.bound.tolist(), curve.standard_error.tolist(), strict=True
    ):
        lines.append(f"{k},{bound:.6f},{error:.6f}")
    return ("\n".join(lines) + "\n").encode()


def gap_csv(anatomy: Anatomy) -> bytes:
    """The gap and its parts as a table."""
    rows = {
        "ELBO": anatomy.elbo,
        "ELBO of q*": anatomy.local_elbo,
        f"log p(x) by {anatomy.source}": anatomy.log_marginal,
        "gap of amortisation": anatomy.amortisation_gap,
        "gap of the family": anatomy.family_gap,
    }
    out = io.StringIO()
    out.write("quantity,nats,standard_error\n")
    for name, (value, error) in rows.items():
        out.write(f"{name},{value:.6f},{error:.6f}\n")
    return out.getvalue().encode()
