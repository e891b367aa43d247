"""Telling the RPs: the threads of one process that lease notices, send them and record what became of them.

One thread talks to the store: it records outcomes in groups and leases what is due. Another one has an event loop and talks to the RPs.
A crash at any moment loses nothing, since a notice leaves the store only after its RP has answered: its lease runs out, and
somebody else sends it again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import urlencode

from ..clients import ClientRegistry
from ..clock import Clock
from ..errors import Conflict, SessionExtError, StoreError
from ..hooks import BreakerClosed, BreakerOpened, Hooks
from ..model import Channel, LogoutNotice, Told
from ..settings import DeliverySettings
from ..store.base import Change, DeferNotices, PutNotice, Store
from .address_guard import AddressGuard
from .dispatch import Dispatch, Outcome
from .http_post import HttpPoster
from .lane import Prepared
from .logout_token import logout_token_claims
from .sending import Sending
from .verdict import Verdict

logger = logging.getLogger("oic_session_ext")

_BATCH = 100
_MOST_HELD = 1000
_MOST_WAITING = 200
_CROWDED_PAUSE_S = 2
_LONGEST_BACKOFF_S = 30


class LogoutTokenSigner(Protocol):
    """Signs Logout Tokens with the OP's keys, as the ID Tokens of the same client."""

    def sign_logout_token(self, claims: Mapping[str, Any], client: Mapping[str, Any]) -> str:
        """Return the token for a client, encrypted when its ID Tokens are.

        Raises: BadKey: there is no key that fits.
        """
        ...


class Delivery:
    """Tells RPs of ended sessions, for one process; several processes may do it on one store.

    `issuer` is the OP's `iss`. Nothing runs before `start`, so it may be made before a fork.
    """

    def __init__(
        self,
        store: Store,
        clients: ClientRegistry,
        signer: LogoutTokenSigner,
        settings: DeliverySettings,
        *,
        issuer: str,
        clock: Clock,
        hooks: Hooks,
    ) -> None:
        self._store = store
        self._clients = clients
        self._signer = signer
        self._settings = settings
        self._issuer = issuer
        self._clock = clock
        self._hooks = hooks
        self._dispatch = Dispatch(settings, clock)
        self._outcomes: deque[Outcome] = deque()
        self._something_to_do = threading.Event()
        self._is_stopping = False
        self._threads: list[threading.Thread] = []
        self._sending: Sending | None = None

    # -- for everybody ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to deliver; once, and never in a process that forks afterwards.

        Raises: OSError: `ca_file` cannot be read.
        """
        poster = HttpPoster(
            AddressGuard(self._settings.allow_networks),
            timeout_s=self._settings.timeout_s,
            connect_timeout_s=self._settings.connect_timeout_s,
            ca_file=self._settings.ca_file,
            max_idle=self._settings.max_concurrency_per_rp,
        )
        self._sending = Sending(self._settings, self._dispatch, poster, self._clock, self._finished)
        self._threads = [
            threading.Thread(target=self._sending.run, name="delivery-http", daemon=True),
            threading.Thread(target=self._work, name="delivery-store", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float) -> None:
        """End: what is under way is waited for, for so long at most; what only waits is due again at once, for another worker."""
        if self._sending is None:
            return
        give_up_at = time.monotonic() + timeout_s
        self._is_stopping = True
        self._something_to_do.set()
        waiting = self._dispatch.give_back()
        self._sending.stop(timeout_s)
        for thread in self._threads:
            thread.join(max(0.1, give_up_at - time.monotonic()))
        waiting += self._dispatch.give_back()
        now = self._clock()
        self._outcomes.extend(Outcome(Told.PENDING, (PutNotice(replace(notice, due_at=now)),), ()) for notice in waiting)
        try:
            self._record()
        except StoreError as err:
            logger.warning("delivery: what was under way is delivered again later: %s", err)

    def wake(self) -> None:
        """Look for due notices now."""
        self._something_to_do.set()

    def tell(self, notices: Sequence[LogoutNotice], deadline_s: float) -> dict[str, Told]:
        """Tell RPs at once, side by side, and return by notice id what is known when the deadline is over, or before, when all is.

        For notices that have just been recorded as leased (`due_at` is the end of their lease). What is not answered in time goes
        on in the background. Before `start` and after `stop` all of it is left to other workers.
        """
        telling = _Telling(notices, deadline_s)
        if self._sending is None or self._is_stopping:
            return telling.told
        for notice in notices:
            try:
                self._offer(notice, {}, telling.note)
            except StoreError as err:
                logger.warning("delivery: left to a later attempt: %s", err)
        return telling.wait()

    # -- the thread that talks to the store ---------------------------------------------------------------------------

    def _work(self) -> None:
        failures = 0
        while not self._is_stopping:
            pause = self._settings.poll_interval_s
            self._something_to_do.clear()
            try:
                self._record()
                if self._lease():
                    pause = 0
                if failures:
                    logger.info("delivery: the store answers again")
                failures = 0
            except StoreError as err:
                if not failures:
                    logger.warning("delivery: put off, %s", err)
                failures += 1
            except Exception:
                logger.exception("delivery: unexpected")
                failures += 1
            if failures:
                time.sleep(0)  # an outcome that wakes this thread must not make it spin
                pause = min(_LONGEST_BACKOFF_S, self._settings.poll_interval_s * 2 ** min(failures, 10))
            self._something_to_do.wait(pause)

    def _record(self) -> None:
        """Record outcomes, as many as there are in one commit, and tell their events. Raises: StoreUnavailable: they are kept for later."""
        while self._outcomes:
            group = list(self._outcomes)
            try:
                self._store.commit([change for outcome in group for change in outcome.changes])
                kept = group
            except Conflict:
                kept = [self._record_one(outcome) for outcome in group]
            for _ in group:
                self._outcomes.popleft()
            for outcome in kept:
                for event in outcome.events:
                    self._hooks.tell(event)

    def _record_one(self, outcome: Outcome) -> Outcome:
        """Record an outcome; when an operator has dropped its notice meanwhile, only what it says of the RP is left."""
        with suppress(Conflict):
            self._store.commit(outcome.changes)
            return outcome
        changes = tuple(change for change in outcome.changes if isinstance(change, DeferNotices))
        if changes:
            self._store.commit(changes)
        return replace(outcome, changes=changes, events=tuple(e for e in outcome.events if isinstance(e, BreakerOpened | BreakerClosed)))

    def _lease(self) -> bool:
        """Lease what is due and let it be sent; return whether there may be more."""
        limit = min(_BATCH, _MOST_HELD - self._dispatch.held)
        if limit <= 0:
            return False
        now = self._clock()
        leased = self._store.lease_notices(now, now + self._settings.lease_s, limit)
        clients: dict[str, Mapping[str, Any] | None] = {}
        changes: dict[str, Change] = {}
        for notice in leased:
            given_up = self._dispatch.give_up_if_old(notice)
            closed_until = self._dispatch.closed_until(notice.client_id)
            if given_up is not None:
                self._outcomes.append(given_up)
            elif closed_until is not None:
                changes[notice.client_id] = DeferNotices(notice.client_id, closed_until)
            else:
                self._offer(notice, clients, None)
                if self._dispatch.waiting(notice.client_id) > _MOST_WAITING:
                    # so that the many notices of one RP do not keep those of all others from being leased
                    changes[notice.client_id] = DeferNotices(notice.client_id, now + _CROWDED_PAUSE_S)
        if changes:
            self._store.commit(list(changes.values()))
        return len(leased) == limit

    # -- in the thread of whoever has the notice ----------------------------------------------------------------------

    def _offer(
        self, notice: LogoutNotice, clients: dict[str, Mapping[str, Any] | None], on_told: Callable[[str, Told], None] | None
    ) -> None:
        """Sign a Logout Token for a notice and let it be sent; `clients` are those that were looked up before."""
        assert self._sending is not None
        if self._dispatch.closed_until(notice.client_id) is not None:
            if on_told is not None:
                on_told(notice.id, Told.PENDING)
            return
        if notice.client_id not in clients:
            clients[notice.client_id] = self._clients.get(notice.client_id)
        prepared = self._prepare(notice, clients[notice.client_id], on_told)
        if isinstance(prepared, Verdict):
            outcome = self._dispatch.finish_unsent(notice, prepared)
            self._finished(outcome)
            if on_told is not None:
                on_told(notice.id, outcome.told)
            return
        self._dispatch.offer(prepared)
        self._sending.pump(notice.client_id)

    def _prepare(
        self, notice: LogoutNotice, client: Mapping[str, Any] | None, on_told: Callable[[str, Told], None] | None
    ) -> Prepared | Verdict:
        if client is None:
            return Verdict("client_unknown")
        uri = client.get("backchannel_logout_uri")
        if notice.channel is not Channel.BACKCHANNEL or not isinstance(uri, str):
            return Verdict("no_backchannel_logout_uri")
        claims = logout_token_claims(notice, issuer=self._issuer, now=self._clock(), lifetime_s=self._settings.token_lifetime_s)
        try:
            token = self._signer.sign_logout_token(claims, client)
        except StoreError:
            raise
        except SessionExtError as err:
            logger.warning("delivery: no logout token for client_id=%s: %s", notice.client_id, err)
            return Verdict("no_key", is_recoverable=True)
        except Exception:
            logger.exception("delivery: no logout token for client_id=%s", notice.client_id)
            return Verdict("internal_error", is_recoverable=True)
        form = urlencode({"logout_token": token}).encode("ascii")
        return Prepared(notice, uri, form, on_told, None if on_told is None else time.monotonic())

    def _finished(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._something_to_do.set()


class _Telling:
    """A user who waits until every RP has answered, or the deadline is over."""

    def __init__(self, notices: Sequence[LogoutNotice], deadline_s: float) -> None:
        self.told = {notice.id: Told.PENDING for notice in notices}
        self._open = set(self.told)
        self._give_up_at = time.monotonic() + deadline_s
        self._changed = threading.Condition()

    def note(self, notice_id: str, told: Told) -> None:
        """Note what is known of a notice."""
        with self._changed:
            self._open.discard(notice_id)
            self.told[notice_id] = told
            if not self._open:
                self._changed.notify()

    def wait(self) -> dict[str, Told]:
        """Return what is known when all is, or at the deadline."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open, max(0.0, self._give_up_at - time.monotonic()))
            return dict(self.told)
