"""A limit on the threads that wait for other servers at the same time, so that enough threads remain for everything else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class WaitingThreads:
    """Counts waiting threads, at most `limit`. Safe to use from many threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting = 0
        self._lock = threading.Lock()

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Take a place for the duration of the block; the value is False if all places are taken. Never waits."""
        with self._lock:
            is_free = self._waiting < self._limit
            self._waiting += is_free
        try:
            yield is_free
        finally:
            with self._lock:
                self._waiting -= is_free
