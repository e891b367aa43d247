"""The store's side of delivery: what is due is leased and offered for sending, what became of it is recorded."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlencode

from ...clients.registry import ClientRegistry
from ...clock import Clock
from ...errors import Conflict, SessionExtError, StoreError
from ...events import BreakerClosed, BreakerOpened, Hooks
from ...model import Channel, LogoutNotice, NotifyStatus
from ...settings import DeliverySettings
from ...store.base import Store
from ...store.changes import DeferNotices, PutNotice
from ...web.outbound.outbound import Outbound
from .attempt_result import AttemptResult
from .circuit_breaker import Prepared
from .logout_token import logout_token_claims
from .scheduler import Outcome, Scheduler

logger = logging.getLogger("oic_session_ext")

_BATCH = 100
_GROUP = 200
_MOST_HELD = 1000
_MOST_WAITING = 100
_MOST_IF_TIGHT = 2
_CROWDED_PAUSE_S = 1

OnTold: TypeAlias = Callable[[str, NotifyStatus], None] | None
Clients: TypeAlias = MutableMapping[str, Mapping[str, Any] | None]


class LogoutTokenSigner(Protocol):
    """Signs Logout Tokens with the OP's keys, as the ID Tokens of the same client."""

    def sign_logout_token(self, claims: Mapping[str, Any], client: Mapping[str, Any]) -> str:
        """Return the token for a client, encrypted when its ID Tokens are.

        Raises: BadKey: there is no key that fits.
        """
        ...


class KeySource(Protocol):
    """Fetches the keys of clients in the background."""

    def begin_fetch(self, client: Mapping[str, Any]) -> Future[None] | None:
        """Start to fetch the client's keys; return a future that ends with the attempt, None if there is nothing to wait for."""
        ...


@dataclass(frozen=True, slots=True)
class DeliveryParts:
    """What delivery works with; `issuer` is the OP's `iss`.

    `outbound` sends the requests; None for one of the delivery's own. `keys` fetches the keys of clients whose Logout Tokens are
    encrypted, before they are signed; None if the signer needs no fetch.
    """

    store: Store
    clients: ClientRegistry
    signer: LogoutTokenSigner
    settings: DeliverySettings
    issuer: str
    clock: Clock
    hooks: Hooks
    outbound: Outbound | None = None
    keys: KeySource | None = None


@dataclass(frozen=True, slots=True)
class _AwaitingKeys:
    """A notice whose Logout Token is made when its client's keys are there."""

    notice: LogoutNotice
    client: Mapping[str, Any]
    on_told: OnTold


class NoticeWorker:
    """Leases, offers and records, a step a call.

    `pump` is called with each client to whom something may be sent, `wake` when `offer_awaited` has something to do.
    """

    def __init__(
        self, parts: DeliveryParts, dispatch: Scheduler, pump: Callable[[str], None], wake: Callable[[], None] = lambda: None
    ) -> None:
        self._parts = parts
        self._dispatch = dispatch
        self._pump = pump
        self._wake = wake
        self._outcomes: deque[Outcome] = deque()
        self._lock = threading.Lock()
        self._awaiting: dict[str, _AwaitingKeys] = {}
        self._awaiting_of: Counter[str] = Counter()
        self._ready: deque[str] = deque()

    def note(self, outcome: Outcome) -> None:
        """Take an outcome, to be recorded with the next ones; from any thread."""
        self._outcomes.append(outcome)

    def record(self) -> None:
        """Record outcomes, as many as there are in one commit, and emit their events. Raises: StoreUnavailable: they are kept for later."""
        while self._outcomes:
            group = list(islice(self._outcomes, _GROUP))
            try:
                self._parts.store.commit([change for outcome in group for change in outcome.changes])
                kept = group
            except Conflict:
                kept = [self._record_one(outcome) for outcome in group]
            for _ in group:
                self._outcomes.popleft()
            for outcome in kept:
                for event in outcome.events:
                    self._parts.hooks.emit(event)

    def _record_one(self, outcome: Outcome) -> Outcome:
        """Record an outcome; when an operator has dropped its notice meanwhile, only its result for the RP is left."""
        with suppress(Conflict):
            self._parts.store.commit(outcome.changes)
            return outcome
        changes = tuple(change for change in outcome.changes if isinstance(change, DeferNotices))
        if changes:
            self._parts.store.commit(changes)
        return replace(outcome, changes=changes, events=tuple(e for e in outcome.events if isinstance(e, BreakerOpened | BreakerClosed)))

    def lease(self) -> bool:
        """Lease what is due and let it be sent; return whether there may be more."""
        limit = min(_BATCH, _MOST_HELD - self._dispatch.held - len(self._awaiting))
        if limit <= 0:
            return False
        now = self._parts.clock()
        leased = self._parts.store.lease_notices(now, now + self._parts.settings.lease_s, limit)
        clients: dict[str, Mapping[str, Any] | None] = {}
        deferred: dict[str, DeferNotices] = {}
        put_back: list[LogoutNotice] = []
        for notice in leased:
            given_up = self._dispatch.give_up_if_old(notice)
            closed_until = self._dispatch.closed_until(notice.client_id)
            if given_up is not None:
                self._outcomes.append(given_up)
            elif closed_until is not None:
                deferred[notice.client_id] = DeferNotices(notice.client_id, closed_until)
            elif self._is_crowded(notice.client_id):
                # so that the many notices of one RP do not keep those of all others from being leased
                deferred[notice.client_id] = DeferNotices(notice.client_id, now + _CROWDED_PAUSE_S)
                put_back.append(replace(notice, due_at=now + _CROWDED_PAUSE_S))
            else:
                self.offer(notice, clients)
        self.try_failing(clients)
        self._outcomes.extend(Outcome(NotifyStatus.PENDING, (PutNotice(notice),), ()) for notice in put_back)
        if deferred:
            self._parts.store.commit(list(deferred.values()))
        return len(leased) == limit

    def _is_crowded(self, client_id: str) -> bool:
        """Return whether so many notices of an RP wait here that further ones stay in the store, so that RPs that hang take no room."""
        awaiting = self._awaiting_of[client_id]
        if self._dispatch.waiting(client_id) + awaiting >= _MOST_WAITING:
            return True
        is_tight = self._dispatch.held + len(self._awaiting) >= _MOST_HELD // 2 and not self._dispatch.is_answering(client_id)
        return is_tight and self._dispatch.held_of(client_id) + awaiting >= _MOST_IF_TIGHT

    def offer(self, notice: LogoutNotice, clients: Clients, on_told: OnTold = None) -> None:
        """Sign a Logout Token for a leased notice and let it be sent; from any thread. `try_failing` comes after a group of these.

        A token that is to be encrypted with keys that must be fetched first is left to `offer_awaited`; other tokens do not wait for it.
        `clients` are those that were looked up before. `on_told` is called with what is known of the notice, once or when it is left to
        another worker. Raises: StoreUnavailable: the client cannot be looked up; `on_told` was not called.
        """
        if self._dispatch.closed_until(notice.client_id) is not None:
            if on_told is not None:
                on_told(notice.id, NotifyStatus.PENDING)
            return
        if notice.client_id not in clients:
            clients[notice.client_id] = self._parts.clients.get(notice.client_id)
        client = clients[notice.client_id]
        keys = self._keys_to_wait_for(client)
        if client is None or keys is None or keys.done():
            self._offer_now(notice, client, on_told)
            return
        with self._lock:
            self._awaiting[notice.id] = _AwaitingKeys(notice, client, on_told)
            self._awaiting_of[notice.client_id] += 1
        keys.add_done_callback(lambda _: self._keys_are_there(notice.id))

    def offer_awaited(self) -> None:
        """Offer the notices whose clients' keys have arrived, or have not arrived in time."""
        client_ids = set()
        while self._ready:
            awaited = self._no_longer_awaited(self._ready.popleft())
            if awaited is not None:
                client_ids.add(awaited.notice.client_id)
                self._offer_now(awaited.notice, awaited.client, awaited.on_told)
        self.try_failing(client_ids)

    def _offer_now(self, notice: LogoutNotice, client: Mapping[str, Any] | None, on_told: OnTold) -> None:
        prepared = self._prepare(notice, client, on_told)
        if isinstance(prepared, AttemptResult):
            outcome = self._dispatch.finish_unsent(notice, prepared)
            self.note(outcome)
            if on_told is not None:
                on_told(notice.id, outcome.told)
            return
        self._dispatch.offer(prepared)
        if not self._dispatch.is_failing(notice.client_id):
            self._pump(notice.client_id)

    def _keys_to_wait_for(self, client: Mapping[str, Any] | None) -> Future[None] | None:
        if client is None or self._parts.keys is None or not client.get("id_token_encrypted_response_alg"):
            return None
        return self._parts.keys.begin_fetch(client)

    def _keys_are_there(self, notice_id: str) -> None:
        self._ready.append(notice_id)
        self._wake()

    def _no_longer_awaited(self, notice_id: str) -> _AwaitingKeys | None:
        with self._lock:
            awaited = self._awaiting.pop(notice_id, None)
            if awaited is not None:
                self._awaiting_of[awaited.notice.client_id] -= 1
                self._awaiting_of += Counter()  # drops zeros
            return awaited

    def try_failing(self, client_ids: Iterable[str]) -> None:
        """After a group of offers: let those clients be tried that do not answer, now that there is a choice of what to try them with."""
        for client_id in client_ids:
            if self._dispatch.is_failing(client_id):
                self._pump(client_id)

    def give_back(self) -> None:
        """Have what waits here due at once, for another worker."""
        given_back = self._dispatch.give_back()
        for notice_id in list(self._awaiting):
            awaited = self._no_longer_awaited(notice_id)
            if awaited is not None:
                given_back.append(awaited.notice)
                if awaited.on_told is not None:
                    awaited.on_told(notice_id, NotifyStatus.PENDING)
        for notice in given_back:
            self.note(Outcome(NotifyStatus.PENDING, (PutNotice(replace(notice, due_at=self._parts.clock())),), ()))

    def _prepare(self, notice: LogoutNotice, client: Mapping[str, Any] | None, on_told: OnTold) -> Prepared | AttemptResult:
        if client is None:
            return AttemptResult("client_unknown")
        uri = client.get("backchannel_logout_uri")
        if notice.channel is not Channel.BACKCHANNEL or not isinstance(uri, str):
            return AttemptResult("no_backchannel_logout_uri")
        parts = self._parts
        claims = logout_token_claims(notice, issuer=parts.issuer, now=parts.clock(), lifetime_s=parts.settings.token_lifetime_s)
        try:
            token = parts.signer.sign_logout_token(claims, client)
        except StoreError:
            raise
        except SessionExtError as err:
            logger.warning("delivery: no logout token for client_id=%s: %s", notice.client_id, err)
            return AttemptResult("no_key", is_recoverable=True)
        except Exception:
            logger.exception("delivery: no logout token for client_id=%s", notice.client_id)
            return AttemptResult("internal_error", is_recoverable=True)
        form = urlencode({"logout_token": token}).encode("ascii")
        return Prepared(notice, uri, form, on_told, None if on_told is None else time.monotonic())
