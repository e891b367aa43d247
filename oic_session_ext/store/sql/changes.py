"""Conversion of the store's changes to SQL: the statements of a commit and their values.

They are computed before the transaction begins, so that other writers wait for the statements only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from ...model import Client, EphemeralRecord, Grant, LogoutNotice, OpSession, RpSession
from ..changes import (
    AddRpSession,
    Change,
    ClaimEphemeral,
    ClaimFact,
    DeferNotices,
    DeleteClient,
    DeleteConsent,
    DeleteEphemeral,
    DeleteGrant,
    DeleteNotice,
    EndOpSession,
    PutClient,
    PutConsent,
    PutEphemeral,
    PutGrant,
    PutNotice,
    PutOpSession,
    TakeEphemeral,
    TouchOpSession,
    UpdateClient,
    UpdateGrant,
    UpdateOpSession,
)
from .prepared import Step, step
from .statements import GRANT_COLUMNS, NOTICE_COLUMNS, OP_SESSION_COLUMNS, RP_SESSION_COLUMNS, Statements

_json = json.JSONEncoder(separators=(",", ":")).encode


class ChangesInSql:
    """Converts changes to steps with the statements of one dialect."""

    def __init__(self, statements: Statements) -> None:
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
            UpdateClient: self._update_client,
            DeleteClient: self._delete_client,
            PutConsent: self._put_consent,
            DeleteConsent: self._delete_consent,
            PutEphemeral: self._put_ephemeral,
            ClaimEphemeral: self._claim_ephemeral,
            TakeEphemeral: self._take_ephemeral,
            DeleteEphemeral: self._delete_ephemeral,
            PutNotice: self._put_notice,
            DeleteNotice: self._delete_notice,
            DeferNotices: self._defer_notices,
            ClaimFact: self._claim_fact,
        }

    def steps(self, change: Change) -> Iterator[Step]:
        """Return the steps of a change, in order. Raises: TypeError: a value cannot be represented in JSON."""
        return self._steps[type(change)](change)

    def _put_op_session(self, change: PutOpSession) -> Iterator[Step]:
        yield step(self._statements.put_op_session, _op_session_values(change.session))
        for rp_session in change.session.rp_sessions:
            yield step(self._statements.put_rp_session, _rp_session_values(change.session, rp_session))

    def _update_op_session(self, change: UpdateOpSession) -> Iterator[Step]:
        yield step(self._statements.update_op_session, _op_session_values(change.session), must_hit=True)

    def _touch_op_session(self, change: TouchOpSession) -> Iterator[Step]:
        values = {
            "op_session_id": change.op_session_id,
            "last_active_at": change.last_active_at,
            "idle_expires_at": change.idle_expires_at,
        }
        yield step(self._statements.touch_op_session, values, must_hit=True)

    def _add_rp_session(self, change: AddRpSession) -> Iterator[Step]:
        values = {"op_session_id": change.op_session_id, **{name: getattr(change.rp_session, name) for name in RP_SESSION_COLUMNS}}
        for number, statement in enumerate(self._statements.add_rp_session):
            yield step(statement, values, must_hit=number == 0)  # the session must exist; the RP session may exist already

    def _end_op_session(self, change: EndOpSession) -> Iterator[Step]:
        values = {"id": change.session.id, "version": change.session.version}
        yield step(self._statements.lock_op_session, values, must_hit=True)
        if self._statements.locks_rows:
            yield step(self._statements.lock_grants, values)
        if change.keeps_offline:
            yield step(self._statements.release_offline_grants, values)
        yield step(self._statements.delete_op_session, values)
        for notice in change.notices:
            yield step(self._statements.put_notice, _notice_values(notice))

    def _put_grant(self, change: PutGrant) -> Iterator[Step]:
        yield step(self._statements.put_grant, _grant_values(change.grant))

    def _update_grant(self, change: UpdateGrant) -> Iterator[Step]:
        yield step(self._statements.update_grant, _grant_values(change.grant), must_hit=True)

    def _delete_grant(self, change: DeleteGrant) -> Iterator[Step]:
        yield step(self._statements.delete_grant, {"id": change.grant_id})

    def _put_client(self, change: PutClient) -> Iterator[Step]:
        yield step(self._statements.put_client, _client_values(change.client))
        yield from self._put_client_origins(change.client)

    def _update_client(self, change: UpdateClient) -> Iterator[Step]:
        yield step(self._statements.update_client, _client_values(change.client), must_hit=True)
        yield step(self._statements.delete_client_origins, {"client_id": change.client.client_id})
        yield from self._put_client_origins(change.client)

    def _put_client_origins(self, client: Client) -> Iterator[Step]:
        for origin in client.origins:
            yield step(self._statements.put_client_origin, {"client_id": client.client_id, "origin": origin})

    def _delete_client(self, change: DeleteClient) -> Iterator[Step]:
        yield step(self._statements.delete_client, {"client_id": change.client_id})
        yield step(self._statements.delete_consents_of_client, {"client_id": change.client_id})

    def _put_consent(self, change: PutConsent) -> Iterator[Step]:
        consent = change.consent
        values = {
            "uid": consent.uid,
            "client_id": consent.client_id,
            "scopes": _json(sorted(consent.scopes)),
            "given_at": consent.given_at,
        }
        yield step(self._statements.put_consent, values)

    def _delete_consent(self, change: DeleteConsent) -> Iterator[Step]:
        yield step(self._statements.delete_consent, {"uid": change.uid, "client_id": change.client_id})

    def _put_ephemeral(self, change: PutEphemeral) -> Iterator[Step]:
        yield step(self._statements.put_ephemeral, _ephemeral_values(change.record))

    def _claim_ephemeral(self, change: ClaimEphemeral) -> Iterator[Step]:
        yield step(self._statements.claim_ephemeral, {**_ephemeral_values(change.record), "now": change.now}, must_hit=True)

    def _take_ephemeral(self, change: TakeEphemeral) -> Iterator[Step]:
        yield step(self._statements.take_ephemeral, {"kind": change.kind, "key": change.key, "now": change.now}, must_hit=True)

    def _delete_ephemeral(self, change: DeleteEphemeral) -> Iterator[Step]:
        yield step(self._statements.delete_ephemeral, {"kind": change.kind, "key": change.key})

    def _put_notice(self, change: PutNotice) -> Iterator[Step]:
        yield step(self._statements.replace_notice, _notice_values(change.notice), must_hit=True)

    def _delete_notice(self, change: DeleteNotice) -> Iterator[Step]:
        yield step(self._statements.delete_notice, {"id": change.notice_id})

    def _defer_notices(self, change: DeferNotices) -> Iterator[Step]:
        yield step(self._statements.defer_notices, {"client_id": change.client_id, "until": change.until})

    def _claim_fact(self, change: ClaimFact) -> Iterator[Step]:
        values = {"name": change.name, "value": change.value, "instead_of": change.instead_of}
        yield step(self._statements.claim_fact, values, must_hit=True)


def _op_session_values(session: OpSession) -> dict[str, Any]:
    values = {name: getattr(session, name) for name in OP_SESSION_COLUMNS}
    values["due_at"] = min(session.idle_expires_at, session.expires_at)
    return values


def _rp_session_values(session: OpSession, rp_session: RpSession) -> dict[str, Any]:
    values = {name: getattr(rp_session, name) for name in RP_SESSION_COLUMNS}
    return {**values, "op_session_id": session.id, "session_created_at": session.created_at}


def _client_values(client: Client) -> dict[str, Any]:
    return {"client_id": client.client_id, "metadata": _json(dict(client.metadata))}


def _grant_values(grant: Grant) -> dict[str, Any]:
    values = {name: getattr(grant, name) for name in GRANT_COLUMNS}
    values["data"] = _json(dict(grant.data))
    return values


def _ephemeral_values(record: EphemeralRecord) -> dict[str, Any]:
    return {"kind": record.kind, "key": record.key, "expires_at": record.expires_at, "payload": _json(dict(record.payload))}


def _notice_values(notice: LogoutNotice) -> dict[str, Any]:
    return {name: getattr(notice, name) for name in NOTICE_COLUMNS}
