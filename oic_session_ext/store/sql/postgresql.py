"""PostgreSQL for the SQL store: the URL, the settings of its connections, and transactions with few round trips."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar

import psycopg
from psycopg.pq.abc import PGresult
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from ...errors import ConfigError, Conflict, StoreUnavailable
from ..changes import Change
from .connections import Connections, Row
from .engine import SqlStore
from .postgresql_pipeline import PipelineConnection, encoded, error_of
from .postgresql_pool import ConnectionPool
from .prepared import Prepared, Step
from .schema import Migrated, check_tables, migrate_tables
from .statements import Statements

T = TypeVar("T")

POSTGRESQL_URL = "postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE"

_OLDEST_SERVER: Final = 13

_POOL_SIZE: Final = 10

_OPTIONS = frozenset(
    {"application_name", "host", "passfile", "pool_size", "sslcert", "sslkey", "sslmode", "sslrootcert", "target_session_attrs"}
)
"""The options after the `?` of a URL: parameters of libpq, and `pool_size`."""

_PARAMETERS: Mapping[str, Any] = {
    "client_encoding": "UTF8",
    "application_name": "oic-session-ext",
    "connect_timeout": 5,
    # detect within half a minute that the server or the network is unreachable, and within 10 s while data is being sent
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}

_SETTINGS: Mapping[str, str] = {
    "statement_timeout": "5s",  # includes the wait for other writers
    "idle_in_transaction_session_timeout": "10s",  # an OP process that froze between two statements must not block the others for longer
    "default_transaction_isolation": "read committed",  # the statements require it
    "synchronous_commit": "on",  # a commit is on the disk when it returns (promise P1 holds after a power cut)
}

_MIGRATION_LOCK: Final = 0x6F69635F73657373
"""Number of the advisory lock that allows one migration at a time."""


class _Target(NamedTuple):
    """The settings in a URL: parameters of libpq, and the maximum number of open connections."""

    parameters: Mapping[str, Any]
    pool_size: int


def open_postgresql_store(url: str) -> SqlStore:
    """Open the store in a PostgreSQL database whose tables `migrate_postgresql` has created.

    Raises:
        ConfigError: the URL is invalid, or this package cannot work with the database.
        StoreUnavailable: the database cannot be reached or read now.
    """
    target = _target(url)
    with _sqlalchemy_connection(target) as connection:
        check_tables(connection)
    return SqlStore(PostgresqlConnections(target.parameters, target.pool_size), _statements())


def migrate_postgresql(url: str) -> Migrated:
    """Upgrade the tables in a PostgreSQL database to the version of this package, or create them.

    Raises: ConfigError, StoreUnavailable: as `open_postgresql_store`; nothing was changed.
    """
    with _sqlalchemy_connection(_target(url)) as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))  # no limit, because a large table may take long
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _MIGRATION_LOCK})
        migrated = migrate_tables(connection)
        connection.commit()
    return migrated


def _target(url: str) -> _Target:
    try:
        parsed = make_url(url)
        parameters: dict[str, Any] = PGDialect_psycopg().create_connect_args(parsed)[1]  # type: ignore[no-untyped-call]
    except (ArgumentError, ValueError) as err:
        raise ConfigError("store", f"is not a URL such as {POSTGRESQL_URL}") from err
    if parsed.drivername != "postgresql+psycopg" or not parsed.database:
        raise ConfigError("store", f"must be {POSTGRESQL_URL}")
    if "@" in (parsed.host or ""):  # the rest of a password would be parsed as the host, and messages contain the host
        raise ConfigError("store", "has an @ too many: in a user name or a password write %40")
    unknown = sorted(set(parsed.query) - _OPTIONS)
    if unknown:
        raise ConfigError("store", f"has no option {unknown[0]}; there are {', '.join(sorted(_OPTIONS))}")
    size = parameters.pop("pool_size", f"{_POOL_SIZE}")
    if not (isinstance(size, str) and size.isdecimal() and 1 <= int(size) <= 1000):
        raise ConfigError("store", "its pool_size must be a number from 1 to 1000")
    return _Target({**_PARAMETERS, **parameters}, int(size))


@cache
def _statements() -> Statements:
    return Statements(_dialect(), postgresql.insert)


@cache
def _dialect() -> Any:
    return postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call] # the server's own notation in prepared statements


@contextmanager
def _sqlalchemy_connection(target: _Target) -> Iterator[Connection]:
    """Yield a connection for SQLAlchemy and alembic, to a server that is suitable for the store."""
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(**target.parameters), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            _check_server(connection)
            yield connection
    except OperationalError as err:
        raise StoreUnavailable(str(err.orig).strip()) from err
    except DBAPIError as err:
        raise ConfigError("store", f"the database cannot be used: {str(err.orig).strip()}") from err


def _check_server(connection: Connection) -> None:
    version, encoding = connection.execute(text("SELECT current_setting('server_version_num'), current_setting('server_encoding')")).one()
    if int(version) < _OLDEST_SERVER * 10_000:
        raise ConfigError("store", f"PostgreSQL must be version {_OLDEST_SERVER} or later")
    if encoding != "UTF8":
        raise ConfigError("store", f"the database has the encoding {encoding}; create it with ENCODING 'UTF8'")


_PAUSES_S = (0.02, 0.1)
"""Pauses before retries. Without them, a retry takes the lock that it has just released, and the same deadlock occurs."""


class _TryAgain(Exception):
    """The server ended a transaction in favour of another one, and rolled it back."""


_BEGIN, _COMMIT, _ROLLBACK = ((Prepared(text(word), _dialect()), ()) for word in ("BEGIN", "COMMIT", "ROLLBACK"))


class PostgresqlConnections(Connections):
    """Runs prepared statements on connections of a bounded pool."""

    def __init__(self, parameters: Mapping[str, Any], pool_size: int) -> None:
        self._pool = ConnectionPool(lambda: PipelineConnection(parameters, _SETTINGS), pool_size)

    def rows(self, statement: Prepared, values: Mapping[str, Any]) -> list[Row]:
        """Run one SELECT and return all its rows."""
        try:
            sent = (statement, encoded(statement.bound(values)))
        except ValueError:
            return []
        return self._run(lambda connection: connection.rows_of(_good(connection.run([sent])[0])))

    def commit(self, steps: Sequence[tuple[Change, Step]]) -> None:
        """Run steps in one transaction, each for a change. Raises: Conflict.

        It takes one round trip, or two if several statements must match rows before the commit.
        """
        sent = [(statement, encoded(values)) for _, (statement, values, _) in steps]
        is_checked = len(steps) > 1 and any(must_hit for _, (_, _, must_hit) in steps)

        def work(connection: PipelineConnection) -> None:
            if not is_checked:
                _check(steps, connection.run(sent))
                return
            began, *results = connection.run([_BEGIN, *sent])
            _good(began)
            try:
                _check(steps, results)
            except (Conflict, _TryAgain):
                _roll_back(connection)
                raise
            _committed(connection.run([_COMMIT])[0])

        if steps:
            self._run(work)

    def rows_then(self, select: Prepared, values: Mapping[str, Any], then: Callable[[Row], Step]) -> list[Row]:
        """Run a SELECT that locks its rows and then a step for each row, in one transaction; return the rows."""
        sent = (select, encoded(select.bound(values)))

        def work(connection: PipelineConnection) -> list[Row]:
            began, found = connection.run([_BEGIN, sent])
            _good(began)
            try:
                rows = connection.rows_of(_good(found))
                steps = [(statement, encoded(bound)) for statement, bound, _ in map(then, rows)]
                for result in (results := connection.run([*steps, _COMMIT])):  # after a failed step, COMMIT is not run
                    _good(result)
            except _TryAgain:
                _roll_back(connection)
                raise
            _committed(results[-1])
            return rows

        return self._run(work)

    def hits(self, statement: Prepared, values: Mapping[str, Any]) -> int:
        """Run one statement in its own transaction and return the number of rows changed."""
        sent = (statement, encoded(statement.bound(values)))
        return self._run(lambda connection: _good(connection.run([sent])[0]).command_tuples or 0)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _run(self, work: Callable[[PipelineConnection], T]) -> T:
        """Do the work of one transaction; retry after a pause if the server ended it in favour of another one."""
        for pause_s in (*_PAUSES_S, None):
            try:
                return self._run_once(work)
            except _TryAgain as err:
                if pause_s is None:
                    raise StoreUnavailable(str(err)) from err
                time.sleep(pause_s)
        raise AssertionError("the last try returns or raises")

    def _run_once(self, work: Callable[[PipelineConnection], T]) -> T:
        try:
            with self._pool.connection() as connection:
                try:
                    return work(connection)
                except (Conflict, _TryAgain):
                    raise
                except BaseException:
                    connection.close()  # the server rolls back the open transaction
                    raise
        except psycopg.Error as err:
            raise StoreUnavailable(str(err).strip()) from err


def _good(result: PGresult) -> PGresult:
    """Return the result of a statement if it ran. Raises: _TryAgain, StoreUnavailable: it failed."""
    error = error_of(result)
    if error is None:
        return result
    sqlstate, message = error
    if sqlstate in ("40001", "40P01"):  # serialization failure, deadlock
        raise _TryAgain(message)
    raise StoreUnavailable(f"{message} ({sqlstate})")


def _check(steps: Sequence[tuple[Change, Step]], results: Sequence[PGresult]) -> None:
    """Verify that all steps ran and matched the rows that they must match.

    Raises: Conflict, and the exceptions of `_good`.
    """
    for (change, (_, _, must_hit)), result in zip(steps, results, strict=True):
        error = error_of(result)
        if error is not None and error[0].startswith("23"):  # a key exists already, or an OP session does not exist
            raise Conflict(change)
        if not _good(result).command_tuples and must_hit:
            raise Conflict(change)


def _committed(result: PGresult) -> None:
    if _good(result).command_status != b"COMMIT":
        raise StoreUnavailable("the database did not commit")


def _roll_back(connection: PipelineConnection) -> None:
    try:
        _good(connection.run([_ROLLBACK])[0])
    except (psycopg.Error, StoreUnavailable):
        connection.close()  # closing it rolls back too
