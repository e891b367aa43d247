"""SQLite for the SQL store: open the file, one connection for each thread, one writer at a time."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote
from weakref import WeakSet

from sqlalchemy import Engine, create_engine
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from ...errors import ConfigError, Conflict, StoreUnavailable
from ..changes import Change
from .connections import Connections, Row
from .engine import SqlStore
from .prepared import Prepared, Step
from .schema import Migrated, check_tables, has_tables, migrate_tables
from .statements import Statements

BUSY_TIMEOUT_S = 5
"""How many seconds a write waits for another write before it raises StoreUnavailable."""

_PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}",
    "PRAGMA journal_mode = WAL",  # readers do not wait for the writer
    "PRAGMA synchronous = FULL",  # a commit is on the disk when it returns (promise P1 holds after a power cut)
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA wal_autocheckpoint = 4000",  # pages: fewer pages are copied twice; uses 16 MB of disk
    "PRAGMA cache_size = -8192",  # KiB for each connection
)

_BEGIN = "BEGIN IMMEDIATE"  # a plain BEGIN reads first, and a later write in it may fail


def open_sqlite_store(path: Path) -> SqlStore:
    """Open the store in a SQLite file; create the file, its folder and its tables if they do not exist.

    Raises:
        ConfigError: the file cannot be opened, is no SQLite database, or its tables are of another version of this package.
        StoreUnavailable: the database cannot be read or written now.
    """
    engine = _engine(path)
    with _converted_errors(path, engine), engine.connect() as connection:
        connection.exec_driver_sql(_BEGIN)  # several servers may start on an empty database at the same time
        if not has_tables(connection):
            migrate_tables(connection)
        check_tables(connection)
        connection.commit()
    return SqlStore(SqliteConnections(engine), _statements())


def migrate_sqlite(path: Path) -> Migrated:
    """Upgrade the tables in a SQLite file to the version of this package.

    Raises: ConfigError, StoreUnavailable: as `open_sqlite_store`; nothing was changed.
    """
    engine = _engine(path)
    with _converted_errors(path, engine), engine.connect() as connection:
        connection.exec_driver_sql(_BEGIN)
        migrated = migrate_tables(connection)
        connection.commit()
    engine.dispose()
    return migrated


@cache
def _statements() -> Statements:
    return Statements(sqlite.dialect(), sqlite.insert)


@contextmanager
def _converted_errors(path: Path, engine: Engine) -> Iterator[None]:
    """Convert errors: ConfigError for a file that is not a database, StoreUnavailable for one that cannot be used now.

    Any exception closes the connections.
    """
    try:
        yield
    except BaseException as err:
        engine.dispose()
        if isinstance(err, OperationalError | sqlite3.OperationalError):
            raise StoreUnavailable(str(err)) from err
        if isinstance(err, DBAPIError | sqlite3.DatabaseError):
            raise ConfigError("store", f"{path} is not a SQLite database") from err
        raise


def _engine(path: Path) -> Engine:
    """Return an engine on a SQLite file; a new file and folder are accessible to the OP's own user only."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite gives -wal and -shm the same mode
    except OSError as err:
        raise ConfigError("store", f"{path} cannot be opened: {err.strerror}") from err
    uri = f"file:{quote(str(path.absolute()))}?mode=rw"  # do not create an empty file if the file was removed

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
    """A pool connection for the lifetime of its thread; garbage collection returns it to the pool."""

    def __init__(self, proxy: PoolProxiedConnection) -> None:
        self.proxy = proxy
        self.dbapi = cast(sqlite3.Connection, proxy.dbapi_connection)


class SqliteConnections(Connections):
    """Runs prepared statements on the calling thread's own connection.

    Each thread keeps its connection, because a check-out from the pool costs more than most statements. The threads of this
    process wait for a lock before they write, instead of in the database's busy loop.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = _WriteLock()
        self._local = threading.local()
        self._opening = threading.Lock()
        self._open: WeakSet[_ThreadConnection] = WeakSet()
        self._is_closed = False

    def rows(self, statement: Prepared, values: Mapping[str, Any]) -> list[Row]:
        """Run one SELECT outside of a transaction and return all its rows."""
        try:
            cursor = self._connection().cursor()
            cursor.execute(statement.sql, statement.bound(values))
            return cursor.fetchall()  # all rows, so that no read transaction stays open
        except UnicodeEncodeError:
            return []  # a lone surrogate from a peer's JSON: no stored text can equal it
        except sqlite3.Error as err:
            self._drop()
            raise StoreUnavailable(str(err)) from err

    def commit(self, steps: Sequence[tuple[Change, Step]]) -> None:
        """Run steps in one transaction, each for a change. Raises: Conflict."""
        with self.transaction() as cursor:
            for change, (statement, values, must_hit) in steps:
                try:
                    cursor.execute(statement.sql, values)
                except sqlite3.IntegrityError as err:  # a key exists already, or an OP session does not exist
                    raise Conflict(change) from err
                if must_hit and not (cursor.fetchall() if statement.returns_rows else cursor.rowcount):
                    raise Conflict(change)

    def rows_then(self, select: Prepared, values: Mapping[str, Any], then: Callable[[Row], Step]) -> list[Row]:
        """Run a SELECT and then a step for each row, in one transaction; return the rows."""
        with self.transaction() as cursor:
            cursor.execute(select.sql, select.bound(values))
            rows = cursor.fetchall()
            for row in rows:
                statement, bound, _ = then(row)
                cursor.execute(statement.sql, bound)
        return rows

    def hits(self, statement: Prepared, values: Mapping[str, Any]) -> int:
        """Run one statement in its own transaction and return the number of rows changed."""
        with self.transaction() as cursor:
            cursor.execute(statement.sql, statement.bound(values))
            return cursor.rowcount

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Cursor]:
        """Yield a cursor in a transaction that is committed at the end, or rolled back after an exception.

        Raises: StoreUnavailable: nothing was stored.
        """
        with self._writing:
            try:
                connection = self._connection()
                cursor = connection.cursor()
                cursor.execute(_BEGIN)
                try:
                    yield cursor
                except Conflict:
                    connection.rollback()
                    raise
                connection.commit()
            except Conflict:
                raise
            except sqlite3.Error as err:
                self._drop()
                raise StoreUnavailable(str(err)) from err
            except BaseException:
                self._drop()  # closing it rolls back
                raise

    def close(self) -> None:
        """Close the connections of all threads after the current transaction. Each later use raises StoreUnavailable."""
        with self._writing, self._opening:
            self._is_closed = True
            for connection in self._open:
                connection.proxy.invalidate()
            self._engine.dispose()

    def _connection(self) -> sqlite3.Connection:
        connection: _ThreadConnection | None = getattr(self._local, "connection", None)
        if connection is None or self._is_closed:
            connection = self._local.connection = self._open_connection()
        return connection.dbapi

    def _open_connection(self) -> _ThreadConnection:
        with self._opening:
            if self._is_closed:
                raise StoreUnavailable("the store is closed")
            connection = _ThreadConnection(self._engine.raw_connection())
            self._open.add(connection)
            return connection

    def _drop(self) -> None:
        """Close this thread's connection; the next use opens another one."""
        connection: _ThreadConnection | None = self._local.__dict__.pop("connection", None)
        if connection is not None:
            connection.proxy.invalidate()


class _WriteLock:
    """A lock with the database's own timeout."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=BUSY_TIMEOUT_S):
            raise StoreUnavailable("other writers did not finish in time")

    def __exit__(self, *_: object) -> None:
        self._lock.release()
