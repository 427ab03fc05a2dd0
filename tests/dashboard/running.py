"""The code for a view, run as a visitor would: a new process in the folder of the project."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def printed_by(script: str) -> str:
    """What a script prints; it must end well and say nothing on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""
    return done.stdout


def rows_of(text: str) -> list[list[str]]:
    """The lines of a CSV without its header."""
    return list(csv.reader(io.StringIO(text)))[1:]
