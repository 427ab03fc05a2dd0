"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

# Before torch is imported: several processes with spinning threads starve each other on two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# The same examples every time, and no clock: a busy machine must not turn a test red.
settings.register_profile("project", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("project")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with the real data; tests that need it are skipped where there is none."""
    value = os.environ.get("HELMHOLTZ_DATA")
    if not value or not Path(value).is_dir():
        pytest.skip("HELMHOLTZ_DATA names no folder with the real data")
    return Path(value)
