"""One progress line on standard error."""

from __future__ import annotations

import sys
import time

import click

__all__ = ["ProgressLine"]


class ProgressLine:
    """The share of a known amount of work that is done, and the time left.

    In place on a terminal, four times a second at most; else a line every ten seconds.

    Args:
        name: what is measured.
        total: units of work.
        unit: their name.
    """

    def __init__(self, name: str, total: int, unit: str) -> None:
        self.name, self.total, self.unit, self.done = name, total, unit, 0
        self.started, self.shown = time.monotonic(), 0.0

    def add(self, count: int) -> None:
        """So many more units are done."""
        self.done += count
        tty, now = sys.stderr.isatty(), time.monotonic()
        if now - self.shown < (0.25 if tty else 10):
            return
        self.shown = now
        left = (now - self.started) / max(self.done, 1) * max(self.total - self.done, 0)
        share = min(self.done / max(self.total, 1), 1)
        text = f"{self.name}: {share:.1%} of {self.total:,} {self.unit}, {left:.0f} s left"
        click.echo(f"\r{text:<100}" if tty else text, err=True, nl=not tty)

    def close(self) -> None:
        """End the line."""
        if sys.stderr.isatty():
            click.echo(err=True)
