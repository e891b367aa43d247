"""What the use cases ask of a store, in words; `oic_session_ext.testing.StoreContract` proves it of an engine.

Reads are single look-ups by an index and cost the same whatever the number of sessions. Writes are collected as
*changes* and committed together: either all of them are kept, durably, or none is. A change may carry a
condition ("this code is not spent yet"); when it does not hold, `commit` raises `Conflict` and nothing is kept, so
that of many who try the same thing at the same time exactly one succeeds, whatever the number of threads,
processes and servers (docs/adr/0003-unit-of-work.md).

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
    """What one bounded sweep removed."""

    grants: int
    ephemerals: int
    notices: int = 0


class Store(ABC):
    """The contract of a store engine."""

    @abstractmethod
    def op_session_by_cookie(self, cookie_digest: str) -> OpSession | None:
        """Return the OP session with its RP sessions (oldest first), None when there is none. One round trip.

        An expired session is returned as it is; the caller asks `is_live`, since ending it is a use case.
        """

    @abstractmethod
    def op_session(self, op_session_id: str) -> OpSession | None:
        """Return the OP session of this id with its RP sessions, None when there is none."""

    @abstractmethod
    def op_session_id_of_sid(self, sid: str) -> str | None:
        """Return the id of the live OP session in which an RP session is named `sid`, None when there is none."""

    @abstractmethod
    def op_sessions_of_user(self, uid: str) -> list[OpSession]:
        """Return every OP session of a user, oldest first."""

    @abstractmethod
    def list_op_sessions(
        self, *, client_id: str | None = None, created_before: int | None = None, limit: int, after: tuple[int, str] = (0, "")
    ) -> list[OpSession]:
        """Return at most `limit` OP sessions, oldest first, for administration.

        `client_id`: only those in which this client has a share. `created_before`: only older ones. `after`: the `(created_at, id)` of
        the last one of the page before. The cost is that of the page.
        """

    @abstractmethod
    def due_op_sessions(self, now: int, limit: int) -> list[OpSession]:
        """Return at most `limit` OP sessions that are over at `now` (idle or absolute), longest over first."""

    @abstractmethod
    def grant(self, grant_id: str) -> Grant | None:
        """Return a grant, None when there is none; also when it has expired and is not swept yet, it is returned."""

    @abstractmethod
    def grant_ids(self, attribute: GrantAttribute, value: str, limit: int) -> list[str]:
        """Return the ids of at most `limit` grants with this value of an indexed attribute, in any order.

        The cost is that of `limit` grants and of the OP sessions in which they are looked for. Of those an engine may leave out all but
        the newest 10,000, which only a client has.
        """

    @abstractmethod
    def client(self, client_id: str) -> Client | None:
        """Return a dynamically registered client, None when there is none."""

    @abstractmethod
    def client_ids(self) -> list[str]:
        """Return the ids of all dynamically registered clients, for administration; not for a request's path."""

    @abstractmethod
    def is_client_origin(self, origin: str) -> bool:
        """Return whether any dynamically registered client has a redirect URI of this web origin."""

    @abstractmethod
    def consent(self, uid: str, client_id: str) -> Consent | None:
        """Return what a user has allowed a client, None when nothing is kept."""

    @abstractmethod
    def ephemeral(self, kind: str, key: str, now: int) -> EphemeralRecord | None:
        """Look at a short-lived record without taking it, None when there is none that is unexpired at `now`."""

    @abstractmethod
    def ephemerals(self, kind: str, keys: Sequence[str], now: int) -> list[EphemeralRecord]:
        """Look at several short-lived records of one kind: those that are there and unexpired at `now`, in any order. One round trip."""

    @abstractmethod
    def fact(self, name: str) -> str | None:
        """Return a fact that the cluster shares, None when it is not written down."""

    @abstractmethod
    def lease_notices(self, now: int, until: int, limit: int) -> list[LogoutNotice]:
        """Return at most `limit` pending notices that are due at `now`, and put them off to `until` in the same step.

        Of many workers that ask at once, each notice goes to one; when that one dies, the notice is due again at `until`. The
        longest due come first, of equally due ones that which ended first. Each is returned as it is kept now: due at `until`.
        """

    @abstractmethod
    def notice(self, notice_id: str) -> LogoutNotice | None:
        """Return a logout notice, None when there is none (any more)."""

    @abstractmethod
    def notices(self, limit: int, *, state: NoticeState | None = None, client_id: str | None = None) -> list[LogoutNotice]:
        """Return at most `limit` logout notices, of one state and one client where these are given, those due first first."""

    @abstractmethod
    def notice_counts(self) -> dict[NoticeState, int]:
        """Return how many notices there are in each state, 0 for none; its cost may grow with the number of notices, never of sessions."""

    @abstractmethod
    def commit(self, changes: Sequence[Change]) -> None:
        """Make all changes, in order, durably, or none of them.

        Raises:
            Conflict: the condition of a change did not hold.
            StoreUnavailable: the store could not be reached or written.
        """

    @abstractmethod
    def sweep(self, now: int, limit: int) -> Swept:
        """Remove at most `limit` expired grants, as many expired short-lived records, and as many undeliverable notices past their time.

        Sessions are ended, not swept. An engine may leave the expired grants of an OP session to its next `PutGrant`, or its end.
        """

    @abstractmethod
    def ping(self) -> None:
        """Return when the store can be read and written now.

        Raises: StoreUnavailable: it cannot.
        """

    def close(self) -> None:  # noqa: B027 -- an engine without connections has nothing to give back
        """Give back connections; the store is not used afterwards."""
