"""How busy the machine is: what is measured beside other work is judged by wider bounds."""

from __future__ import annotations

import os
import time
from pathlib import Path

FREE = 0.75  # load per core, below which one is free


def load_per_core(seconds: float = 1.0) -> float:
    """Share of the cores that is in use, over the next second; the load average has a minute's."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return os.getloadavg()[0] / (os.cpu_count() or 1)
    counts = []
    for wait in (seconds, 0.0):
        counts.append([int(count) for count in stat.read_text().split("\n")[0].split()[1:9]])
        time.sleep(wait)
    spent = [after - before for before, after in zip(*counts, strict=True)]
    idle = spent[3] + spent[4]  # proc_stat(5): idle, and waiting for a disk
    return 1 - idle / max(sum(spent), 1)
