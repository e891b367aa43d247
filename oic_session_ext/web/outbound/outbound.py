"""Requests of the OP to other servers: where they run, how many at once, and who waits for them.

Clients register the addresses, so each request has a deadline and a guard, and a server that is slow or down must delay only those
requests that need it. Requests run in the background, in one thread with an event loop; other threads at most wait for a future.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ...settings import OutboundSettings
from ..address_guard import AddressGuard
from .failures import BREAKER_OPEN, BUSY, CONNECTION_PROBLEMS, WAITING_THREADS, RequestFailed, RequestRefused
from .host_breaker import HostBreaker
from .http_answer import HttpAnswer
from .loop_thread import LoopThread
from .name_lookup import NameLookup, Resolve, resolve_by_system
from .waiting_threads import WaitingThreads

if TYPE_CHECKING:
    from .http_client import HttpClient

T = TypeVar("T")
OnRefused = Callable[[str, str], None]
"""Called with the host and the code of each request that is refused."""

_STOP_S = 2.0
_GRACE_S = 1.0
"""How much longer than its deadline a request is waited for: the loop reports the end of the deadline itself."""


@dataclass(slots=True)
class _Process:
    """What belongs to one process: threads do not survive a fork."""

    pid: int
    thread: LoopThread
    client: HttpClient
    lock: threading.Lock = field(default_factory=threading.Lock)
    fetches: dict[tuple[str, str], Future[HttpAnswer]] = field(default_factory=dict)
    per_host: Counter[str] = field(default_factory=Counter)

    def end(self, timeout_s: float) -> None:
        """Cancel all requests and end the thread, in the process that started it."""
        if self.pid == os.getpid():
            self.thread.stop(timeout_s)


class Outbound:
    """Sends requests to other servers within limits. Safe to use from many threads; starts its thread when it is first needed.

    `guard` judges the addresses. `ca_file`: the certificates (PEM) that servers' certificates are checked against, None for those of
    the system. `on_refused` is called with each request that is refused, in the thread of the caller. `resolve` looks names up, and
    `clock` is a monotonic clock for the circuit breaker.
    """

    def __init__(
        self,
        guard: AddressGuard,
        settings: OutboundSettings | None = None,
        *,
        ca_file: str | None = None,
        on_refused: OnRefused = lambda _host, _problem: None,
        resolve: Resolve = resolve_by_system,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings or OutboundSettings()
        self._guard = guard
        self._ca_file = ca_file
        self._on_refused = on_refused
        self._resolve = resolve
        self._breaker = HostBreaker(self.settings, clock)
        self._waiting = WaitingThreads(self.settings.max_waiting_threads)
        self._process: _Process | None = None
        self._starting = threading.Lock()

    def start(self) -> None:
        """Start the thread, unless it runs already in this process. Raises: OSError: `ca_file` cannot be read."""
        self._here()

    def stop(self) -> None:
        """Cancel all requests, and end the thread; the next request starts another one."""
        with self._starting:
            here, self._process = self._process, None
        if here is not None:
            here.end(_STOP_S)

    # -- in the background -------------------------------------------------------------------------------------------------

    def fetch(self, uri: str, accept: str, timeout_s: float | None = None) -> Future[HttpAnswer]:
        """Start to fetch a document; return the future of its response, which must not be cancelled.

        A document that is being fetched already is not fetched a second time: the callers share the future. Its exception is
        RequestFailed.

        Raises: RequestRefused: the host pauses, or too many fetches are under way.
        """
        here, host = self._here(), host_of(uri)
        with here.lock:
            running = here.fetches.get((uri, accept))
            if running is not None:
                return running
            is_full = len(here.fetches) >= self.settings.max_concurrency
            problem = BUSY if is_full or here.per_host[host] >= self.settings.max_concurrency_per_host else ""
            if not problem and not (self._breaker.allows(uri) and self._breaker.allows(host)):
                problem = BREAKER_OPEN
            if not problem:
                here.per_host[host] += 1
                fetched = here.fetches[uri, accept] = here.thread.submit(self._get(here, uri, accept, timeout_s))
        if problem:
            raise self._refusal(host, problem)
        fetched.add_done_callback(lambda _: self._fetched(here, host, (uri, accept)))
        return fetched

    async def post(self, uri: str, form: bytes, timeout_s: float, connect_timeout_s: float) -> HttpAnswer:
        """Post a form, in the thread of `submit`; the caller limits how many are under way. Raises: RequestFailed."""
        return await self._noted(
            host_of(uri), self._here().client.post(uri, form, timeout_s=timeout_s, connect_timeout_s=connect_timeout_s)
        )

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine in the background. Raises: RuntimeError: the thread has ended."""
        return self._here().thread.submit(coroutine)

    def call(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call a function in the background. Raises: RuntimeError: the thread has ended."""
        self._here().thread.call(function, *arguments)

    # -- waiting -----------------------------------------------------------------------------------------------------------

    @contextmanager
    def place_to_wait(self, uri: str) -> Iterator[None]:
        """Count this thread as waiting for the host of a URI during the block. Raises: RequestRefused: too many threads wait."""
        with self._waiting.place() as is_free:
            if not is_free:
                raise self._refusal(host_of(uri), WAITING_THREADS)
            yield

    def result_of(self, future: Future[HttpAnswer], timeout_s: float | None = None) -> HttpAnswer:
        """Wait for a response, at most as long as a fetch may take; in a `place_to_wait`. Raises: RequestFailed: there is none in time."""
        try:
            return future.result((self.settings.timeout_s + _GRACE_S) if timeout_s is None else timeout_s)
        except FutureTimeoutError as err:
            raise RequestFailed("timeout") from err
        except CancelledError as err:
            raise RequestFailed("stopped") from err

    # ----------------------------------------------------------------------------------------------------------------------

    async def _get(self, here: _Process, uri: str, accept: str, timeout_s: float | None) -> HttpAnswer:
        return await self._noted(uri, here.client.get(uri, accept, timeout_s=timeout_s))

    async def _noted(self, uri: str, request: Coroutine[Any, Any, HttpAnswer]) -> HttpAnswer:
        """Return a response, and let the breaker know.

        A failed connection counts for the host. A connection without a response counts for the URI alone: otherwise a client could
        register a slow page of another client's host, and stop the fetches of that client's keys.
        """
        try:
            answer = await request
        except RequestFailed as err:
            self._breaker.failed(host_of(uri) if err.problem in CONNECTION_PROBLEMS else uri)
            raise
        self._breaker.succeeded(host_of(uri))
        self._breaker.succeeded(uri)
        return answer

    def _fetched(self, here: _Process, host: str, key: tuple[str, str]) -> None:
        with here.lock:
            here.fetches.pop(key, None)
            here.per_host[host] -= 1
            if not here.per_host[host]:
                del here.per_host[host]

    def _refusal(self, host: str, problem: str) -> RequestRefused:
        self._on_refused(host, problem)
        return RequestRefused(problem)

    def _here(self) -> _Process:
        process = self._process
        if process is None or process.pid != os.getpid():
            with self._starting:
                process = self._process
                if process is None or process.pid != os.getpid():
                    process = self._process = self._new_process()
        return process

    def _new_process(self) -> _Process:
        from .http_client import HttpClient  # noqa: PLC0415 - aiohttp takes a quarter of a second to load, and many processes need it never

        names = NameLookup(threads=self.settings.lookup_threads, cache_s=self.settings.lookup_cache_s, resolve=self._resolve)
        tls = ssl.create_default_context(cafile=self._ca_file)
        client = HttpClient(self._guard, timeout_s=self.settings.timeout_s, connect_timeout_s=self.settings.timeout_s, tls=tls, names=names)
        process = _Process(os.getpid(), LoopThread("outbound", client.close), client)
        weakref.finalize(self, process.end, 0)
        return process


def host_of(uri: str) -> str:
    """Return the host and port of a URI, by which limits count; the URI itself if it has none."""
    return urlsplit(uri).netloc.lower() or uri
