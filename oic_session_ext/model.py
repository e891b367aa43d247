"""The values that the use cases speak of; they import nothing of ours and never change once made.

Instants are whole UTC seconds. *OpSession* is the End-User's login in one browser and its `id` never
leaves the OP; *RpSession* is one RP's share in it, named to that RP by `sid`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Reason(StrEnum):
    """Why an OP session ended; it travels with each logout notice."""

    RP_INITIATED = "rp_initiated"
    USER = "user"
    ADMIN = "admin"
    EXPIRED = "expired"
    IDLE = "idle"
    REPLACED = "replaced"
    PASSWORD_CHANGED = "password_changed"


class Channel(StrEnum):
    """How an RP wants to hear that its session ended."""

    FRONTCHANNEL = "frontchannel"
    BACKCHANNEL = "backchannel"


@dataclass(frozen=True, slots=True)
class RpSession:
    """One client's share in an OP session.

    `sid` is what the RP knows it by: it differs per client and is neither a key nor a cookie of ours
    (OIDCFCL-3, OIDCBCL-2.1). `sub` is the user as this client knows them (pairwise or public).
    """

    sid: str
    client_id: str
    sub: str
    created_at: int


@dataclass(frozen=True, slots=True)
class OpSession:
    """One End-User's login in one browser.

    `id` is the stable row key. `cookie_digest` is the SHA-256 (hex) of the secret in the browser's cookie, the
    only thing the store knows of it; it changes with every login. `sid_seed` is the secret from which each
    client's `sid` is derived. `version` counts changes, so that an end is decided on what was really there.
    The session is over at `expires_at` (absolute) or at `idle_expires_at`, whichever comes first.
    """

    id: str
    cookie_digest: str
    uid: str
    auth_time: int
    acr: str
    op_browser_state: str
    sid_seed: str
    created_at: int
    last_active_at: int
    idle_expires_at: int
    expires_at: int
    version: int = 1
    rp_sessions: tuple[RpSession, ...] = ()

    def is_live(self, now: int) -> bool:
        """Return whether the session may still be used at `now`."""
        return now < self.expires_at and now < self.idle_expires_at

    def rp_session_of(self, client_id: str) -> RpSession | None:
        """Return this client's share, None when the user has not signed in there."""
        return next((rp for rp in self.rp_sessions if rp.client_id == client_id), None)


@dataclass(frozen=True, slots=True)
class Grant:
    """One authorization given to a client: pyoidc's session-database row and what we must find it by.

    `op_session_id` is None once the OP session has ended (only an offline grant lives on then) and for grants
    made without a browser. `data` is the row as pyoidc reads and writes it, JSON-serialisable. `refresh_digest` is
    the SHA-256 (hex) of the one refresh token that is good now, None when there is none. `is_offline` means that
    the refresh token was issued with `offline_access` and outlives the OP session (OIDCBCL-2.7).
    `expires_at` is when nothing issued from it can be valid any more, so that a sweep may remove it.
    """

    id: str
    client_id: str
    uid: str
    sub: str
    op_session_id: str | None
    sid: str | None
    data: Mapping[str, Any]
    created_at: int
    expires_at: int
    is_offline: bool = False
    refresh_digest: str | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class Client:
    """A dynamically registered client: its metadata as pyoidc keeps it (JSON-serialisable).

    `origins` are the web origins of its redirect URIs, by which CORS requests are judged.
    """

    client_id: str
    metadata: Mapping[str, Any]
    origins: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Consent:
    """What a user has allowed a client to ask for."""

    uid: str
    client_id: str
    scopes: frozenset[str]
    given_at: int


@dataclass(frozen=True, slots=True)
class EphemeralRecord:
    """A short-lived fact: a confirmation, a web session, a spent assertion, a throttle, an ended `sid`.

    `kind` separates the purposes, `key` is unique within a kind (the digest of a secret, never the secret),
    `payload` is JSON-serialisable. At `expires_at` it is as if it had never been.
    """

    kind: str
    key: str
    expires_at: int
    payload: Mapping[str, Any] = field(default_factory=dict)


class NoticeState(StrEnum):
    """Where a logout notice stands in the store; a delivered one is not kept."""

    PENDING = "pending"
    UNDELIVERABLE = "undeliverable"


class NotifyStatus(StrEnum):
    """What is known, at some moment, of whether an RP was notified."""

    DELIVERED = "delivered"
    PENDING = "pending"
    UNDELIVERABLE = "undeliverable"


NEEDS_BROWSER = "needs_browser"
"""The `problem` of a front-channel notice whose session ended without the user's browser: it cannot be delivered (OIDCFCL-3)."""


@dataclass(frozen=True, slots=True)
class LogoutNotice:
    """The fact that one RP session ended and its RP must be notified over one channel.

    It outlives the session it describes, so a notification never needs what is already gone. While it is pending, `due_at` is when the
    next attempt may be made; when it is undeliverable, `due_at` is until when it is kept. `attempts` is how many were made,
    `problem` what the last of them met ("" before the first).
    """

    id: str
    channel: Channel
    client_id: str
    uid: str
    sub: str
    sid: str
    reason: Reason
    ended_at: int
    due_at: int
    attempts: int = 0
    state: NoticeState = NoticeState.PENDING
    problem: str = ""
