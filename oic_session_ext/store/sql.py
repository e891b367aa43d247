"""The SQL engine of the store: SQLite for one machine.

A commit is turned into *steps* (a statement, its values, whether it must hit a row) before its transaction begins, so
that the transaction is nothing but these statements: short, and the same for every dialect.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Engine, inspect
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, OperationalError

from ..errors import ConfigError, Conflict, StoreUnavailable
from ..model import Channel, Client, Consent, EphemeralRecord, Grant, LogoutNotice, OpSession, Reason, RpSession
from .base import (
    AddRpSession,
    Change,
    ClaimEphemeral,
    ClaimFact,
    DeleteClient,
    DeleteConsent,
    DeleteEphemeral,
    DeleteGrant,
    EndOpSession,
    GrantAttribute,
    PutClient,
    PutConsent,
    PutEphemeral,
    PutGrant,
    PutOpSession,
    Store,
    Swept,
    TakeEphemeral,
    TouchOpSession,
    UpdateGrant,
    UpdateOpSession,
)
from .sql_connections import Connections, sqlite_engine
from .sql_statements import GRANT_COLUMNS, NOTICE_COLUMNS, OP_SESSION_COLUMNS, RP_SESSION_COLUMNS, Prepared, Statements
from .sql_tables import SCHEMA_VERSION, SCHEMA_VERSION_FACT, facts, metadata

T = TypeVar("T")

Step: TypeAlias = tuple[Prepared, list[Any], bool]
"""A statement, its values in order, and whether it must hit a row (else the change's condition did not hold)."""


def open_sqlite_store(path: Path) -> SqlStore:
    """Open the store in a SQLite file; the file, its folder and its tables are made when they are not there.

    Raises:
        ConfigError: the file cannot be opened, is no SQLite database or was written by another version of this package.
        StoreUnavailable: the database cannot be read or written now.
    """
    try:
        engine = sqlite_engine(path)
        _check_schema(engine, "BEGIN IMMEDIATE")
    except OSError as err:
        raise ConfigError("store", f"{path} cannot be opened: {err.strerror}") from err
    except (OperationalError, sqlite3.OperationalError) as err:
        raise StoreUnavailable(str(err)) from err
    except (DBAPIError, sqlite3.DatabaseError) as err:
        raise ConfigError("store", f"{path} is not a SQLite database") from err
    return SqlStore(Connections(engine, "BEGIN IMMEDIATE", one_writer=True), Statements(engine.dialect, sqlite.insert))


def _check_schema(engine: Engine, begin: str) -> None:
    """Make the tables in an empty database; refuse one whose tables are of another version."""
    with engine.connect() as connection:
        connection.exec_driver_sql(begin)  # several servers may start on an empty database at once
        found = None
        if inspect(connection).has_table(facts.name):
            found = connection.scalar(facts.select().with_only_columns(facts.c.value).where(facts.c.name == SCHEMA_VERSION_FACT))
            if found != SCHEMA_VERSION:
                raise ConfigError("store", f"its tables have version {found}; this package works with version {SCHEMA_VERSION}")
        if found is None:
            metadata.create_all(connection)
            connection.execute(facts.insert().values(name=SCHEMA_VERSION_FACT, value=SCHEMA_VERSION))
        connection.commit()


class SqlStore(Store):
    """A store in a SQL database; `open_sqlite_store` makes one."""

    def __init__(self, connections: Connections, statements: Statements) -> None:
        self._connections = connections
        self._statements = statements
        self._steps: dict[type, Callable[[Any], Iterator[Step]]] = {
            PutOpSession: self._put_op_session,
            UpdateOpSession: self._update_op_session,
            TouchOpSession: self._touch_op_session,
            AddRpSession: self._add_rp_session,
            EndOpSession: self._end_op_session,
            PutGrant: self._put_grant,
            UpdateGrant: self._update_grant,
            DeleteGrant: self._delete_grant,
            PutClient: self._put_client,
            DeleteClient: self._delete_client,
            PutConsent: self._put_consent,
            DeleteConsent: self._delete_consent,
            PutEphemeral: self._put_ephemeral,
            ClaimEphemeral: self._claim_ephemeral,
            TakeEphemeral: self._take_ephemeral,
            DeleteEphemeral: self._delete_ephemeral,
            ClaimFact: self._claim_fact,
        }

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
        steps = [(change, step) for change in changes for step in self._steps[type(change)](change)]
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

    # --- what each change does

    def _put_op_session(self, change: PutOpSession) -> Iterator[Step]:
        yield _step(self._statements.put_op_session, _op_session_values(change.session))
        for rp_session in change.session.rp_sessions:
            yield _step(self._statements.put_rp_session, _rp_session_values(change.session.id, rp_session))

    def _update_op_session(self, change: UpdateOpSession) -> Iterator[Step]:
        yield _step(self._statements.update_op_session, _op_session_values(change.session), must_hit=True)

    def _touch_op_session(self, change: TouchOpSession) -> Iterator[Step]:
        values = {
            "op_session_id": change.op_session_id,
            "last_active_at": change.last_active_at,
            "idle_expires_at": change.idle_expires_at,
        }
        yield _step(self._statements.touch_op_session, values, must_hit=True)

    def _add_rp_session(self, change: AddRpSession) -> Iterator[Step]:
        values = _rp_session_values(change.op_session_id, change.rp_session)
        yield _step(self._statements.count_rp_session, values, must_hit=True)
        yield _step(self._statements.add_rp_session, values)

    def _end_op_session(self, change: EndOpSession) -> Iterator[Step]:
        values = {"id": change.session.id, "version": change.session.version}
        yield _step(self._statements.lock_op_session, values, must_hit=True)
        yield _step(self._statements.release_offline_grants, values)
        yield _step(self._statements.delete_op_session, values)
        for notice in change.notices:
            yield _step(self._statements.put_notice, {name: getattr(notice, name) for name in NOTICE_COLUMNS})

    def _put_grant(self, change: PutGrant) -> Iterator[Step]:
        yield _step(self._statements.put_grant, _grant_values(change.grant))

    def _update_grant(self, change: UpdateGrant) -> Iterator[Step]:
        yield _step(self._statements.update_grant, _grant_values(change.grant), must_hit=True)

    def _delete_grant(self, change: DeleteGrant) -> Iterator[Step]:
        yield _step(self._statements.delete_grant, {"id": change.grant_id})

    def _put_client(self, change: PutClient) -> Iterator[Step]:
        client = change.client
        yield _step(self._statements.put_client, {"client_id": client.client_id, "metadata": _json(dict(client.metadata))})
        yield _step(self._statements.delete_client_origins, {"client_id": client.client_id})
        for origin in client.origins:
            yield _step(self._statements.put_client_origin, {"client_id": client.client_id, "origin": origin})

    def _delete_client(self, change: DeleteClient) -> Iterator[Step]:
        yield _step(self._statements.delete_client, {"client_id": change.client_id})
        yield _step(self._statements.delete_consents_of_client, {"client_id": change.client_id})

    def _put_consent(self, change: PutConsent) -> Iterator[Step]:
        consent = change.consent
        values = {
            "uid": consent.uid,
            "client_id": consent.client_id,
            "scopes": _json(sorted(consent.scopes)),
            "given_at": consent.given_at,
        }
        yield _step(self._statements.put_consent, values)

    def _delete_consent(self, change: DeleteConsent) -> Iterator[Step]:
        yield _step(self._statements.delete_consent, {"uid": change.uid, "client_id": change.client_id})

    def _put_ephemeral(self, change: PutEphemeral) -> Iterator[Step]:
        yield _step(self._statements.put_ephemeral, _ephemeral_values(change.record))

    def _claim_ephemeral(self, change: ClaimEphemeral) -> Iterator[Step]:
        yield _step(self._statements.claim_ephemeral, {**_ephemeral_values(change.record), "now": change.now}, must_hit=True)

    def _take_ephemeral(self, change: TakeEphemeral) -> Iterator[Step]:
        yield _step(self._statements.take_ephemeral, {"kind": change.kind, "key": change.key, "now": change.now}, must_hit=True)

    def _delete_ephemeral(self, change: DeleteEphemeral) -> Iterator[Step]:
        yield _step(self._statements.delete_ephemeral, {"kind": change.kind, "key": change.key})

    def _claim_fact(self, change: ClaimFact) -> Iterator[Step]:
        yield _step(self._statements.claim_fact, {"name": change.name, "value": change.value}, must_hit=True)


def _step(statement: Prepared, values: Mapping[str, Any], *, must_hit: bool = False) -> Step:
    return statement, statement.bound(values), must_hit


_WIDTH = len(OP_SESSION_COLUMNS)
_json = json.JSONEncoder(separators=(",", ":")).encode


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


def _op_session_values(session: OpSession) -> dict[str, Any]:
    values = {name: getattr(session, name) for name in OP_SESSION_COLUMNS}
    values["due_at"] = min(session.idle_expires_at, session.expires_at)
    return values


def _rp_session_values(op_session_id: str, rp_session: RpSession) -> dict[str, Any]:
    return {"op_session_id": op_session_id, **{name: getattr(rp_session, name) for name in RP_SESSION_COLUMNS}}


def _grant(row: tuple[Any, ...]) -> Grant:
    values = dict(zip(GRANT_COLUMNS, row, strict=True))
    return Grant(**{**values, "data": json.loads(values["data"]), "is_offline": bool(values["is_offline"])})


def _grant_values(grant: Grant) -> dict[str, Any]:
    values = {name: getattr(grant, name) for name in GRANT_COLUMNS}
    values["data"] = _json(dict(grant.data))
    return values


def _ephemeral_values(record: EphemeralRecord) -> dict[str, Any]:
    return {"kind": record.kind, "key": record.key, "expires_at": record.expires_at, "payload": _json(dict(record.payload))}


def _notice(row: tuple[Any, ...]) -> LogoutNotice:
    values = dict(zip(NOTICE_COLUMNS, row, strict=True))
    return LogoutNotice(**{**values, "channel": Channel(values["channel"]), "reason": Reason(values["reason"])})
