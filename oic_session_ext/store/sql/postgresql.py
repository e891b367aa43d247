"""PostgreSQL for the SQL store: the URL, the settings of its connections, and transactions in as few round trips as can be."""

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
"""What may stand behind the `?` of a URL: libpq's parameters, and `pool_size`."""

_PARAMETERS: Mapping[str, Any] = {
    "client_encoding": "UTF8",
    "application_name": "oic-session-ext",
    "connect_timeout": 5,
    # a server or a network that is gone without a word is noticed within half a minute, at once when something is being sent
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}

_SETTINGS: Mapping[str, str] = {
    "statement_timeout": "5s",  # the wait for other writers included
    "idle_in_transaction_session_timeout": "10s",  # a server of ours that froze between two statements blocks nobody for longer
    "default_transaction_isolation": "read committed",  # what the statements are made for
    "synchronous_commit": "on",  # a commit has reached the disk when it returns (promise P1 holds through a power cut)
}

_MIGRATION_LOCK: Final = 0x6F69635F73657373
"""Number of the lock that one migration at a time holds."""


class _Target(NamedTuple):
    """What a URL says: libpq's parameters, and how many connections may be open at once."""

    parameters: Mapping[str, Any]
    pool_size: int


def open_postgresql_store(url: str) -> SqlStore:
    """Open the store in a PostgreSQL database whose tables `migrate_postgresql` has made.

    Raises:
        ConfigError: the URL says what it may not, or the database is not one that this package can work with.
        StoreUnavailable: the database cannot be reached or read now.
    """
    target = _target(url)
    with _sqlalchemy_connection(target) as connection:
        check_tables(connection)
    return SqlStore(PostgresqlConnections(target.parameters, target.pool_size), _statements())


def migrate_postgresql(url: str) -> Migrated:
    """Bring the tables in a PostgreSQL database to the version of this package, and make them in an empty one.

    Raises: ConfigError, StoreUnavailable: as `open_postgresql_store`; nothing was changed.
    """
    with _sqlalchemy_connection(_target(url)) as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))  # however long a large table takes
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _MIGRATION_LOCK})
        migrated = migrate_tables(connection)
        connection.commit()
    return migrated


def _target(url: str) -> _Target:
    try:
        parsed = make_url(url)
        parameters: dict[str, Any] = PGDialect_psycopg().create_connect_args(parsed)[1]  # type: ignore[no-untyped-call]
    except (ArgumentError, ValueError) as err:
        raise ConfigError("store", f"is no URL such as {POSTGRESQL_URL}") from err
    if parsed.drivername != "postgresql+psycopg" or not parsed.database:
        raise ConfigError("store", f"must be {POSTGRESQL_URL}")
    if "@" in (parsed.host or ""):  # what follows the first one is no host; messages tell hosts, and this is half a password
        raise ConfigError("store", "holds an @ too many: in a user name or a password it is written %40")
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
    return postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call] # as the server itself numbers the values of a prepared statement


@contextmanager
def _sqlalchemy_connection(target: _Target) -> Iterator[Connection]:
    """Give a connection on which SQLAlchemy and alembic work, to a server that can hold the store."""
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
        raise ConfigError("store", f"the database has the encoding {encoding}; make it with ENCODING 'UTF8'")


_PAUSES_S = (0.02, 0.1)
"""Who comes again at once takes the very lock again that it has just given up for somebody else, and both are where they were."""


class _TryAgain(Exception):
    """The server ended a transaction in favour of another one; nothing of it was kept."""


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
        """Run steps in one transaction, each on behalf of a change. Raises: Conflict.

        One round trip; two where several statements must have hit before they are committed.
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
        """Run a SELECT that locks what it finds and then a step for each row, in one transaction; return the rows."""
        sent = (select, encoded(select.bound(values)))

        def work(connection: PipelineConnection) -> list[Row]:
            began, found = connection.run([_BEGIN, sent])
            _good(began)
            try:
                rows = connection.rows_of(_good(found))
                steps = [(statement, encoded(bound)) for statement, bound, _ in map(then, rows)]
                for result in (results := connection.run([*steps, _COMMIT])):  # which is not run after a step that failed
                    _good(result)
            except _TryAgain:
                _roll_back(connection)
                raise
            _committed(results[-1])
            return rows

        return self._run(work)

    def hits(self, statement: Prepared, values: Mapping[str, Any]) -> int:
        """Run one statement in a transaction of its own and return how many rows it changed."""
        sent = (statement, encoded(statement.bound(values)))
        return self._run(lambda connection: _good(connection.run([sent])[0]).command_tuples or 0)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _run(self, work: Callable[[PipelineConnection], T]) -> T:
        """Do what one transaction takes; again a moment later when the server had to end it in favour of another one."""
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
                    connection.close()  # whatever it was in the middle of, the server rolls it back
                    raise
        except psycopg.Error as err:
            raise StoreUnavailable(str(err).strip()) from err


def _good(result: PGresult) -> PGresult:
    """Return the result of a statement that ran. Raises: _TryAgain, StoreUnavailable: it did not."""
    error = error_of(result)
    if error is None:
        return result
    sqlstate, message = error
    if sqlstate in ("40001", "40P01"):  # serialization failure, deadlock
        raise _TryAgain(message)
    raise StoreUnavailable(f"{message} ({sqlstate})")


def _check(steps: Sequence[tuple[Change, Step]], results: Sequence[PGresult]) -> None:
    """Return when all steps ran and hit what they must. Raises: Conflict, and what `_good` raises."""
    for (change, (_, _, must_hit)), result in zip(steps, results, strict=True):
        error = error_of(result)
        if error is not None and error[0].startswith("23"):  # a key that is taken, or an OP session that is not there
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
        connection.close()  # which rolls back too
