"""Host name look-up in threads of its own, so that names that resolve slowly delay only requests to those names.

A look-up cannot be interrupted: `getaddrinfo` may hold its thread for half a minute. Therefore threads are shared out: names that
resolved before may use all of them, names that are new or were slow may not, and the hosts of one registrable domain have a limit.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

Addresses: TypeAlias = tuple[tuple[int, str], ...]
"""The addresses of a host: address family and address as text."""

Resolve: TypeAlias = Callable[[str], Addresses]

_PER_DOMAIN = 4
_MAX_QUEUED = 2000
_MAX_REMEMBERED = 5000


class _Standing(IntEnum):
    """What is known of a name, in the order in which names get a thread."""

    PROVEN = 0
    NEW = 1
    SLOW = 2


@dataclass(slots=True, eq=False)
class _LookUp:
    host: str
    domain: str
    standing: _Standing
    waiters: list[Future[Addresses]] = field(default_factory=list)


def resolve_by_system(host: str) -> Addresses:
    """Return the addresses of a host as the operating system resolves it. Raises: OSError, UnicodeError: it does not resolve."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return tuple((int(family), str(address[0])) for family, _, _, _, address in found)


def registrable_domain(host: str) -> str:
    """Return the part of a host name that one owner has registered; the host itself where there is none."""
    return _public_suffixes().privatesuffix(host.rstrip(".").lower()) or host


class NameLookup:
    """Resolves host names in at most `threads` threads; results are reused for `cache_s`. Safe to use from many threads.

    `resolve` may block for any time. A caller that no longer wants a result cancels its future; the name then counts as slow.
    """

    def __init__(
        self, *, threads: int, cache_s: float, clock: Callable[[], float] = time.monotonic, resolve: Resolve = resolve_by_system
    ) -> None:
        self._threads = threads
        self._cache_s = cache_s
        self._clock = clock
        self._resolve = resolve
        self._lock = threading.Lock()
        self._queued: OrderedDict[str, _LookUp] = OrderedDict()
        self._running: dict[str, _LookUp] = {}
        self._answers: OrderedDict[str, tuple[float, Addresses]] = OrderedDict()
        self._standings: OrderedDict[str, _Standing] = OrderedDict()

    def look_up(self, host: str) -> Future[Addresses]:
        """Return a future with the addresses of a host; callers that ask for the same host share one look-up.

        The future's exceptions: OSError: the host does not resolve, or too many look-ups wait; UnicodeError: it is no host name.
        """
        waiter: Future[Addresses] = Future()
        with self._lock:
            answer = self._answers.get(host)
            if answer is not None and self._clock() < answer[0]:
                waiter.set_result(answer[1])
                return waiter
            look_up = self._running.get(host) or self._queued.get(host)
            if look_up is None:
                if len(self._queued) >= _MAX_QUEUED:
                    waiter.set_exception(OSError("too many names are being looked up"))
                    return waiter
                standing = self._standings.get(host, _Standing.NEW)
                look_up = self._queued[host] = _LookUp(host, registrable_domain(host), standing)
            look_up.waiters.append(waiter)
            self._start_threads()
        waiter.add_done_callback(lambda _: self._given_up(look_up, waiter) if waiter.cancelled() else None)
        return waiter

    def _given_up(self, look_up: _LookUp, waiter: Future[Addresses]) -> None:
        with self._lock:
            if waiter in look_up.waiters:
                look_up.waiters.remove(waiter)
            if look_up.waiters:
                return
            if self._running.get(look_up.host) is look_up:
                look_up.standing = _Standing.SLOW
                self._remember(look_up.host, _Standing.SLOW)
                self._start_threads()  # a look-up that counts as slow may leave room for others
            elif self._queued.get(look_up.host) is look_up:
                del self._queued[look_up.host]

    def _start_threads(self) -> None:
        while (look_up := self._next()) is not None:
            threading.Thread(target=self._work, args=(look_up,), name="name-lookup", daemon=True).start()

    def _next(self) -> _LookUp | None:
        """Return the queued look-up that may start now, marked as running; None if none may."""
        running = Counter(other.standing for other in self._running.values())
        domains = Counter(other.domain for other in self._running.values())
        for standing in _Standing:
            if not self._has_room(standing, running):
                continue
            for look_up in self._queued.values():
                if look_up.standing is standing and (standing is _Standing.PROVEN or domains[look_up.domain] < _PER_DOMAIN):
                    del self._queued[look_up.host]
                    self._running[look_up.host] = look_up
                    return look_up
        return None

    def _has_room(self, standing: _Standing, running: Counter[_Standing]) -> bool:
        total = running.total()
        if standing is _Standing.PROVEN:
            return total < self._threads
        if standing is _Standing.SLOW and running[_Standing.SLOW] >= self._threads // 4:
            return False
        return total < self._threads * 3 // 4

    def _work(self, look_up: _LookUp) -> None:
        following: _LookUp | None = look_up
        while following is not None:
            following = self._look_up_now(following)

    def _look_up_now(self, look_up: _LookUp) -> _LookUp | None:
        """Resolve one host; return the look-up that this thread does next."""
        addresses: Addresses = ()
        error: Exception | None = None
        try:
            addresses = self._resolve(look_up.host)
        except Exception as err:  # noqa: BLE001 - the waiters get it
            error = err
        with self._lock:
            del self._running[look_up.host]
            if error is None:
                if look_up.waiters:
                    self._remember(look_up.host, _Standing.PROVEN)
                self._answers[look_up.host] = (self._clock() + self._cache_s, addresses)
                self._answers.move_to_end(look_up.host)
                if len(self._answers) > _MAX_REMEMBERED:
                    self._answers.popitem(last=False)
            following = self._next()
        for waiter in look_up.waiters:
            _settle(waiter, addresses, error)
        return following

    def _remember(self, host: str, standing: _Standing) -> None:
        self._standings[host] = standing
        self._standings.move_to_end(host)
        if len(self._standings) > _MAX_REMEMBERED:
            self._standings.popitem(last=False)


def _settle(waiter: Future[Addresses], addresses: Addresses, error: Exception | None) -> None:
    with suppress(InvalidStateError):  # it was cancelled meanwhile
        if error is None:
            waiter.set_result(addresses)
        else:
            waiter.set_exception(error)


@cache
def _public_suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415 - its list takes a tenth of a second to load

    return PublicSuffixList()
