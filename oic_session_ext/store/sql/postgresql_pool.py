"""A bounded pool of connections to PostgreSQL: thousands of threads may share it, and the wait for one is limited."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ...errors import StoreUnavailable
from .postgresql_pipeline import PipelineConnection

POOL_WAIT_S = 5.0
"""How many seconds a thread waits for a connection before StoreUnavailable is raised."""


class ConnectionPool:
    """At most `size` connections, opened with `connect` on demand; the last used one is used next."""

    def __init__(self, connect: Callable[[], PipelineConnection], size: int) -> None:
        self._connect = connect
        self._size = size
        self._free = threading.BoundedSemaphore(size)
        self._idle: deque[PipelineConnection] = deque()
        self._is_closed = False

    @contextmanager
    def connection(self) -> Iterator[PipelineConnection]:
        """Yield a connection. If the caller closes it, it does not return to the pool.

        Raises: StoreUnavailable: all were in use for too long, or the pool is closed; and the exceptions of `connect`.
        """
        if not self._free.acquire(timeout=POOL_WAIT_S):
            raise StoreUnavailable(f"all {self._size} connections to the database were in use for {POOL_WAIT_S:g} s")
        try:
            connection = self._usable_idle_connection() or self._connect()
            try:
                yield connection
            finally:
                if not connection.is_closed:
                    self._idle.append(connection)
                if self._is_closed:
                    self._close_idle()
        finally:
            self._free.release()

    def _usable_idle_connection(self) -> PipelineConnection | None:
        """Return an idle connection that the server has not closed, or None.

        After a restart of the server, many idle connections may be closed.
        """
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.is_quiet():
                return connection
            connection.close()

    def close(self) -> None:
        """Close the idle connections now and the others after their current use."""
        self._is_closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return
