"""The anatomy of a gap, computed beside the pages: it tells how far it is and can be stopped."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from engine.evaluation.gap import Anatomy
    from engine.models import LatentVariableModel

__all__ = ["GapRun", "GapRuns"]

STEPS = 300  # of the search for q*
REPETITIONS = 4  # sets of draws, for standard errors
MOST_AT_ONCE = 2  # more visitors wait
MOST_KEPT = 64


class _StoppedError(Exception):
    """Ends a run from within."""


class GapRun:
    """One run: started on construction, in a thread of its own; torch works outside the lock.

    Args:
        model: shared by all visitors; read only.
        x: `(data,)`.
        samples: the largest K.
        seed: of all draws.

    Attributes:
        share: of the work that is done, up to 1.
        result: once it has come to its end.
        error: "stopped", or what went wrong.
        seconds: that it took.
    """

    def __init__(self, model: LatentVariableModel, x: Tensor, samples: int, seed: int) -> None:
        self.share = 0.0
        self.result: Anatomy | None = None
        self.error: str | None = None
        self.seconds = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._work, args=(model, x, samples, seed), daemon=True
        )
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it is still at work."""
        return self.result is None and self.error is None

    def stop(self) -> None:
        """End it within a step; it has no result then."""
        self._stop.set()

    def wait(self, seconds: float) -> bool:
        """Whether it comes to its end within so many seconds."""
        self._thread.join(seconds)
        return not self.running

    def _work(self, model: LatentVariableModel, x: Tensor, samples: int, seed: int) -> None:
        from engine.evaluation.gap import anatomy
        from engine.random import make_generator

        begun = time.monotonic()
        try:
            found = anatomy(
                model,
                x,
                samples=samples,
                repetitions=REPETITIONS,
                steps=STEPS,
                generator=make_generator(seed),
                progress=self._progress,
            )
        except _StoppedError:
            self.error = "stopped"
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}"
            raise  # into the log
        else:
            self.seconds = time.monotonic() - begun
            self.result = found

    def _progress(self, share: float) -> None:
        if self._stop.is_set():
            raise _StoppedError
        self.share = share


class GapRuns:
    """All runs of the server by what they are of: visitors of one image share its run."""

    def __init__(self) -> None:
        self._runs: OrderedDict[Hashable, GapRun] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> GapRun | None:
        """The run of `key`, or None."""
        with self._lock:
            return self._runs.get(key)

    def start(
        self, key: Hashable, model: LatentVariableModel, x: Tensor, samples: int, seed: int
    ) -> GapRun | None:
        """The run of `key`, started now if need be; None while too many others are at work."""
        with self._lock:
            run = self._runs.get(key)
            if run is not None and (run.running or run.result is not None):
                return run
            if sum(other.running for other in self._runs.values()) >= MOST_AT_ONCE:
                return None
            self._runs[key] = run = GapRun(model, x, samples, seed)
            self._runs.move_to_end(key)
            for old in list(self._runs)[: max(0, len(self._runs) - MOST_KEPT)]:
                if not self._runs[old].running:
                    del self._runs[old]
            return run
