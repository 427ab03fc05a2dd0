"""The anatomy of a gap, computed beside the pages: it tells how far it is and can be stopped."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from engine.evaluation.gap import Anatomy
    from engine.models import LatentVariableModel

__all__ = ["GapRun"]

STEPS = 300  # of the search for q*
REPETITIONS = 4  # sets of draws, for standard errors


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
