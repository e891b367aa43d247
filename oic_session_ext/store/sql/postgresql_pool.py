"""A bounded pool of connections to PostgreSQL: thousands of threads may share a few, and wait for one a limited time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ...errors import StoreUnavailable
from .postgresql_pipeline import PipelineConnection

POOL_WAIT_S = 5.0
"""How long a thread waits for a connection before the store counts as unavailable."""


class ConnectionPool:
    """At most `size` connections, opened by `connect` when they are first needed; the one used last is used next."""

    def __init__(self, connect: Callable[[], PipelineConnection], size: int) -> None:
        self._connect = connect
        self._size = size
        self._free = threading.BoundedSemaphore(size)
        self._idle: deque[PipelineConnection] = deque()
        self._is_closed = False

    @contextmanager
    def connection(self) -> Iterator[PipelineConnection]:
        """Lend a connection; one that is closed meanwhile is not lent again.

        Raises: StoreUnavailable: all are in use for too long, or the pool is closed; and what `connect` raises.
        """
        if not self._free.acquire(timeout=POOL_WAIT_S):
            raise StoreUnavailable(f"all {self._size} connections to the database were in use for {POOL_WAIT_S:g} s")
        try:
            connection = self._quiet_one() or self._connect()
            try:
                yield connection
            finally:
                if not connection.is_closed:
                    self._idle.append(connection)
                if self._is_closed:
                    self._close_idle()
        finally:
            self._free.release()

    def _quiet_one(self) -> PipelineConnection | None:
        """Return an idle connection that the server has not ended: after a restart of the server there may be many of those."""
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
        """Close the idle connections now, and each of the others when it is given back."""
        self._is_closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return
