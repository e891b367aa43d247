"""Background threads of a server process: started when it serves, stopped before its store is closed."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ...provider.logout.delivery import NoticeDelivery
from ...sessions.sweeper import SWEEP_EVERY_S, Sweeper

_STOP_WAIT_S = 5


class Background:
    """The background work of one process; every process of a cluster may do it at the same time.

    It sweeps the store, calls `check_secrets` so that a process without requests follows rotations too, and notifies RPs of
    ended sessions with `delivery` (None: other processes do so). Threads do not survive a fork: call `start` in the process
    that serves, never in one that forks afterwards.
    """

    def __init__(self, sweeper: Sweeper, check_secrets: Callable[[], None], delivery: NoticeDelivery | None) -> None:
        self._sweeper = sweeper
        self._check_secrets = check_secrets
        self._delivery = delivery
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads; call it once. Raises: OSError: the CA certificates for RPs cannot be read any more."""
        if self._delivery is not None:
            self._delivery.start()
        self._threads = [threading.Thread(target=self._sweep, name="sweeper", daemon=True)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop every thread and wait a few seconds for current work."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(_STOP_WAIT_S)
        if self._delivery is not None:
            self._delivery.stop(_STOP_WAIT_S)

    def _sweep(self) -> None:
        while not self._stopping.wait(SWEEP_EVERY_S):
            self._check_secrets()
            self._sweeper.sweep()
