"""Tables in Markdown, as GitHub draws them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["pipe_table"]


def pipe_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lines of a table; bars within a cell are escaped, as they would end it.

    Args:
        columns: the header.
        rows: as many cells each.
    """
    lines = []
    for cells in (columns, ["---"] * len(columns), *rows):
        escaped = [cell.replace("|", "\\|") for cell in cells]
        lines.append(f"| {' | '.join(escaped)} |")
    return "\n".join(lines)
