"""Connections of the SQL store: opening SQLite, one connection for each thread, short transactions.

Whatever a driver raises leaves this module as `StoreUnavailable`, and the connection it came from is not used again:
so the store resumes by itself once the database does.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote
from weakref import WeakSet

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from ..errors import Conflict, StoreUnavailable
from .sql_statements import Prepared

BUSY_TIMEOUT_S = 5
"""How long a write waits for another one before the store counts as unavailable."""

_PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}",
    "PRAGMA journal_mode = WAL",  # readers do not wait for the writer
    "PRAGMA synchronous = FULL",  # a commit has reached the disk when it returns (promise P1 holds through a power cut)
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA wal_autocheckpoint = 4000",  # pages: fewer pages are copied twice; costs 16 MB of disk
    "PRAGMA cache_size = -8192",  # KiB for each connection
)


def sqlite_engine(path: Path) -> Engine:
    """Return an engine on a SQLite file; the file and its folder are created for the OP's own user alone.

    Raises: OSError: the file cannot be created or opened.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite gives -wal and -shm the same mode
    uri = f"file:{quote(str(path.absolute()))}?mode=rw"  # never a new, empty file in place of one that was removed

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_S)
        try:
            for pragma in _PRAGMAS:
                connection.execute(pragma)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=16, max_overflow=-1, pool_use_lifo=True)


class _ThreadConnection:
    """A connection taken from the pool for as long as its thread lives; collected with it, it goes back."""

    def __init__(self, proxy: PoolProxiedConnection) -> None:
        self.proxy = proxy
        self.dbapi: Any = proxy.dbapi_connection


class Connections:
    """Runs prepared statements on the calling thread's own connection.

    A connection is kept by its thread because taking one from the pool costs more than most of our statements.
    `begin` starts a transaction that may write. With `one_writer` the threads of this process wait for each other in
    line instead of in the database's busy loop.
    """

    def __init__(self, engine: Engine, begin: str, *, one_writer: bool) -> None:
        self._engine = engine
        self._begin = begin
        self._writing: AbstractContextManager[Any] = _Line() if one_writer else nullcontext()
        self._dbapi: Any = engine.dialect.loaded_dbapi
        self.IntegrityError: type[Exception] = self._dbapi.IntegrityError
        self._local = threading.local()
        self._opening = threading.Lock()
        self._open: WeakSet[_ThreadConnection] = WeakSet()
        self._is_closed = False

    def rows(self, statement: Prepared, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run one SELECT outside of a transaction and return all its rows.

        Raises: StoreUnavailable.
        """
        try:
            cursor = self._connection().cursor()
            cursor.execute(statement.sql, statement.bound(values))
            return cursor.fetchall()  # type: ignore[no-any-return]  # to the end, so that no read transaction stays open
        except UnicodeEncodeError:
            return []  # a lone surrogate from a peer's JSON: no text of ours is equal to it
        except self._dbapi.Error as err:
            self._drop()
            raise StoreUnavailable(str(err)) from err

    @contextmanager
    def transaction(self) -> Iterator[DBAPICursor]:
        """Give a cursor in a transaction that is committed at the end, and rolled back when anything is raised.

        The driver's `IntegrityError` is the caller's to turn into `Conflict`. Raises: StoreUnavailable.
        """
        with self._writing:
            try:
                connection = self._connection()
                cursor = connection.cursor()
                cursor.execute(self._begin)
                try:
                    yield cursor
                except Conflict:
                    connection.rollback()
                    raise
                connection.commit()
            except Conflict:
                raise
            except self._dbapi.Error as err:
                self._drop()
                raise StoreUnavailable(str(err)) from err
            except BaseException:
                self._drop()  # closing it rolls back
                raise

    def close(self) -> None:
        """Close the connections of all threads, once no transaction is under way; each later use raises StoreUnavailable."""
        with self._writing, self._opening:
            self._is_closed = True
            for held in self._open:
                held.proxy.invalidate()
            self._engine.dispose()

    def _connection(self) -> Any:
        held: _ThreadConnection | None = getattr(self._local, "held", None)
        if held is None or self._is_closed:
            held = self._local.held = self._open_connection()
        return held.dbapi

    def _open_connection(self) -> _ThreadConnection:
        with self._opening:
            if self._is_closed:
                raise StoreUnavailable("the store is closed")
            held = _ThreadConnection(self._engine.raw_connection())
            self._open.add(held)
            return held

    def _drop(self) -> None:
        """Let the next use of this thread open another connection."""
        held: _ThreadConnection | None = self._local.__dict__.pop("held", None)
        if held is not None:
            held.proxy.invalidate()


class _Line:
    """A lock that is waited for as long as the database would be."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=BUSY_TIMEOUT_S):
            raise StoreUnavailable("other writers did not finish in time")

    def __exit__(self, *_: object) -> None:
        self._lock.release()
