"""Conversion of the store's changes to arguments of the commit script: each change's name and values.

All arguments are computed before anything is sent, so that a value that cannot be stored fails the whole commit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

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
from .records import (
    client_texts,
    consent_text,
    ephemeral_key,
    ephemeral_payload,
    grant_data,
    grant_head,
    notice_text,
    op_session_head,
    rp_session_text,
    rp_sessions_text,
)

Values: TypeAlias = tuple[str | int, ...]


def arguments(changes: Sequence[Change]) -> list[str | int]:
    """Return the changes as arguments of `commit.lua`. Raises: TypeError: a value cannot be represented in JSON."""
    sent: list[str | int] = []
    for change in changes:
        kind = type(change)
        sent.append(kind.__name__)
        sent.extend(_VALUES[kind](change))
    return sent


def _put_op_session(change: PutOpSession) -> Values:
    return change.session.id, op_session_head(change.session, change.session.version), rp_sessions_text(change.session)


def _update_op_session(change: UpdateOpSession) -> Values:
    return change.session.id, change.session.version, op_session_head(change.session, change.session.version + 1)


def _touch_op_session(change: TouchOpSession) -> Values:
    return change.op_session_id, change.last_active_at, change.idle_expires_at


def _add_rp_session(change: AddRpSession) -> Values:
    return change.op_session_id, rp_session_text(change.rp_session)


def _end_op_session(change: EndOpSession) -> Values:
    notices = [value for notice in change.notices for value in (notice.id, notice.due_at, notice_text(notice))]
    return change.session.id, change.session.version, int(change.keeps_offline), len(change.notices), *notices


def _put_grant(change: PutGrant) -> Values:
    return change.grant.id, grant_head(change.grant, change.grant.version), grant_data(change.grant)


def _update_grant(change: UpdateGrant) -> Values:
    return change.grant.id, change.grant.version, grant_head(change.grant, change.grant.version + 1), grant_data(change.grant)


def _delete_grant(change: DeleteGrant) -> Values:
    return (change.grant_id,)


def _put_client(change: PutClient | UpdateClient) -> Values:
    return change.client.client_id, *client_texts(change.client)


def _delete_client(change: DeleteClient) -> Values:
    return (change.client_id,)


def _put_consent(change: PutConsent) -> Values:
    return change.consent.client_id, change.consent.uid, consent_text(change.consent)


def _delete_consent(change: DeleteConsent) -> Values:
    return change.client_id, change.uid


def _put_ephemeral(change: PutEphemeral) -> Values:
    record = change.record
    return ephemeral_key(record.kind, record.key), record.expires_at, ephemeral_payload(record)


def _claim_ephemeral(change: ClaimEphemeral) -> Values:
    return *_put_ephemeral(PutEphemeral(change.record)), change.now


def _take_ephemeral(change: TakeEphemeral) -> Values:
    return ephemeral_key(change.kind, change.key), change.now


def _delete_ephemeral(change: DeleteEphemeral) -> Values:
    return (ephemeral_key(change.kind, change.key),)


def _put_notice(change: PutNotice) -> Values:
    return change.notice.id, change.notice.due_at, notice_text(change.notice)


def _delete_notice(change: DeleteNotice) -> Values:
    return (change.notice_id,)


def _defer_notices(change: DeferNotices) -> Values:
    return change.client_id, change.until


def _claim_fact(change: ClaimFact) -> Values:
    return change.name, change.value, change.value if change.instead_of is None else change.instead_of


_VALUES: dict[type, Callable[[Any], Values]] = {
    PutOpSession: _put_op_session,
    UpdateOpSession: _update_op_session,
    TouchOpSession: _touch_op_session,
    AddRpSession: _add_rp_session,
    EndOpSession: _end_op_session,
    PutGrant: _put_grant,
    UpdateGrant: _update_grant,
    DeleteGrant: _delete_grant,
    PutClient: _put_client,
    UpdateClient: _put_client,
    DeleteClient: _delete_client,
    PutConsent: _put_consent,
    DeleteConsent: _delete_consent,
    PutEphemeral: _put_ephemeral,
    ClaimEphemeral: _claim_ephemeral,
    TakeEphemeral: _take_ephemeral,
    DeleteEphemeral: _delete_ephemeral,
    PutNotice: _put_notice,
    DeleteNotice: _delete_notice,
    DeferNotices: _defer_notices,
    ClaimFact: _claim_fact,
}
