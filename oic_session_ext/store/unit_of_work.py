"""One request, one unit of work: what is read is read once, what is written is written once, in one commit.

pyoidc reads a grant about ten times while it answers and writes it back whole each time; here all of that happens
on the row in memory, and the store sees one look-up and one change.
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

    `stored_row` turns the row of a grant into the form in which it may lie in the store (pyoidc's row holds tokens while a
    request works on it); by default it is kept as it is. `hooks` hears of what was committed.
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
        """Return the OP session that a browser's cookie names, live or not, None when there is none."""
        return self.store.op_session_by_cookie(cookie_digest)

    def client(self, client_id: str) -> Client | None:
        """Return a dynamically registered client as this unit of work sees it, read once."""
        if client_id not in self._clients:
            self._stored_clients[client_id] = self._clients[client_id] = self.store.client(client_id)
        return self._clients[client_id]

    def put_client(self, client: Client) -> None:
        """Keep a client, new or changed; one that is changed must still be there when it is committed."""
        self.client(client.client_id)
        self._clients[client.client_id] = client

    def delete_client(self, client_id: str) -> None:
        """Forget a client and the consents given to it."""
        self.client(client_id)
        self._clients[client_id] = None

    def consent(self, uid: str, client_id: str) -> Consent | None:
        """Return what a user has allowed a client, None when nothing is kept."""
        return self.store.consent(uid, client_id)

    def ephemeral(self, kind: str, key: str) -> EphemeralRecord | None:
        """Look at a short-lived record that is unexpired at this unit's instant."""
        return self.store.ephemeral(kind, key, self.now)

    def grant(self, grant_id: str) -> Grant | None:
        """Return a grant as this unit of work sees it: with its own changes, without those it has deleted."""
        if grant_id not in self._grants:
            grant = self.store.grant(grant_id)
            if grant is not None:
                grant = replace(grant, data=dict(grant.data))  # pyoidc changes the row in place; the store's must not follow
            self._stored[grant_id] = self._grants[grant_id] = grant
        return self._grants[grant_id]

    def put_grant(self, grant: Grant) -> None:
        """Keep a grant, new or changed; the store sees its last state only."""
        self.grant_is_new(grant.id)
        self._grants[grant.id] = grant

    def grant_is_new(self, grant_id: str) -> bool:
        """Return whether neither the store nor this unit of work holds this grant yet. Ids are random: a new one is not looked up."""
        if grant_id not in self._grants:
            self._stored[grant_id] = None
            return True
        return self._grants[grant_id] is None and self._stored[grant_id] is None

    def update_grant_data(self, grant_id: str, data: Mapping[str, Any]) -> None:
        """Replace the pyoidc row of a grant that this unit of work has seen.

        Raises: KeyError: there is no such grant.
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

        A share in a session that begins in this very unit of work is kept together with it: a statement less, and a round trip.
        """
        for change in changes:
            if not (isinstance(change, AddRpSession) and self._begins_with(change)):
                self._changes.append(change)

    def _begins_with(self, change: AddRpSession) -> bool:
        """Put a share into the session that begins here; tell whether one does."""
        for at, begun in enumerate(self._changes):
            if isinstance(begun, PutOpSession) and begun.session.id == change.op_session_id:
                if begun.session.rp_session_of(change.rp_session.client_id) is None:
                    shares = (*begun.session.rp_sessions, change.rp_session)
                    self._changes[at] = PutOpSession(replace(begun.session, rp_sessions=shares))
                return True
        return False

    def emit(self, event: Event) -> None:
        """Note an event, to be told once the changes are kept; it is forgotten when they are not."""
        self._events.append(event)

    def pending(self) -> list[Change]:
        """Return what `commit` would send: the added changes, then one change for each client and each grant that differs."""
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
                # the version that was read is the condition, also for a grant that was deleted and put anew
                changes.append(UpdateGrant(replace(grant, data=self._stored_row(grant.data), version=stored.version)))
        return changes

    def commit(self) -> None:
        """Send the changes to the store in one commit, then tell the events; a unit of work without changes costs nothing.

        Afterwards it is empty and sees the store afresh.
        Raises: Conflict, StoreUnavailable: nothing was kept, and nothing is told.
        """
        changes, events = self.pending(), self._events
        self.discard()
        if changes:
            self.store.commit(changes)
        for event in events:
            self._hooks.emit(event)

    def discard(self) -> None:
        """Forget all changes, all events and everything read."""
        self._changes.clear()
        self._events = []
        self._grants.clear()
        self._stored.clear()
        self._clients.clear()
        self._stored_clients.clear()
