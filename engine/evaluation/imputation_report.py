"""How good imputations are, as a table for a page of text."""

from __future__ import annotations

from collections.abc import Sequence

from engine.evaluation.imputation_table import ImputationRow
from engine.markdown import pipe_table

__all__ = ["imputation_markdown"]

_HIDDEN = {
    "60": "60 % of the pixels, at random",
    "80": "80 % of the pixels, at random",
    "square": "a square of half the side",
    "half": "the lower half",
}


def imputation_markdown(rows: Sequence[ImputationRow]) -> str:
    """One row a checkpoint and mask: log p(hidden | visible), then error; calibration by method.

    Errors of bits are shares of the hidden pixels, those of grey values root mean squares.

    Args:
        rows: see `engine.evaluation.imputation_table.read_table`.
    """
    methods = list(dict.fromkeys(row.method for row in rows))
    groups: dict[tuple[str, str], dict[str, ImputationRow]] = {}
    for row in rows:
        groups.setdefault(row.group, {})[row.method] = row
    lines = []
    for (checkpoint, mask), found in groups.items():
        one = next(iter(found.values()))
        model = f"{one.log_conditional:.1f} ± {one.log_conditional_se:.1f}"
        cells = [_cell(found[name]) if name in found else "" for name in methods]
        lines.append((f"`{checkpoint}`", _HIDDEN.get(mask, mask), model, *cells))
    return pipe_table(("checkpoint", "hidden", "log p(x_m | x_o), nats", *methods), lines)


def _cell(row: ImputationRow) -> str:
    """Error with its unit, then calibration."""
    if row.quantity == "bit_error":
        error = f"{100 * row.error:.2f} ± {100 * row.error_se:.2f} %"
    else:
        error = f"{row.error:.4f} ± {row.error_se:.4f}"
    return f"{error}; {row.calibration:.2f} ± {row.calibration_se:.2f}"
