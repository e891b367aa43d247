"""What a server process does beside its requests, in threads of its own: begun when it serves, ended before its store is closed."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ...provider.logout.delivery import NoticeDelivery
from ...sessions.sweeper import SWEEP_EVERY_S, Sweeper

_STOP_WAIT_S = 5


class Background:
    """The work of one process, which is safe to be done by every process of a cluster at once.

    It sweeps, calls `check_secrets` so that a process without requests follows rotations too, and tells RPs of ended sessions by the
    `delivery`; None leaves that to others. Threads do not outlive a fork, so `start` is for the process that serves, never
    for one that forks afterwards.
    """

    def __init__(self, sweeper: Sweeper, check_secrets: Callable[[], None], delivery: NoticeDelivery | None) -> None:
        self._sweeper = sweeper
        self._check_secrets = check_secrets
        self._delivery = delivery
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin; once. Raises: OSError: the certificates that RPs' are checked against cannot be read any more."""
        if self._delivery is not None:
            self._delivery.start()
        self._threads = [threading.Thread(target=self._sweep, name="sweeper", daemon=True)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask every thread to end and wait a few seconds for those that are in the middle of something."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(_STOP_WAIT_S)
        if self._delivery is not None:
            self._delivery.stop(_STOP_WAIT_S)

    def _sweep(self) -> None:
        while not self._stopping.wait(SWEEP_EVERY_S):
            self._check_secrets()
            self._sweeper.sweep()
