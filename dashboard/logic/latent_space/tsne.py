"""t-SNE in a process of its own, which tells how far it is and can be stopped at any moment.

scikit-learn's t-SNE has no callback, but it prints a line every 50 iterations. In a child process
that line goes to a file, stopping is ending the process, and neither the interpreter's lock nor
the cores of the server are held up while visitors move sliders.

Run as a script with a folder as its argument it reads `points.npy` there and writes `map.npy`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["ITERATIONS", "MOST_POINTS", "PERPLEXITY", "TsneRun"]

ITERATIONS = 750
MOST_POINTS = 2000
PERPLEXITY = 30.0

_LINE = re.compile(r"Iteration (\d+): error = ([0-9.]+)")


class TsneRun:
    """One run: started on construction, polled by `state`, ended by `stop`.

    Args:
        points: float `(n, latent)`, 5 to `MOST_POINTS` rows.
        iterations: of the gradient descent, at least 250.

    Raises:
        ValueError: the shape of `points` is wrong.
    """

    def __init__(self, points: NDArray[np.floating], *, iterations: int = ITERATIONS) -> None:
        if points.ndim != 2 or not 5 <= len(points) <= MOST_POINTS:
            raise ValueError(
                f"`points` must be a matrix of 5 to {MOST_POINTS} rows; got {points.shape}."
            )
        self.iterations = iterations
        self.result: NDArray[np.float64] | None = None
        self.error: str | None = None
        self._lock = threading.Lock()
        self._folder = Path(tempfile.mkdtemp(prefix="helmholtz-tsne-"))
        np.save(self._folder / "points.npy", np.asarray(points, dtype=np.float32))
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-u", __file__, str(self._folder), str(iterations)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **one_thread},
            )
        self._end = weakref.finalize(self, _clean_up, self._process, self._folder)

    @property
    def running(self) -> bool:
        """Whether the process is still at work; collects its result where it has just ended."""
        with self._lock:
            if self.result is not None or self.error is not None:
                return False
            code = self._process.poll()
            if code is None:
                return True
            if code == 0:
                self.result = np.load(self._folder / "map.npy", allow_pickle=False)
            else:
                lines = self._log().splitlines()
                self.error = lines[-1] if lines else f"it ended with status {code}"
            self._end()
            return False

    def progress(self) -> tuple[int, float | None]:
        """Iterations done, and the KL divergence (nats) where it is already the real one.

        During the first 250 iterations the affinities are exaggerated: that error is not shown.
        """
        found = _LINE.findall(self._log())
        if not found:
            return 0, None
        done, divergence = int(found[-1][0]), float(found[-1][1])
        return done, divergence if done > 250 else None

    def stop(self) -> None:
        """End the process; the run has no result then."""
        with self._lock:
            if self.result is None and self.error is None:
                self.error = "stopped"
                self._end()

    def _log(self) -> str:
        try:
            return (self._folder / "log").read_text(errors="replace")
        except OSError:  # the folder goes when the run ends
            return ""


def _clean_up(process: subprocess.Popen[bytes], folder: Path) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def main(folder: Path, iterations: int) -> None:
    """What the child process does."""
    if hasattr(os, "nice"):
        os.nice(5)  # visitors' sliders first
    from sklearn.manifold import TSNE

    points = np.load(folder / "points.npy", allow_pickle=False)
    spread = float(points.std())
    placed = TSNE(
        perplexity=min(PERPLEXITY, (len(points) - 1) / 3),
        # Codes that are all the same (an untrained recognition model) have no principal axes.
        init="pca" if spread > 1e-6 and points.shape[1] >= 2 else "random",
        max_iter=iterations,
        n_iter_without_progress=iterations,
        random_state=0,
        n_jobs=1,
        verbose=2,
    ).fit_transform(points)
    np.save(folder / "unfinished.npy", placed.astype(np.float64))
    (folder / "unfinished.npy").rename(folder / "map.npy")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
