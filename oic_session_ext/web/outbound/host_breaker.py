"""A circuit breaker per host, and per URI: what keeps failing is not called during a pause, which grows."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ...settings import OutboundSettings

_MAX_HOSTS = 5000


@dataclass(slots=True)
class _Health:
    failures: int = 0
    pauses: int = 0
    closed_until: float = 0.0


class HostBreaker:
    """Counts the failures of each host or URI. Safe to use from many threads.

    After `breaker_failures` failures in a row the host pauses for `breaker_first_pause_s`. After a pause one request is allowed; if
    it fails, the next pause is twice as long, up to `breaker_max_pause_s`. `clock` returns seconds of a monotonic clock.
    """

    def __init__(self, settings: OutboundSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._hosts: OrderedDict[str, _Health] = OrderedDict()

    def allows(self, host: str) -> bool:
        """Return whether a request may be sent to the host now. After a pause only the first caller gets True."""
        now = self._clock()
        with self._lock:
            health = self._hosts.get(host)
            if health is None or not health.pauses:
                return True
            if now < health.closed_until:
                return False
            health.closed_until = now + self._settings.breaker_first_pause_s  # the others wait for the result of this one request
            return True

    def succeeded(self, host: str) -> None:
        """Record that the host responded."""
        with self._lock:
            self._hosts.pop(host, None)

    def failed(self, host: str) -> None:
        """Record that the host did not respond."""
        settings, now = self._settings, self._clock()
        with self._lock:
            health = self._hosts.setdefault(host, _Health())
            self._hosts.move_to_end(host)
            health.failures += 1
            if health.failures >= settings.breaker_failures:
                pause_s = min(settings.breaker_first_pause_s * 2 ** min(health.pauses, 20), settings.breaker_max_pause_s)
                health.pauses += 1
                health.closed_until = now + pause_s
            if len(self._hosts) > _MAX_HOSTS:
                self._hosts.popitem(last=False)
