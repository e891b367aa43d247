"""The unit of work of a request: it reads each record once and writes all changes in one commit.

pyoidc reads and writes a whole grant about ten times per request. Here this happens on the row in memory, so that the
store gets one look-up and one change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..events import NO_HOOKS, Event, Hooks
from ..model import Client, Consent, EphemeralRecord, Grant, OpSession
from .base import Store
from .changes import AddRpSession, Change, DeleteClient, DeleteGrant, PutClient, PutGrant, PutOpSession, UpdateClient, UpdateGrant


class UnitOfWork:
    """Collects the changes of one request and commits them together.

    `stored_row` converts the row of a grant to its stored form (pyoidc's row holds tokens during a request, which must not
    be stored); by default the row is stored unchanged. `hooks` receives the events after the commit.
    """

    def __init__(
        self,
        store: Store,
        now: int,
        *,
        stored_row: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        self.store = store
        self.now = now
        self._stored_row = stored_row
        self._hooks = hooks
        self._events: list[Event] = []
        self._changes: list[Change] = []
        self._grants: dict[str, Grant | None] = {}
        self._stored: dict[str, Grant | None] = {}
        self._clients: dict[str, Client | None] = {}
        self._stored_clients: dict[str, Client | None] = {}

    def op_session_by_cookie(self, cookie_digest: str) -> OpSession | None:
        """Return the OP session of a browser's cookie, live or not, or None."""
        return self.store.op_session_by_cookie(cookie_digest)

    def client(self, client_id: str) -> Client | None:
        """Return a dynamically registered client, with the changes of this unit of work, or None. It is read once."""
        if client_id not in self._clients:
            self._stored_clients[client_id] = self._clients[client_id] = self.store.client(client_id)
        return self._clients[client_id]

    def put_client(self, client: Client) -> None:
        """Store a new or changed client. A changed client must still exist at the commit."""
        self.client(client.client_id)
        self._clients[client.client_id] = client

    def delete_client(self, client_id: str) -> None:
        """Remove a client and the consents given to it."""
        self.client(client_id)
        self._clients[client_id] = None

    def consent(self, uid: str, client_id: str) -> Consent | None:
        """Return the consent of a user to a client, or None."""
        return self.store.consent(uid, client_id)

    def ephemeral(self, kind: str, key: str) -> EphemeralRecord | None:
        """Return a short-lived record that is unexpired at `self.now`, or None."""
        return self.store.ephemeral(kind, key, self.now)

    def grant(self, grant_id: str) -> Grant | None:
        """Return a grant with the changes of this unit of work; None if it does not exist or is deleted here."""
        if grant_id not in self._grants:
            grant = self.store.grant(grant_id)
            if grant is not None:
                grant = replace(grant, data=dict(grant.data))  # pyoidc changes the row in place; the store's copy must not change
            self._stored[grant_id] = self._grants[grant_id] = grant
        return self._grants[grant_id]

    def put_grant(self, grant: Grant) -> None:
        """Store a new or changed grant. Only its last state is committed."""
        self.grant_is_new(grant.id)
        self._grants[grant.id] = grant

    def grant_is_new(self, grant_id: str) -> bool:
        """Return whether this grant is new to this unit of work.

        The store is not read: ids are random, so an id that was not read before is new.
        """
        if grant_id not in self._grants:
            self._stored[grant_id] = None
            return True
        return self._grants[grant_id] is None and self._stored[grant_id] is None

    def update_grant_data(self, grant_id: str, data: Mapping[str, Any]) -> None:
        """Replace the pyoidc row of a grant.

        Raises: KeyError: the grant does not exist.
        """
        grant = self.grant(grant_id)
        if grant is None:
            raise KeyError(grant_id)
        self._grants[grant_id] = replace(grant, data=data)

    def delete_grant(self, grant_id: str) -> None:
        """Remove a grant and with it every token issued from it."""
        self.grant(grant_id)
        self._grants[grant_id] = None

    def add(self, *changes: Change) -> None:
        """Add changes to the commit, in order, before those of grants.

        An RP session of an OP session that this unit of work creates is merged into its `PutOpSession`, which saves a
        statement and a round trip.
        """
        for change in changes:
            if not (isinstance(change, AddRpSession) and self._merge_into_new_session(change)):
                self._changes.append(change)

    def _merge_into_new_session(self, change: AddRpSession) -> bool:
        """Add the RP session to the OP session if this unit of work creates it; return whether it does."""
        for index, put in enumerate(self._changes):
            if isinstance(put, PutOpSession) and put.session.id == change.op_session_id:
                if put.session.rp_session_of(change.rp_session.client_id) is None:
                    rp_sessions = (*put.session.rp_sessions, change.rp_session)
                    self._changes[index] = PutOpSession(replace(put.session, rp_sessions=rp_sessions))
                return True
        return False

    def emit(self, event: Event) -> None:
        """Queue an event. It is sent to the hooks after the commit, and dropped if the commit fails."""
        self._events.append(event)

    def pending(self) -> list[Change]:
        """Return the changes that `commit` would send: the added ones, then one for each changed client and grant."""
        changes = list(self._changes)
        for client_id, client in self._clients.items():
            known = self._stored_clients[client_id]
            if client is None:
                if known is not None:
                    changes.append(DeleteClient(client_id))
            elif client is not known:
                changes.append(PutClient(client) if known is None else UpdateClient(client))
        for grant_id, grant in self._grants.items():
            stored = self._stored.get(grant_id)
            if grant is None:
                if stored is not None:
                    changes.append(DeleteGrant(grant_id))
            elif stored is None:
                changes.append(PutGrant(replace(grant, data=self._stored_row(grant.data))))
            elif grant is not stored:
                # The condition is the version that was read, also for a grant that was deleted and stored again.
                changes.append(UpdateGrant(replace(grant, data=self._stored_row(grant.data), version=stored.version)))
        return changes

    def commit(self) -> None:
        """Send the changes to the store in one commit, then the events to the hooks.

        Without changes the store is not called. Afterwards the unit of work is empty and reads the store anew.
        Raises: Conflict, StoreUnavailable: nothing was stored, and no event is sent.
        """
        changes, events = self.pending(), self._events
        self.discard()
        if changes:
            self.store.commit(changes)
        for event in events:
            self._hooks.emit(event)

    def discard(self) -> None:
        """Drop all changes, all events and all records read."""
        self._changes.clear()
        self._events = []
        self._grants.clear()
        self._stored.clear()
        self._clients.clear()
        self._stored_clients.clear()
