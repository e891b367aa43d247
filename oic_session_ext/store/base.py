"""The contract of a store engine; `oic_session_ext.testing.StoreContract` tests an engine against it.

Each read is a single look-up by an index; its cost does not depend on the number of sessions. Writes are collected as
*changes* and committed together: all of them are stored durably, or none. A change may have a condition ("this code is
not used yet"). If it does not hold, `commit` raises `Conflict` and stores nothing. If many callers try the same change
at the same time, exactly one succeeds, whatever the number of threads, processes and servers
(docs/adr/0003-unit-of-work.md).

Every method may raise `StoreUnavailable`. A store is safe to use from many threads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..model import Client, Consent, EphemeralRecord, Grant, LogoutNotice, NoticeState, OpSession
from .changes import Change

GrantAttribute = Literal["uid", "sub", "sid", "client_id", "op_session_id"]


@dataclass(frozen=True, slots=True)
class Swept:
    """The number of records that one bounded sweep removed."""

    grants: int
    ephemerals: int
    notices: int = 0


class Store(ABC):
    """The contract of a store engine."""

    @abstractmethod
    def op_session_by_cookie(self, cookie_digest: str) -> OpSession | None:
        """Return the OP session with its RP sessions (oldest first), or None, in one round trip.

        An expired session is returned too. The caller must check `is_live`, because a use case ends sessions, not the
        store.
        """

    @abstractmethod
    def op_session(self, op_session_id: str) -> OpSession | None:
        """Return the OP session of this id with its RP sessions, or None."""

    @abstractmethod
    def op_session_id_of_sid(self, sid: str) -> str | None:
        """Return the id of the live OP session that has an RP session with this `sid`, or None."""

    @abstractmethod
    def op_sessions_of_user(self, uid: str) -> list[OpSession]:
        """Return every OP session of a user, oldest first."""

    @abstractmethod
    def list_op_sessions(
        self, *, client_id: str | None = None, created_before: int | None = None, limit: int, after: tuple[int, str] = (0, "")
    ) -> list[OpSession]:
        """Return at most `limit` OP sessions, oldest first, for administration.

        `client_id`: only sessions with an RP session of this client. `created_before`: only sessions created before this
        instant. `after`: the `(created_at, id)` of the last session of the previous page. The cost depends on the size of
        the page only.
        """

    @abstractmethod
    def due_op_sessions(self, now: int, limit: int) -> list[OpSession]:
        """Return at most `limit` OP sessions that have expired at `now` (idle or absolute), earliest expiry first."""

    @abstractmethod
    def grant(self, grant_id: str) -> Grant | None:
        """Return a grant, or None. An expired grant that is not swept yet is returned too."""

    @abstractmethod
    def grant_ids(self, attribute: GrantAttribute, value: str, limit: int) -> list[str]:
        """Return the ids of at most `limit` grants with this value of an indexed attribute, in any order.

        The cost depends on `limit` and on the number of OP sessions that are searched. An engine may search the newest
        10,000 OP sessions only; only the attribute `client_id` can have more.
        """

    @abstractmethod
    def client(self, client_id: str) -> Client | None:
        """Return a dynamically registered client, or None."""

    @abstractmethod
    def client_ids(self) -> list[str]:
        """Return the ids of all dynamically registered clients. For administration only: requests must not call it."""

    @abstractmethod
    def is_client_origin(self, origin: str) -> bool:
        """Return whether a dynamically registered client has a redirect URI of this web origin."""

    @abstractmethod
    def consent(self, uid: str, client_id: str) -> Consent | None:
        """Return the consent of a user to a client, or None."""

    @abstractmethod
    def ephemeral(self, kind: str, key: str, now: int) -> EphemeralRecord | None:
        """Return a short-lived record without removing it; None if there is none or it has expired at `now`."""

    @abstractmethod
    def ephemerals(self, kind: str, keys: Sequence[str], now: int) -> list[EphemeralRecord]:
        """Return those of several short-lived records of one kind that are unexpired at `now`, in any order.

        One round trip.
        """

    @abstractmethod
    def fact(self, name: str) -> str | None:
        """Return the value of a fact that the cluster shares, or None if it is not recorded."""

    @abstractmethod
    def lease_notices(self, now: int, until: int, limit: int) -> list[LogoutNotice]:
        """Return at most `limit` pending notices that are due at `now`, and defer them to `until` in the same step.

        If many workers call this at the same time, each notice is returned to exactly one. If that worker dies, the
        notice is due again at `until`. Notices are ordered by due time, then by the time at which the session ended, and
        are returned as they are stored now: due at `until`.
        """

    @abstractmethod
    def notice(self, notice_id: str) -> LogoutNotice | None:
        """Return a logout notice, or None."""

    @abstractmethod
    def notices(self, limit: int, *, state: NoticeState | None = None, client_id: str | None = None) -> list[LogoutNotice]:
        """Return at most `limit` logout notices ordered by due time, of one state and one client if these are given."""

    @abstractmethod
    def notice_counts(self) -> dict[NoticeState, int]:
        """Return the number of notices in each state (0 if none).

        The cost may grow with the number of notices, but not with the number of sessions.
        """

    @abstractmethod
    def commit(self, changes: Sequence[Change]) -> None:
        """Apply all changes in order and durably, or none of them.

        Raises:
            Conflict: the condition of a change did not hold.
            StoreUnavailable: the store could not be reached or written.
        """

    @abstractmethod
    def sweep(self, now: int, limit: int) -> Swept:
        """Remove expired grants, expired short-lived records and due undeliverable notices, at most `limit` of each.

        Sessions are not swept: a use case ends them. An engine may keep the expired grants of an OP session until its
        next `PutGrant` or its end.
        """

    @abstractmethod
    def ping(self) -> None:
        """Verify that the store can be read and written now.

        Raises: StoreUnavailable: it cannot be read or written.
        """

    def close(self) -> None:  # noqa: B027 -- an engine without connections has nothing to close
        """Close all connections. The store must not be used afterwards."""
