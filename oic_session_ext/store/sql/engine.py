"""The SQL engine of the store, independent of the dialect: SQLite for one machine, PostgreSQL for several.

Each read is a single statement outside of a transaction. Each commit is one short transaction; `changes.py` has its
statements.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

from ...model import Channel, Client, Consent, EphemeralRecord, Grant, LogoutNotice, NoticeState, OpSession, Reason, RpSession
from ..base import GrantAttribute, Store, Swept
from ..changes import Change, PutEphemeral
from .changes import ChangesInSql
from .connections import Connections, Row
from .prepared import Prepared, Step, step
from .statements import GRANT_COLUMNS, NOTICE_COLUMNS, OP_SESSION_COLUMNS, Statements

T = TypeVar("T")

_NEVER = 2**63 - 1
"""Later than every instant in the tables."""


class SqlStore(Store):
    """A store in a SQL database, created by `open_sqlite_store` or `open_postgresql_store`."""

    def __init__(self, connections: Connections, statements: Statements) -> None:
        self._connections = connections
        self._statements = statements
        self._changes = ChangesInSql(statements)

    # --- reads

    def op_session_by_cookie(self, cookie_digest: str) -> OpSession | None:
        """Return the OP session with its RP sessions (oldest first), or None, in one round trip."""
        return _one(_op_sessions(self._rows(self._statements.op_session_by_cookie, cookie_digest=cookie_digest)))

    def op_session(self, op_session_id: str) -> OpSession | None:
        """Return the OP session of this id with its RP sessions, or None."""
        return _one(_op_sessions(self._rows(self._statements.op_session, id=op_session_id)))

    def op_session_id_of_sid(self, sid: str) -> str | None:
        """Return the id of the OP session that has an RP session with this `sid`, or None."""
        return _one([str(row[0]) for row in self._rows(self._statements.op_session_id_of_sid, sid=sid)])

    def op_sessions_of_user(self, uid: str) -> list[OpSession]:
        """Return every OP session of a user, oldest first."""
        return _op_sessions(self._rows(self._statements.op_sessions_of_user, uid=uid))

    def list_op_sessions(
        self, *, client_id: str | None = None, created_before: int | None = None, limit: int, after: tuple[int, str] = (0, "")
    ) -> list[OpSession]:
        """Return at most `limit` OP sessions, oldest first, for administration."""
        statement = self._statements.list_op_sessions if client_id is None else self._statements.list_op_sessions_of_client
        before = _NEVER if created_before is None else created_before
        page = {"created_before": before, "after_created_at": after[0], "after_id": after[1], "limit": limit}
        return _op_sessions(self._rows(statement, client_id=client_id, **page))

    def due_op_sessions(self, now: int, limit: int) -> list[OpSession]:
        """Return at most `limit` OP sessions that have expired at `now`, earliest expiry first."""
        return _op_sessions(self._rows(self._statements.due_op_sessions, now=now, limit=limit))

    def grant(self, grant_id: str) -> Grant | None:
        """Return a grant, expired or not, or None."""
        return _one([_grant(row) for row in self._rows(self._statements.grant, id=grant_id)])

    def grant_ids(self, attribute: GrantAttribute, value: str, limit: int) -> list[str]:
        """Return the ids of at most `limit` grants with this value of an indexed attribute."""
        return [row[0] for row in self._rows(self._statements.grant_ids[attribute], value=value, limit=limit)]

    def client(self, client_id: str) -> Client | None:
        """Return a dynamically registered client, or None."""
        rows = self._rows(self._statements.client, client_id=client_id)
        if not rows:
            return None
        return Client(client_id, json.loads(rows[0][0]), frozenset(origin for _, origin in rows if origin is not None))

    def client_ids(self) -> list[str]:
        """Return the ids of all dynamically registered clients, in alphabetical order."""
        return [row[0] for row in self._rows(self._statements.client_ids)]

    def is_client_origin(self, origin: str) -> bool:
        """Return whether a dynamically registered client has a redirect URI of this web origin."""
        return bool(self._rows(self._statements.is_client_origin, origin=origin))

    def consent(self, uid: str, client_id: str) -> Consent | None:
        """Return the consent of a user to a client, or None."""
        rows = self._rows(self._statements.consent, uid=uid, client_id=client_id)
        return _one([Consent(uid, client_id, frozenset(json.loads(scopes)), given_at) for scopes, given_at in rows])

    def ephemeral(self, kind: str, key: str, now: int) -> EphemeralRecord | None:
        """Return a short-lived record without removing it; None if there is none or it has expired at `now`."""
        rows = self._rows(self._statements.ephemeral, kind=kind, key=key, now=now)
        return _one([EphemeralRecord(kind, key, expires_at, json.loads(payload)) for expires_at, payload in rows])

    def ephemerals(self, kind: str, keys: Sequence[str], now: int) -> list[EphemeralRecord]:
        """Return those of several short-lived records of one kind that are unexpired at `now`."""
        rows = self._rows(self._statements.ephemerals, kind=kind, keys=json.dumps(keys), now=now)
        return [EphemeralRecord(kind, key, expires_at, json.loads(payload)) for key, expires_at, payload in rows]

    def fact(self, name: str) -> str | None:
        """Return the value of a fact that the cluster shares, or None if it is not recorded."""
        return _one([str(row[0]) for row in self._rows(self._statements.fact, name=name)])

    def lease_notices(self, now: int, until: int, limit: int) -> list[LogoutNotice]:
        """Return at most `limit` pending notices that are due at `now`, and defer them to `until` in the same step."""

        def defer(row: Row) -> Step:
            return step(self._statements.defer_notice, {"id": row[0], "until": until})

        values = {"state": NoticeState.PENDING, "now": now, "limit": limit}
        leased = self._connections.rows_then(self._statements.due_notices, values, defer)
        return [replace(_notice(row), due_at=until) for row in leased]

    def notice(self, notice_id: str) -> LogoutNotice | None:
        """Return a logout notice, or None."""
        return _one([_notice(row) for row in self._rows(self._statements.notice, id=notice_id)])

    def notices(self, limit: int, *, state: NoticeState | None = None, client_id: str | None = None) -> list[LogoutNotice]:
        """Return at most `limit` logout notices ordered by due time, of one state and one client if these are given."""
        statement = self._statements.notices if client_id is None else self._statements.notices_of_client
        found = [
            _notice(row)
            for each in (NoticeState if state is None else [state])  # one query for each state, by an index that begins with the state
            for row in self._rows(statement, state=each, client_id=client_id, limit=limit)
        ]
        return sorted(found, key=attrgetter("due_at", "ended_at", "id"))[:limit]

    def notice_counts(self) -> dict[NoticeState, int]:
        """Return the number of notices in each state."""
        return {
            **dict.fromkeys(NoticeState, 0),
            **{NoticeState(state): count for state, count in self._rows(self._statements.notice_counts)},
        }

    def _rows(self, statement: Prepared, **values: Any) -> list[Row]:
        return self._connections.rows(statement, values)

    # --- writes

    def commit(self, changes: Sequence[Change]) -> None:
        """Apply all changes in order and durably, or none of them.

        Raises: Conflict, StoreUnavailable: nothing was stored.
        """
        self._connections.commit([(change, step) for change in changes for step in self._changes.steps(change)])

    def sweep(self, now: int, limit: int) -> Swept:
        """Remove expired grants, expired short-lived records and due undeliverable notices, at most `limit` of each."""
        statements = (self._statements.sweep_grants, self._statements.sweep_ephemerals, self._statements.sweep_notices)
        # one transaction for each, so that requests wait less
        return Swept(*(self._connections.hits(statement, {"now": now, "limit": limit}) for statement in statements))

    def ping(self) -> None:
        """Verify with a write to the disk that the store can be written. Raises: StoreUnavailable."""
        nonce = secrets.token_hex(8)  # a new value each time, because SQLite does not write an unchanged one
        self.commit([PutEphemeral(EphemeralRecord("ping", "ping", 0, {"nonce": nonce}))])

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()


_WIDTH = len(OP_SESSION_COLUMNS)


def _one(found: list[T]) -> T | None:
    return found[0] if found else None


def _op_sessions(rows: list[Row]) -> list[OpSession]:
    """Build OP sessions from joined rows; the rows of one session are adjacent."""
    sessions: list[OpSession] = []
    for _, pairs in groupby(rows, key=itemgetter(0)):
        joined = list(pairs)
        rp_sessions = tuple(RpSession(*row[_WIDTH:]) for row in joined if row[_WIDTH] is not None)
        sessions.append(OpSession(*(*joined[0][:_WIDTH], rp_sessions)))
    return sessions


def _grant(row: Row) -> Grant:
    values = dict(zip(GRANT_COLUMNS, row, strict=True))
    return Grant(**{**values, "data": json.loads(values["data"]), "is_offline": bool(values["is_offline"])})


def _notice(row: Row) -> LogoutNotice:
    values = dict(zip(NOTICE_COLUMNS, row, strict=True))
    names = {"channel": Channel(values["channel"]), "reason": Reason(values["reason"]), "state": NoticeState(values["state"])}
    return LogoutNotice(**{**values, **names})
