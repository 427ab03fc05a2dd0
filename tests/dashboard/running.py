"""The code for a view, run as a visitor would: a new process in the folder of the project."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


def printed_by(script: str, folder: Path = ROOT) -> str:
    """What a script prints; it must end well and say nothing on standard error.

    Args:
        folder: where it is run.
    """
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""
    return done.stdout


def picture_of(script: str, folder: Path) -> NDArray[np.uint8]:
    """What a script writes to view.png in the folder where it is run."""
    printed_by(script, folder)
    with Image.open(folder / "view.png") as written:
        return np.asarray(written)


def rows_of(text: str) -> list[list[str]]:
    """The lines of a CSV without its header."""
    return list(csv.reader(io.StringIO(text)))[1:]
