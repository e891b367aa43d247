"""The format of values in Redis: a JSON array that scripts and indexes read, a line feed, and text that they copy.

    s:ID  c:COOKIE_DIGEST  i:SID              an OP session with its RP sessions; its id by cookie, and by the `sid` of an RP session
    sa  su:UID  sc:CLIENT_ID  ss:SUB  sd      sorted sets of OP sessions: all, a user's, by client and sub of their shares; by their end
    g:ID  go:OP_SESSION_ID                    a grant; a sorted set of those of an OP session, by expiry, through which these are found
    gk:OP_SESSION_ID                          a sorted set of those of them that may outlive it: offline ones with a refresh token
    gu:UID  gs:SUB  gi:SID  gc:CLIENT_ID  ge  sorted sets of grants without an OP session; all of these by expiry
    l:CLIENT_ID  la  lo:ORIGIN                a dynamic client; all of them; those of a web origin
    k:CLIENT_ID                               the consents given to a client: a hash by uid
    e:KIND_AND_KEY  ee                        a short-lived record; all of them by expiry
    n:ID  np  nu  np:CLIENT_ID  nu:CLIENT_ID  a logout notice; pending and undeliverable ones by due time, all and a client's
    f:NAME                                    a fact

Each key begins with the store's prefix. The scripts of `lua/` depend on the positions in the arrays.
"""

from __future__ import annotations

import json
from operator import attrgetter

from ...model import Channel, Client, Consent, EphemeralRecord, Grant, LogoutNotice, NoticeState, OpSession, Reason, RpSession

RECORDS_VERSION = "3"
"""Kept as the fact `RECORDS_VERSION_FACT`; a store of another version is refused at start."""

RECORDS_VERSION_FACT = "records_version"

# Scripts read the head with cjson, which must not meet `\ud800`: without ASCII escapes, a lone surrogate fails before it is sent.
_head = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_rest = json.JSONEncoder(separators=(",", ":")).encode

_by_age = attrgetter("created_at", "client_id")


def op_session_head(session: OpSession, version: int) -> str:
    """Return the stored form of an OP session without its id and its RP sessions."""
    return _head(
        [
            session.cookie_digest,
            session.uid,
            session.auth_time,
            session.acr,
            session.op_browser_state,
            session.sid_seed,
            session.created_at,
            session.last_active_at,
            session.idle_expires_at,
            session.expires_at,
            version,
        ]
    )


def rp_session_text(rp_session: RpSession) -> str:
    """Return the stored form of an RP session."""
    return _head([rp_session.sid, rp_session.client_id, rp_session.sub, rp_session.created_at])


def rp_sessions_text(session: OpSession) -> str:
    """Return the stored form of all RP sessions of an OP session."""
    return f"[{','.join(map(rp_session_text, session.rp_sessions))}]"


def read_op_session(op_session_id: bytes, record: bytes) -> OpSession:
    """Parse an OP session with its RP sessions, oldest first."""
    head, _, shares = record.decode().partition("\n")
    rp_sessions = tuple(sorted((RpSession(*share) for share in json.loads(shares)), key=_by_age))
    return OpSession(*[op_session_id.decode(), *json.loads(head), rp_sessions])


def grant_head(grant: Grant, version: int) -> str:
    """Return the stored form of a grant without its id and its row."""
    return _head(
        [
            grant.client_id,
            grant.uid,
            grant.sub,
            grant.op_session_id,
            grant.sid,
            grant.created_at,
            grant.expires_at,
            grant.is_offline,
            grant.refresh_digest,
            version,
        ]
    )


def grant_data(grant: Grant) -> str:
    """Return the row of a grant as text. Raises: TypeError: it cannot be represented in JSON."""
    return _rest(dict(grant.data))


def read_grant(grant_id: str, record: bytes) -> Grant:
    """Parse a grant."""
    head, _, data = record.decode().partition("\n")
    client_id, uid, sub, op_session_id, sid, created_at, expires_at, is_offline, refresh_digest, version = json.loads(head)
    row = json.loads(data)
    return Grant(grant_id, client_id, uid, sub, op_session_id, sid, row, created_at, expires_at, is_offline, refresh_digest, version)


def client_texts(client: Client) -> tuple[str, str]:
    """Return the stored form of a client: its origins and its metadata.

    Raises: TypeError: they cannot be represented in JSON.
    """
    return _head(sorted(client.origins)), _rest(dict(client.metadata))


def read_client(client_id: str, record: bytes) -> Client:
    """Parse a client."""
    origins, _, metadata = record.decode().partition("\n")
    return Client(client_id, json.loads(metadata), frozenset(json.loads(origins)))


def consent_text(consent: Consent) -> str:
    """Return the stored form of a consent without its user and client."""
    return _head([consent.given_at, sorted(consent.scopes)])


def read_consent(uid: str, client_id: str, record: bytes) -> Consent:
    """Parse a consent."""
    given_at, scopes = json.loads(record)
    return Consent(uid, client_id, frozenset(scopes), given_at)


def ephemeral_key(kind: str, key: str) -> str:
    """Return kind and key as one key that is unique for each pair."""
    return f"{len(kind)}:{kind}:{key}"


def ephemeral_payload(record: EphemeralRecord) -> str:
    """Return the payload of a short-lived record as text. Raises: TypeError: it cannot be represented in JSON."""
    return _rest(dict(record.payload))


def read_ephemeral(kind: str, key: str, record: bytes) -> EphemeralRecord:
    """Parse a short-lived record, expired or not."""
    expires_at, _, payload = record.decode().partition("\n")
    return EphemeralRecord(kind, key, int(expires_at), json.loads(payload))


def notice_text(notice: LogoutNotice) -> str:
    """Return the stored form of a notice without its id and its due time, which is its score in the sorted sets."""
    return _head(
        [
            notice.channel,
            notice.client_id,
            notice.uid,
            notice.sub,
            notice.sid,
            notice.reason,
            notice.ended_at,
            notice.attempts,
            notice.state,
            notice.problem,
        ]
    )


def read_notice(notice_id: str, record: bytes, due_at: int) -> LogoutNotice:
    """Parse a notice."""
    channel, client_id, uid, sub, sid, reason, ended_at, attempts, state, problem = json.loads(record)
    return LogoutNotice(
        notice_id, Channel(channel), client_id, uid, sub, sid, Reason(reason), ended_at, due_at, attempts, NoticeState(state), problem
    )
