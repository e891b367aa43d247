"""How many requests of an address are answered in a minute, in this process: of a fixed size, whatever the number of addresses."""

from __future__ import annotations

import threading

from ..clock import Clock
from .ip_address import rate_limit_key

_WINDOW_S = 60
_COUNTERS = 8192


class RateLimiter:
    """Counts the requests of each address within the present minute.

    Addresses share counters by their hash, which differs from process to process: some may be refused for what another one
    does, but no number of addresses makes this grow.
    """

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._window = -1
        self._counts: list[int] = []
        self._lock = threading.Lock()

    def refused_for(self, address: str) -> int:
        """Count a request; return 0 when it may be answered, otherwise in how many seconds the next one is."""
        window, gone = divmod(self._clock(), _WINDOW_S)
        index = hash(rate_limit_key(address)) % _COUNTERS
        with self._lock:
            if window != self._window:
                self._window, self._counts = window, [0] * _COUNTERS
            self._counts[index] += 1
            return 0 if self._counts[index] <= self._per_minute else _WINDOW_S - gone
