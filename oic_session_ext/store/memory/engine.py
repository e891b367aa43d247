"""The in-memory engine of the store, for tests and trials. Its content is lost when the process ends.

It implements the whole contract and is thread-safe. Every look-up is by a key, and a commit that fails is rolled back.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from heapq import nsmallest
from itertools import islice
from typing import Any, get_args

from ...errors import Conflict
from ...model import Client, Consent, EphemeralRecord, Grant, LogoutNotice, NoticeState, OpSession
from ..base import GrantAttribute, Store, Swept
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
from .tables import DueQueue, Journal, StoredRecord

_GRANT_ATTRIBUTES: tuple[GrantAttribute, ...] = get_args(GrantAttribute)


class MemoryStore(Store):
    """A store in this process's memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._op_sessions: dict[str, OpSession] = {}
        self._op_session_of_cookie: dict[str, str] = {}
        self._op_session_of_sid: dict[str, str] = {}
        self._op_sessions_of_user: dict[str, dict[str, None]] = {}
        self._due_op_sessions: DueQueue[str] = DueQueue()
        self._grants: dict[str, StoredRecord[Grant]] = {}
        self._grant_index: dict[tuple[GrantAttribute, str], dict[str, None]] = {}
        self._expiring_grants: DueQueue[str] = DueQueue()
        self._clients: dict[str, StoredRecord[Client]] = {}
        self._clients_of_origin: dict[str, dict[str, None]] = {}
        self._consents: dict[tuple[str, str], Consent] = {}
        self._consents_to_client: dict[str, dict[tuple[str, str], None]] = {}
        self._ephemerals: dict[tuple[str, str], StoredRecord[EphemeralRecord]] = {}
        self._expiring_ephemerals: DueQueue[tuple[str, str]] = DueQueue()
        self._notices: dict[str, LogoutNotice] = {}
        self._notices_to_client: dict[str, dict[str, None]] = {}
        self._pending_notices: DueQueue[tuple[int, str]] = DueQueue()  # keys: when the session ended, and the notice's id
        self._undeliverable_notices: DueQueue[tuple[int, str]] = DueQueue()
        self._facts: dict[str, str] = {}
        self._apply: dict[type, Callable[[Journal, Any], bool]] = {
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

    # --- reads

    def op_session_by_cookie(self, cookie_digest: str) -> OpSession | None:
        """Return the OP session with its RP sessions (oldest first), or None."""
        with self._lock:
            op_session_id = self._op_session_of_cookie.get(cookie_digest)
            return None if op_session_id is None else self._op_sessions[op_session_id]

    def op_session(self, op_session_id: str) -> OpSession | None:
        """Return the OP session of this id with its RP sessions, or None."""
        with self._lock:
            return self._op_sessions.get(op_session_id)

    def op_session_id_of_sid(self, sid: str) -> str | None:
        """Return the id of the OP session that has an RP session with this `sid`, or None."""
        with self._lock:
            return self._op_session_of_sid.get(sid)

    def op_sessions_of_user(self, uid: str) -> list[OpSession]:
        """Return every OP session of a user, oldest first."""
        with self._lock:
            sessions = [self._op_sessions[op_session_id] for op_session_id in self._op_sessions_of_user.get(uid, ())]
        return sorted(sessions, key=_created)

    def list_op_sessions(
        self, *, client_id: str | None = None, created_before: int | None = None, limit: int, after: tuple[int, str] = (0, "")
    ) -> list[OpSession]:
        """Return at most `limit` OP sessions, oldest first. This engine reads all sessions for it."""
        with self._lock:
            sessions = list(self._op_sessions.values())
        wanted = (
            session
            for session in sessions
            if _created(session) > after
            and (created_before is None or session.created_at < created_before)
            and (client_id is None or session.rp_session_of(client_id) is not None)
        )
        return nsmallest(limit, wanted, key=_created)

    def due_op_sessions(self, now: int, limit: int) -> list[OpSession]:
        """Return at most `limit` OP sessions that have expired at `now`, earliest expiry first."""
        with self._lock:
            return [self._op_sessions[op_session_id] for op_session_id in self._due_op_sessions.first(limit, now)]

    def grant(self, grant_id: str) -> Grant | None:
        """Return a grant, expired or not, or None."""
        with self._lock:
            kept = self._grants.get(grant_id)
        return None if kept is None else replace(kept.value, data=json.loads(kept.text))

    def grant_ids(self, attribute: GrantAttribute, value: str, limit: int) -> list[str]:
        """Return the ids of at most `limit` grants with this value of an indexed attribute."""
        with self._lock:
            return list(islice(self._grant_index.get((attribute, value), ()), limit))

    def client(self, client_id: str) -> Client | None:
        """Return a dynamically registered client, or None."""
        with self._lock:
            kept = self._clients.get(client_id)
        return None if kept is None else replace(kept.value, metadata=json.loads(kept.text))

    def client_ids(self) -> list[str]:
        """Return the ids of all dynamically registered clients, in alphabetical order."""
        with self._lock:
            return sorted(self._clients)

    def is_client_origin(self, origin: str) -> bool:
        """Return whether a dynamically registered client has a redirect URI of this web origin."""
        with self._lock:
            return origin in self._clients_of_origin

    def consent(self, uid: str, client_id: str) -> Consent | None:
        """Return the consent of a user to a client, or None."""
        with self._lock:
            return self._consents.get((uid, client_id))

    def ephemeral(self, kind: str, key: str, now: int) -> EphemeralRecord | None:
        """Return a short-lived record without removing it; None if there is none or it has expired at `now`."""
        with self._lock:
            kept = self._ephemerals.get((kind, key))
        if kept is None or kept.value.expires_at <= now:
            return None
        return replace(kept.value, payload=json.loads(kept.text))

    def ephemerals(self, kind: str, keys: Sequence[str], now: int) -> list[EphemeralRecord]:
        """Return those of several short-lived records of one kind that are unexpired at `now`."""
        return [record for key in keys if (record := self.ephemeral(kind, key, now)) is not None]

    def fact(self, name: str) -> str | None:
        """Return the value of a fact that the cluster shares, or None if it is not recorded."""
        with self._lock:
            return self._facts.get(name)

    def lease_notices(self, now: int, until: int, limit: int) -> list[LogoutNotice]:
        """Return at most `limit` pending notices that are due at `now`, and defer them to `until` in the same step."""
        journal = Journal()
        with self._lock:
            due = [self._notices[notice_id] for _, notice_id in self._pending_notices.first(limit, now)]
            leased = [replace(notice, due_at=until) for notice in due]
            for notice in leased:
                self._keep_notice(journal, notice)
        return leased

    def notice(self, notice_id: str) -> LogoutNotice | None:
        """Return a logout notice, or None."""
        with self._lock:
            return self._notices.get(notice_id)

    def notices(self, limit: int, *, state: NoticeState | None = None, client_id: str | None = None) -> list[LogoutNotice]:
        """Return at most `limit` logout notices ordered by due time, of one state and one client if these are given."""
        states = NoticeState if state is None else [state]
        with self._lock:
            if client_id is None:
                ids = [notice_id for each in states for _, notice_id in self._notices_in(each).first(limit)]
            else:
                ids = list(self._notices_to_client.get(client_id, ()))
            found = [self._notices[notice_id] for notice_id in ids]
        return nsmallest(limit, (notice for notice in found if notice.state in states), key=_due)

    def notice_counts(self) -> dict[NoticeState, int]:
        """Return the number of notices in each state."""
        with self._lock:
            return {state: len(self._notices_in(state).due) for state in NoticeState}

    # --- writes

    def commit(self, changes: Sequence[Change]) -> None:
        """Apply all changes in order, or none of them.

        Raises: Conflict: the condition of a change did not hold.
        """
        journal = Journal()
        with self._lock:
            try:
                for change in changes:
                    if not self._apply[type(change)](journal, change):
                        raise Conflict(change)
            except BaseException:
                journal.undo()
                raise

    def sweep(self, now: int, limit: int) -> Swept:
        """Remove expired grants, expired short-lived records and due undeliverable notices, at most `limit` of each."""
        journal = Journal()
        with self._lock:
            grant_ids = self._expiring_grants.first(limit, now)
            for grant_id in grant_ids:
                self._drop_grant(journal, grant_id)
            record_keys = self._expiring_ephemerals.first(limit, now)
            for record_key in record_keys:
                self._drop_ephemeral(journal, record_key)
            notice_keys = self._undeliverable_notices.first(limit, now)
            for _, notice_id in notice_keys:
                self._drop_notice(journal, notice_id)
        return Swept(len(grant_ids), len(record_keys), len(notice_keys))

    def ping(self) -> None:
        """Do nothing: memory can always be read and written."""

    # --- OP sessions; each method returns whether the change's condition holds

    def _put_op_session(self, journal: Journal, change: PutOpSession) -> bool:
        return change.session.id not in self._op_sessions and self._keep_op_session(journal, change.session)

    def _update_op_session(self, journal: Journal, change: UpdateOpSession) -> bool:
        old = self._op_sessions.get(change.session.id)
        if old is None or old.version != change.session.version:
            return False
        self._drop_op_session(journal, old)
        new = replace(change.session, created_at=old.created_at, version=old.version + 1, rp_sessions=old.rp_sessions)
        return self._keep_op_session(journal, new)

    def _touch_op_session(self, journal: Journal, change: TouchOpSession) -> bool:
        old = self._op_sessions.get(change.op_session_id)
        if old is None:
            return False
        last_active_at = max(old.last_active_at, change.last_active_at)
        idle_expires_at = max(old.idle_expires_at, change.idle_expires_at)
        touched = replace(old, last_active_at=last_active_at, idle_expires_at=idle_expires_at)
        journal.set(self._op_sessions, old.id, touched)
        self._due_op_sessions.set(journal, old.id, _expires_at(touched))
        return True

    def _add_rp_session(self, journal: Journal, change: AddRpSession) -> bool:
        old = self._op_sessions.get(change.op_session_id)
        if old is None:
            return False
        if old.rp_session_of(change.rp_session.client_id) is not None:
            return True
        self._drop_op_session(journal, old)
        return self._keep_op_session(journal, replace(old, version=old.version + 1, rp_sessions=(*old.rp_sessions, change.rp_session)))

    def _end_op_session(self, journal: Journal, change: EndOpSession) -> bool:
        session = self._op_sessions.get(change.session.id)
        if session is None or session.version != change.session.version:
            return False
        for grant_id in list(self._grant_index.get(("op_session_id", session.id), ())):
            grant = self._grants[grant_id].value
            text = self._grants[grant_id].text
            self._drop_grant(journal, grant_id)
            if change.keeps_offline and grant.is_offline and grant.refresh_digest is not None:
                self._keep_grant(journal, replace(grant, op_session_id=None, version=grant.version + 1), text)
        self._drop_op_session(journal, session)
        for notice in change.notices:
            if notice.id in self._notices:
                return False
            self._keep_notice(journal, notice)
        return True

    def _keep_op_session(self, journal: Journal, session: OpSession) -> bool:
        """Store a session and its index entries; False if another session has its cookie or one of its `sid`s."""
        sids = [rp_session.sid for rp_session in session.rp_sessions]
        if session.cookie_digest in self._op_session_of_cookie or any(sid in self._op_session_of_sid for sid in sids):
            return False
        rp_sessions = tuple(sorted(session.rp_sessions, key=lambda rp_session: (rp_session.created_at, rp_session.client_id)))
        journal.set(self._op_sessions, session.id, replace(session, rp_sessions=rp_sessions))
        journal.set(self._op_session_of_cookie, session.cookie_digest, session.id)
        for sid in sids:
            journal.set(self._op_session_of_sid, sid, session.id)
        journal.add_to_index(self._op_sessions_of_user, session.uid, session.id)
        self._due_op_sessions.set(journal, session.id, _expires_at(session))
        return True

    def _drop_op_session(self, journal: Journal, session: OpSession) -> None:
        journal.drop(self._op_sessions, session.id)
        journal.drop(self._op_session_of_cookie, session.cookie_digest)
        for rp_session in session.rp_sessions:
            journal.drop(self._op_session_of_sid, rp_session.sid)
        journal.drop_from_index(self._op_sessions_of_user, session.uid, session.id)
        journal.drop(self._due_op_sessions.due, session.id)

    # --- grants

    def _put_grant(self, journal: Journal, change: PutGrant) -> bool:
        return change.grant.id not in self._grants and self._keep_grant(journal, change.grant, _json(change.grant.data))

    def _update_grant(self, journal: Journal, change: UpdateGrant) -> bool:
        old = self._grants.get(change.grant.id)
        if old is None or old.value.version != change.grant.version:
            return False
        self._drop_grant(journal, change.grant.id)
        return self._keep_grant(journal, replace(change.grant, version=change.grant.version + 1), _json(change.grant.data))

    def _delete_grant(self, journal: Journal, change: DeleteGrant) -> bool:
        self._drop_grant(journal, change.grant_id)
        return True

    def _keep_grant(self, journal: Journal, grant: Grant, text: str) -> bool:
        """Store a grant and its index entries; False if its OP session does not exist."""
        if grant.op_session_id is not None and grant.op_session_id not in self._op_sessions:
            return False
        journal.set(self._grants, grant.id, StoredRecord(replace(grant, data={}), text))
        for attribute in _GRANT_ATTRIBUTES:
            value = getattr(grant, attribute)
            if value is not None:
                journal.add_to_index(self._grant_index, (attribute, value), grant.id)
        self._expiring_grants.set(journal, grant.id, grant.expires_at)
        return True

    def _drop_grant(self, journal: Journal, grant_id: str) -> None:
        kept = self._grants.get(grant_id)
        if kept is None:
            return
        journal.drop(self._grants, grant_id)
        for attribute in _GRANT_ATTRIBUTES:
            value = getattr(kept.value, attribute)
            if value is not None:
                journal.drop_from_index(self._grant_index, (attribute, value), grant_id)
        journal.drop(self._expiring_grants.due, grant_id)

    # --- clients and consents

    def _put_client(self, journal: Journal, change: PutClient) -> bool:
        if change.client.client_id in self._clients:
            return False
        self._keep_client(journal, change.client)
        return True

    def _update_client(self, journal: Journal, change: UpdateClient) -> bool:
        if change.client.client_id not in self._clients:
            return False
        self._drop_client(journal, change.client.client_id)
        self._keep_client(journal, change.client)
        return True

    def _keep_client(self, journal: Journal, client: Client) -> None:
        journal.set(self._clients, client.client_id, StoredRecord(replace(client, metadata={}), _json(client.metadata)))
        for origin in client.origins:
            journal.add_to_index(self._clients_of_origin, origin, client.client_id)

    def _delete_client(self, journal: Journal, change: DeleteClient) -> bool:
        self._drop_client(journal, change.client_id)
        for uid, client_id in list(self._consents_to_client.get(change.client_id, ())):
            self._drop_consent(journal, uid, client_id)
        return True

    def _drop_client(self, journal: Journal, client_id: str) -> None:
        kept = self._clients.get(client_id)
        if kept is None:
            return
        journal.drop(self._clients, client_id)
        for origin in kept.value.origins:
            journal.drop_from_index(self._clients_of_origin, origin, client_id)

    def _put_consent(self, journal: Journal, change: PutConsent) -> bool:
        key = (change.consent.uid, change.consent.client_id)
        journal.set(self._consents, key, change.consent)
        journal.add_to_index(self._consents_to_client, change.consent.client_id, key)
        return True

    def _delete_consent(self, journal: Journal, change: DeleteConsent) -> bool:
        self._drop_consent(journal, change.uid, change.client_id)
        return True

    def _drop_consent(self, journal: Journal, uid: str, client_id: str) -> None:
        if (uid, client_id) in self._consents:
            journal.drop(self._consents, (uid, client_id))
            journal.drop_from_index(self._consents_to_client, client_id, (uid, client_id))

    # --- logout notices

    def _put_notice(self, journal: Journal, change: PutNotice) -> bool:
        if change.notice.id not in self._notices:
            return False
        self._keep_notice(journal, change.notice)
        return True

    def _delete_notice(self, journal: Journal, change: DeleteNotice) -> bool:
        self._drop_notice(journal, change.notice_id)
        return True

    def _defer_notices(self, journal: Journal, change: DeferNotices) -> bool:
        for notice_id in list(self._notices_to_client.get(change.client_id, ())):
            notice = self._notices[notice_id]
            if notice.state is NoticeState.PENDING and notice.due_at < change.until:
                self._keep_notice(journal, replace(notice, due_at=change.until))
        return True

    def _notices_in(self, state: NoticeState) -> DueQueue[tuple[int, str]]:
        return self._pending_notices if state is NoticeState.PENDING else self._undeliverable_notices

    def _keep_notice(self, journal: Journal, notice: LogoutNotice) -> None:
        """Store a new or changed notice and its index entries."""
        self._drop_notice(journal, notice.id)
        journal.set(self._notices, notice.id, notice)
        journal.add_to_index(self._notices_to_client, notice.client_id, notice.id)
        self._notices_in(notice.state).set(journal, (notice.ended_at, notice.id), notice.due_at)

    def _drop_notice(self, journal: Journal, notice_id: str) -> None:
        notice = self._notices.get(notice_id)
        if notice is None:
            return
        journal.drop(self._notices, notice_id)
        journal.drop_from_index(self._notices_to_client, notice.client_id, notice_id)
        journal.drop(self._notices_in(notice.state).due, (notice.ended_at, notice_id))

    # --- short-lived records and facts

    def _put_ephemeral(self, journal: Journal, change: PutEphemeral) -> bool:
        record = change.record
        journal.set(self._ephemerals, (record.kind, record.key), StoredRecord(replace(record, payload={}), _json(record.payload)))
        self._expiring_ephemerals.set(journal, (record.kind, record.key), record.expires_at)
        return True

    def _claim_ephemeral(self, journal: Journal, change: ClaimEphemeral) -> bool:
        old = self._ephemerals.get((change.record.kind, change.record.key))
        is_free = old is None or old.value.expires_at <= change.now
        return is_free and self._put_ephemeral(journal, PutEphemeral(change.record))

    def _take_ephemeral(self, journal: Journal, change: TakeEphemeral) -> bool:
        old = self._ephemerals.get((change.kind, change.key))
        if old is None or old.value.expires_at <= change.now:
            return False
        self._drop_ephemeral(journal, (change.kind, change.key))
        return True

    def _delete_ephemeral(self, journal: Journal, change: DeleteEphemeral) -> bool:
        self._drop_ephemeral(journal, (change.kind, change.key))
        return True

    def _drop_ephemeral(self, journal: Journal, record_key: tuple[str, str]) -> None:
        journal.drop(self._ephemerals, record_key)
        journal.drop(self._expiring_ephemerals.due, record_key)

    def _claim_fact(self, journal: Journal, change: ClaimFact) -> bool:
        if self._facts.get(change.name, change.value) not in (change.value, change.instead_of):
            return False
        journal.set(self._facts, change.name, change.value)
        return True


def _created(session: OpSession) -> tuple[int, str]:
    return session.created_at, session.id


def _due(notice: LogoutNotice) -> tuple[int, int, str]:
    return notice.due_at, notice.ended_at, notice.id


def _expires_at(session: OpSession) -> int:
    return min(session.idle_expires_at, session.expires_at)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value))
