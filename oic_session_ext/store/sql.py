"""The SQL engine of the store: SQLite for one machine.

Reads are single statements outside of transactions, each commit is one short transaction; `sql_changes.py` says what
is in it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine, inspect, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, OperationalError

from ..errors import ConfigError, Conflict, StoreUnavailable
from ..model import Channel, Client, Consent, EphemeralRecord, Grant, LogoutNotice, OpSession, Reason, RpSession
from .base import Change, ClaimFact, GrantAttribute, Store, Swept
from .sql_changes import ChangesInSql
from .sql_connections import Connections, sqlite_engine
from .sql_statements import GRANT_COLUMNS, NOTICE_COLUMNS, OP_SESSION_COLUMNS, Prepared, Statements
from .sql_tables import SCHEMA_VERSION, SCHEMA_VERSION_FACT, facts, metadata

T = TypeVar("T")

_BEGIN = "BEGIN IMMEDIATE"  # a plain BEGIN that reads first may find later that it cannot write


def open_sqlite_store(path: Path) -> SqlStore:
    """Open the store in a SQLite file; the file, its folder and its tables are made when they are not there.

    Raises:
        ConfigError: the file cannot be opened, is no SQLite database or was written by another version of this package.
        StoreUnavailable: the database cannot be read or written now.
    """
    try:
        engine = sqlite_engine(path)
    except OSError as err:
        raise ConfigError("store", f"{path} cannot be opened: {err.strerror}") from err
    try:
        _check_schema(engine, _BEGIN)
    except ConfigError:
        engine.dispose()
        raise
    except (OperationalError, sqlite3.OperationalError) as err:
        raise StoreUnavailable(str(err)) from err
    except (DBAPIError, sqlite3.DatabaseError) as err:
        raise ConfigError("store", f"{path} is not a SQLite database") from err
    return SqlStore(Connections(engine, _BEGIN, one_writer=True), Statements(engine.dialect, sqlite.insert))


def _check_schema(engine: Engine, begin: str) -> None:
    """Make the tables in an empty database; refuse one whose tables are of another version."""
    with engine.connect() as connection:
        connection.exec_driver_sql(begin)  # several servers may start on an empty database at once
        if inspect(connection).has_table(facts.name):
            version = connection.scalar(select(facts.c.value).where(facts.c.name == SCHEMA_VERSION_FACT))
            if version != SCHEMA_VERSION:
                raise ConfigError("store", f"its tables have version {version}; this package works with version {SCHEMA_VERSION}")
        else:
            metadata.create_all(connection)
            connection.execute(facts.insert().values(name=SCHEMA_VERSION_FACT, value=SCHEMA_VERSION))
        connection.commit()


class SqlStore(Store):
    """A store in a SQL database; `open_sqlite_store` makes one."""

    def __init__(self, connections: Connections, statements: Statements) -> None:
        self._connections = connections
        self._statements = statements
        self._changes = ChangesInSql(statements)

    # --- reads

    def op_session_by_cookie(self, cookie_digest: str) -> OpSession | None:
        """Return the OP session with its RP sessions (oldest first), None when there is none. One round trip."""
        return _one(_op_sessions(self._rows(self._statements.op_session_by_cookie, cookie_digest=cookie_digest)))

    def op_session(self, op_session_id: str) -> OpSession | None:
        """Return the OP session of this id with its RP sessions, None when there is none."""
        return _one(_op_sessions(self._rows(self._statements.op_session, id=op_session_id)))

    def op_session_id_of_sid(self, sid: str) -> str | None:
        """Return the id of the OP session in which an RP session is named `sid`, None when there is none."""
        return _one([str(row[0]) for row in self._rows(self._statements.op_session_id_of_sid, sid=sid)])

    def op_sessions_of_user(self, uid: str) -> list[OpSession]:
        """Return every OP session of a user, oldest first."""
        return _op_sessions(self._rows(self._statements.op_sessions_of_user, uid=uid))

    def due_op_sessions(self, now: int, limit: int) -> list[OpSession]:
        """Return at most `limit` OP sessions that are over at `now`, longest over first."""
        return _op_sessions(self._rows(self._statements.due_op_sessions, now=now, limit=limit))

    def grant(self, grant_id: str) -> Grant | None:
        """Return a grant, expired or not, None when there is none."""
        return _one([_grant(row) for row in self._rows(self._statements.grant, id=grant_id)])

    def grant_ids(self, attribute: GrantAttribute, value: str) -> list[str]:
        """Return the ids of the grants with this value of an indexed attribute, oldest first."""
        return [row[0] for row in self._rows(self._statements.grant_ids[attribute], value=value)]

    def client(self, client_id: str) -> Client | None:
        """Return a dynamically registered client, None when there is none."""
        rows = self._rows(self._statements.client, client_id=client_id)
        if not rows:
            return None
        return Client(client_id, json.loads(rows[0][0]), frozenset(origin for _, origin in rows if origin is not None))

    def client_ids(self) -> list[str]:
        """Return the ids of all dynamically registered clients, in alphabetical order."""
        return [row[0] for row in self._rows(self._statements.client_ids)]

    def is_client_origin(self, origin: str) -> bool:
        """Tell whether any dynamically registered client has a redirect URI of this web origin."""
        return bool(self._rows(self._statements.is_client_origin, origin=origin))

    def consent(self, uid: str, client_id: str) -> Consent | None:
        """Return what a user has allowed a client, None when nothing is kept."""
        rows = self._rows(self._statements.consent, uid=uid, client_id=client_id)
        return _one([Consent(uid, client_id, frozenset(json.loads(scopes)), given_at) for scopes, given_at in rows])

    def ephemeral(self, kind: str, key: str, now: int) -> EphemeralRecord | None:
        """Look at a short-lived record without taking it, None when there is none that is unexpired at `now`."""
        rows = self._rows(self._statements.ephemeral, kind=kind, key=key, now=now)
        return _one([EphemeralRecord(kind, key, expires_at, json.loads(payload)) for expires_at, payload in rows])

    def fact(self, name: str) -> str | None:
        """Return a fact that the cluster shares, None when it is not written down."""
        return _one([str(row[0]) for row in self._rows(self._statements.fact, name=name)])

    def notices(self, limit: int) -> list[LogoutNotice]:
        """Return at most `limit` logout notices, those due first first."""
        return [_notice(row) for row in self._rows(self._statements.notices, limit=limit)]

    def _rows(self, statement: Prepared, **values: Any) -> list[tuple[Any, ...]]:
        return self._connections.rows(statement, values)

    # --- writes

    def commit(self, changes: Sequence[Change]) -> None:
        """Make all changes, in order, durably, or none of them.

        Raises: Conflict, StoreUnavailable: nothing was kept.
        """
        steps = [(change, step) for change in changes for step in self._changes.steps(change)]
        with self._connections.transaction() as cursor:
            for change, (statement, values, must_hit) in steps:
                try:
                    cursor.execute(statement.sql, values)
                except self._connections.IntegrityError as err:  # a key that is taken, or an OP session that is not there
                    raise Conflict(change) from err
                if must_hit and not (cursor.fetchall() if statement.returns_rows else cursor.rowcount):
                    raise Conflict(change)

    def sweep(self, now: int, limit: int) -> Swept:
        """Remove at most `limit` expired grants and as many expired short-lived records."""
        removed = []
        for statement in (self._statements.sweep_grants, self._statements.sweep_ephemerals):
            with self._connections.transaction() as cursor:  # one each, so that requests need not wait for both
                cursor.execute(statement.sql, statement.bound({"now": now, "limit": limit}))
                removed.append(cursor.rowcount)
        return Swept(*removed)

    def ping(self) -> None:
        """Write something to the disk, as only that shows that it can be done.

        Raises: StoreUnavailable.
        """
        self.commit([ClaimFact(SCHEMA_VERSION_FACT, SCHEMA_VERSION)])

    def close(self) -> None:
        """Close the connections of all threads."""
        self._connections.close()


_WIDTH = len(OP_SESSION_COLUMNS)


def _one(found: list[T]) -> T | None:
    return found[0] if found else None


def _op_sessions(rows: list[tuple[Any, ...]]) -> list[OpSession]:
    """Make OP sessions of joined rows; the rows of one session are beside each other."""
    sessions: list[OpSession] = []
    for _, pairs in groupby(rows, key=itemgetter(0)):
        joined = list(pairs)
        rp_sessions = tuple(RpSession(*row[_WIDTH:]) for row in joined if row[_WIDTH] is not None)
        sessions.append(OpSession(*(*joined[0][:_WIDTH], rp_sessions)))
    return sessions


def _grant(row: tuple[Any, ...]) -> Grant:
    values = dict(zip(GRANT_COLUMNS, row, strict=True))
    return Grant(**{**values, "data": json.loads(values["data"]), "is_offline": bool(values["is_offline"])})


def _notice(row: tuple[Any, ...]) -> LogoutNotice:
    values = dict(zip(NOTICE_COLUMNS, row, strict=True))
    return LogoutNotice(**{**values, "channel": Channel(values["channel"]), "reason": Reason(values["reason"])})
