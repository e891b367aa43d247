"""The changes that a commit is made of: one frozen class per change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..model import Client, Consent, EphemeralRecord, Grant, LogoutNotice, OpSession, RpSession


@dataclass(frozen=True, slots=True)
class PutOpSession:
    """Keep a new OP session (its `rp_sessions` too). Condition: its id, its cookie_digest and each `sid` in it are new."""

    session: OpSession


@dataclass(frozen=True, slots=True)
class UpdateOpSession:
    """Replace an OP session's own fields, not its RP sessions, and count its version up by one; when it was created stays.

    Condition: it is there, its version is `session.version`, the one that was read, and its cookie_digest is no other's.
    """

    session: OpSession


@dataclass(frozen=True, slots=True)
class TouchOpSession:
    """Note that an OP session was used; its version stays. Condition: it is there.

    `last_active_at` and `idle_expires_at` never go back.
    """

    op_session_id: str
    last_active_at: int
    idle_expires_at: int


@dataclass(frozen=True, slots=True)
class AddRpSession:
    """Give a client its share in an OP session; a no-op when the client has one already.

    A new share counts the session's version up by one. Condition: the OP session is there and the `sid` of a new share is new.
    """

    op_session_id: str
    rp_session: RpSession


@dataclass(frozen=True, slots=True)
class EndOpSession:
    """End an OP session: promise P1 in one change.

    Removes the session, its RP sessions, and its grants except those that are offline and have a refresh token; these
    stay with `op_session_id` None and their version counted up, unless `keeps_offline` is False. Records `notices`.
    Condition: the session is there and its version is `session.version`, so that `notices` were planned on what was really
    there; and the ids of the notices are new.
    """

    session: OpSession
    notices: Sequence[LogoutNotice] = ()
    keeps_offline: bool = True


@dataclass(frozen=True, slots=True)
class PutGrant:
    """Keep a new grant. Condition: its id is unknown and its OP session, when it names one, is there.

    A grant with an OP session is one of an RP session in it: `client_id`, `sub` and `sid` are that one's, `uid` is the OP session's.
    Engines rely on it: they find such a grant through its session, and index by these attributes only the few that have none.
    A client that has registered another subject type or sector since it joined the session is the exception: a grant with a `sub` that
    is not its share's may not be found by `sub`.
    """

    grant: Grant


@dataclass(frozen=True, slots=True)
class UpdateGrant:
    """Replace a grant and count its version up by one.

    Condition: it is there at version `grant.version`, and its OP session, when it names one, is there.
    """

    grant: Grant


@dataclass(frozen=True, slots=True)
class DeleteGrant:
    """Remove a grant and with it every token issued from it; a no-op when it is gone."""

    grant_id: str


@dataclass(frozen=True, slots=True)
class PutClient:
    """Keep a new client. Condition: its id is unknown."""

    client: Client


@dataclass(frozen=True, slots=True)
class UpdateClient:
    """Replace a client. Condition: it is there, so that a client that was deleted meanwhile does not come back."""

    client: Client


@dataclass(frozen=True, slots=True)
class DeleteClient:
    """Forget a client, its origins and the consents given to it; a no-op when it is gone."""

    client_id: str


@dataclass(frozen=True, slots=True)
class PutConsent:
    """Keep what a user has allowed a client, in place of what was kept before."""

    consent: Consent


@dataclass(frozen=True, slots=True)
class DeleteConsent:
    """Forget what a user has allowed a client; a no-op when nothing is kept."""

    uid: str
    client_id: str


@dataclass(frozen=True, slots=True)
class PutEphemeral:
    """Keep a short-lived record, in place of one of the same kind and key."""

    record: EphemeralRecord


@dataclass(frozen=True, slots=True)
class ClaimEphemeral:
    """Keep a short-lived record. Condition: there is none of the same kind and key that is unexpired at `now`."""

    record: EphemeralRecord
    now: int


@dataclass(frozen=True, slots=True)
class TakeEphemeral:
    """Remove a short-lived record. Condition: it is there and unexpired at `now`; so it can be taken once."""

    kind: str
    key: str
    now: int


@dataclass(frozen=True, slots=True)
class DeleteEphemeral:
    """Remove a short-lived record; a no-op when it is gone."""

    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class PutNotice:
    """Replace a logout notice: put off, given up, or to be sent again. Condition: it is there."""

    notice: LogoutNotice


@dataclass(frozen=True, slots=True)
class DeleteNotice:
    """Forget a logout notice: it was delivered, or an operator drops it; a no-op when it is gone."""

    notice_id: str


@dataclass(frozen=True, slots=True)
class DeferNotices:
    """Put off every pending notice of a client that is due before `until` to `until`: its RP does not answer.

    So a dead RP with thousands of notices costs the others nothing; those due later stay as they are.
    """

    client_id: str
    until: int


@dataclass(frozen=True, slots=True)
class ClaimFact:
    """Write down a fact that the servers of a cluster share.

    Condition: the name is unknown, or has this very value, or the value `instead_of`; None replaces nothing.
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
