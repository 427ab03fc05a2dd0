"""Long computations beside the pages, shared by all visitors and limited in number."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

__all__ = ["Runs"]

MOST_AT_ONCE = 2  # more visitors wait
MOST_KEPT = 64


class _Run(Protocol):
    @property
    def running(self) -> bool: ...

    @property
    def result(self) -> object: ...


R = TypeVar("R", bound=_Run)


class Runs(Generic[R]):
    """The runs of one kind by what they are of: visitors who ask for the same share its run."""

    def __init__(self) -> None:
        self._runs: OrderedDict[Hashable, R] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> R | None:
        """The run of `key` that was started last, with what became of it, or None."""
        with self._lock:
            return self._runs.get(key)

    def start(self, key: Hashable, make: Callable[[], R]) -> R | None:
        """The run of `key`, by `make` if need be; None while too many others are at work."""
        with self._lock:
            run = self._runs.get(key)
            if run is not None and (run.running or run.result is not None):
                return run
            if sum(other.running for other in self._runs.values()) >= MOST_AT_ONCE:
                return None
            self._runs[key] = run = make()
            self._runs.move_to_end(key)
            for old in list(self._runs)[: max(0, len(self._runs) - MOST_KEPT)]:
                if not self._runs[old].running:
                    del self._runs[old]
            return run
