"""The changes of which a commit consists: one frozen class for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..model import Client, Consent, EphemeralRecord, Grant, LogoutNotice, OpSession, RpSession


@dataclass(frozen=True, slots=True)
class PutOpSession:
    """Store a new OP session with its `rp_sessions`. Condition: its id, its cookie_digest and each `sid` in it are new."""

    session: OpSession


@dataclass(frozen=True, slots=True)
class UpdateOpSession:
    """Replace an OP session's own fields and increment its version. Its RP sessions and `created_at` do not change.

    Condition: it exists, its stored version is `session.version`, and no other session has its cookie_digest.
    """

    session: OpSession


@dataclass(frozen=True, slots=True)
class TouchOpSession:
    """Record activity of an OP session; its version does not change. Condition: it exists.

    `last_active_at` and `idle_expires_at` never decrease.
    """

    op_session_id: str
    last_active_at: int
    idle_expires_at: int


@dataclass(frozen=True, slots=True)
class AddRpSession:
    """Add the RP session of a client to an OP session; a no-op if the client has one already.

    A new RP session increments the OP session's version. Condition: the OP session exists, and the `sid` of a new RP
    session is new.
    """

    op_session_id: str
    rp_session: RpSession


@dataclass(frozen=True, slots=True)
class EndOpSession:
    """End an OP session: promise P1 in one change.

    Removes the session, its RP sessions and its grants. Offline grants with a refresh token stay, with `op_session_id`
    None and their version incremented, unless `keeps_offline` is False. Records `notices`.
    Condition: the session exists and its stored version is `session.version`, so that `notices` match the stored RP
    sessions; and the ids of the notices are new.
    """

    session: OpSession
    notices: Sequence[LogoutNotice] = ()
    keeps_offline: bool = True


@dataclass(frozen=True, slots=True)
class PutGrant:
    """Store a new grant. Condition: its id is new, and its OP session, if it has one, exists.

    A grant with an OP session belongs to an RP session in it and has the same `client_id`, `sub` and `sid`; its `uid` is
    the OP session's. Engines rely on this: they find such a grant through its session, and index by these attributes only
    the few grants without a session.
    Exception: if a client has changed its subject type or sector since it joined the session, a grant whose `sub` differs
    from its RP session's may not be found by `sub`.
    """

    grant: Grant


@dataclass(frozen=True, slots=True)
class UpdateGrant:
    """Replace a grant and increment its version.

    Condition: it exists with version `grant.version`, and its OP session, if it has one, exists.
    """

    grant: Grant


@dataclass(frozen=True, slots=True)
class DeleteGrant:
    """Remove a grant and with it every token issued from it; a no-op if it does not exist."""

    grant_id: str


@dataclass(frozen=True, slots=True)
class PutClient:
    """Store a new client. Condition: its id is new."""

    client: Client


@dataclass(frozen=True, slots=True)
class UpdateClient:
    """Replace a client. Condition: it exists, so that this does not restore a client that was deleted meanwhile."""

    client: Client


@dataclass(frozen=True, slots=True)
class DeleteClient:
    """Remove a client, its origins and the consents given to it; a no-op if it does not exist."""

    client_id: str


@dataclass(frozen=True, slots=True)
class PutConsent:
    """Store the consent of a user to a client; it replaces an earlier one."""

    consent: Consent


@dataclass(frozen=True, slots=True)
class DeleteConsent:
    """Remove the consent of a user to a client; a no-op if there is none."""

    uid: str
    client_id: str


@dataclass(frozen=True, slots=True)
class PutEphemeral:
    """Store a short-lived record; it replaces a record of the same kind and key."""

    record: EphemeralRecord


@dataclass(frozen=True, slots=True)
class ClaimEphemeral:
    """Store a short-lived record. Condition: there is no record of the same kind and key that is unexpired at `now`."""

    record: EphemeralRecord
    now: int


@dataclass(frozen=True, slots=True)
class TakeEphemeral:
    """Remove a short-lived record. Condition: it exists and is unexpired at `now`, so that it is usable once only."""

    kind: str
    key: str
    now: int


@dataclass(frozen=True, slots=True)
class DeleteEphemeral:
    """Remove a short-lived record; a no-op if it does not exist."""

    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class PutNotice:
    """Replace a logout notice: deferred, undeliverable, or to be sent again. Condition: it exists."""

    notice: LogoutNotice


@dataclass(frozen=True, slots=True)
class DeleteNotice:
    """Remove a logout notice that was delivered or that an operator drops; a no-op if it does not exist."""

    notice_id: str


@dataclass(frozen=True, slots=True)
class DeferNotices:
    """Defer to `until` every pending notice of a client that is due before, because its RP does not answer.

    An unavailable RP with thousands of notices then does not delay other RPs. Notices that are due later do not change.
    """

    client_id: str
    until: int


@dataclass(frozen=True, slots=True)
class ClaimFact:
    """Record a fact that the servers of a cluster share.

    Condition: the name is new, or its stored value is `value` or `instead_of`. With `instead_of` None no other value is
    replaced.
    """

    name: str
    value: str
    instead_of: str | None = None


Change: TypeAlias = (
    PutOpSession
    | UpdateOpSession
    | TouchOpSession
    | AddRpSession
    | EndOpSession
    | PutGrant
    | UpdateGrant
    | DeleteGrant
    | PutClient
    | UpdateClient
    | DeleteClient
    | PutConsent
    | DeleteConsent
    | PutEphemeral
    | ClaimEphemeral
    | TakeEphemeral
    | DeleteEphemeral
    | PutNotice
    | DeleteNotice
    | DeferNotices
    | ClaimFact
)
