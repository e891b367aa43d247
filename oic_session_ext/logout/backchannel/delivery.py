"""Delivery: the threads of one process that lease notices, send them and record what became of them.

One thread works with the store: it records outcomes in groups and leases what is due. Requests to the RPs run in the thread of `Outbound`.
A crash at any moment loses nothing, since a notice leaves the store only after its RP has answered: its lease runs out, and
another process sends it again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...errors import StoreError
from ...model import LogoutNotice, NotifyStatus
from ...web.address_guard import AddressGuard
from ...web.outbound.outbound import Outbound
from ...web.outbound.waiting_threads import WaitingThreads
from .notice_status import notice_statuses
from .notice_worker import DeliveryParts, NoticeWorker
from .scheduler import Outcome, Scheduler
from .sender import Sender

logger = logging.getLogger("oic_session_ext")

_LONGEST_BACKOFF_S = 30.0


class Delivery:
    """Notifies RPs of ended sessions, for one process; several processes may do it on one store.

    Nothing runs before `start`, so it may be made before a fork.
    """

    def __init__(self, parts: DeliveryParts) -> None:
        self._settings = settings = parts.settings
        self._something_to_do = threading.Event()
        self._dispatch = Scheduler(settings, parts.clock)
        self._worker = NoticeWorker(parts, self._dispatch, self._pump, self._something_to_do.set)
        self._clock = parts.clock
        self._owns_outbound = parts.outbound is None
        self._outbound = parts.outbound or Outbound(AddressGuard(settings.allow_networks), ca_file=settings.ca_file)
        self._store = parts.store
        self._brief_waits = WaitingThreads(2 * settings.max_waiting_threads)
        self._long_waits = WaitingThreads(settings.max_waiting_threads)
        self._is_stopping = False
        self._threads: list[threading.Thread] = []
        self._sending: Sender | None = None

    def start(self) -> None:
        """Begin to deliver; once, and never in a process that forks afterwards.

        Raises: OSError: `ca_file` cannot be read.
        """
        self._outbound.start()
        self._sending = Sender(self._settings, self._dispatch, self._outbound, self._clock, self._finished)
        self._threads = [threading.Thread(target=self._work, name="delivery-store", daemon=True)]
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float) -> None:
        """End: what is under way is waited for, for so long at most; what only waits is due again at once, for another worker."""
        if self._sending is None or self._is_stopping:
            return
        give_up_at = time.monotonic() + timeout_s
        self._is_stopping = True
        self._something_to_do.set()
        self._worker.give_back()
        self._sending.stop(timeout_s)
        for thread in self._threads:
            thread.join(max(0.5, give_up_at - time.monotonic()))
        if self._owns_outbound:
            self._outbound.stop()
        if any(thread.is_alive() for thread in self._threads):
            logger.warning("delivery: does not stop; what is under way is sent again when its lease is over")
            return
        self._worker.give_back()
        try:
            self._worker.record()
        except StoreError as err:
            logger.warning("delivery: what was under way is sent again when its lease is over: %s", err)

    def notify(self, notices: Sequence[LogoutNotice], deadline_s: float) -> dict[str, NotifyStatus]:
        """Notify RPs at once, side by side; return by notice id what is known when all is known, or at the deadline.

        For notices that have just been recorded as leased (`due_at` is the end of their lease). What is not answered in time goes
        on in the background. Before `start` and after `stop` all of it is left to other workers.

        The result comes before the deadline, with what is known by then, if too many threads wait already: so many logouts at once with
        RPs that do not answer leave threads for other requests. `status_of` returns the state of the rest later.
        """
        waiter = _Waiter(notices)
        if self._sending is None or self._is_stopping:
            return waiter.known()
        clients: dict[str, Mapping[str, Any] | None] = {}
        for notice in notices:
            try:
                self._worker.offer(notice, clients, waiter.note)
            except StoreError as err:
                logger.warning("delivery: left to a worker: %s", err)
                waiter.note(notice.id, NotifyStatus.PENDING)
        self._worker.try_failing(clients)
        with self._brief_waits.place() as is_free:
            if is_free:
                waiter.wait(min(deadline_s, self._settings.brief_wait_s))
        if not waiter.is_finished and deadline_s > self._settings.brief_wait_s:
            with self._long_waits.place() as is_free:
                if is_free:
                    waiter.wait(deadline_s)
        return waiter.known()

    def status_of(self, notice_ids: Iterable[str]) -> dict[str, NotifyStatus]:
        """Return what is known of notices by now, whichever process delivers them; one store look-up each.

        A notice that is not in the store any more was delivered. Raises: StoreUnavailable.
        """
        return notice_statuses(self._store, notice_ids)

    def _work(self) -> None:
        failures = 0
        lease_at = 0.0
        while not self._is_stopping:
            self._something_to_do.clear()
            try:
                self._worker.offer_awaited()
                self._worker.record()
                if time.monotonic() >= lease_at:
                    has_more = self._worker.lease()
                    lease_at = time.monotonic() + (0 if has_more else self._settings.poll_interval_s)
                if failures:
                    logger.info("delivery: the store answers again")
                failures = 0
            except StoreError as err:
                if not failures:
                    logger.warning("delivery: put off until the store answers: %s", err)
                failures += 1
            except Exception:
                logger.exception("delivery: unexpected")
                failures += 1
            if failures:
                self._back_off(failures)
            else:
                self._something_to_do.wait(max(0.0, lease_at - time.monotonic()))

    def _back_off(self, failures: int) -> None:
        """Wait longer with each failure, whatever happens meanwhile but the end."""
        until = time.monotonic() + min(_LONGEST_BACKOFF_S, self._settings.poll_interval_s * 2 ** min(failures, 10))
        while not self._is_stopping and time.monotonic() < until:
            time.sleep(0.1)

    def _pump(self, client_id: str) -> None:
        if self._sending is not None and not self._is_stopping:
            self._sending.pump(client_id)

    def _finished(self, outcome: Outcome) -> None:
        self._worker.note(outcome)
        self._something_to_do.set()


class _Waiter:
    """A thread that waits until every RP has answered, or a deadline is over. Deadlines count from construction."""

    def __init__(self, notices: Sequence[LogoutNotice]) -> None:
        self._known = {notice.id: NotifyStatus.PENDING for notice in notices}
        self._open = set(self._known)
        self._since = time.monotonic()
        self._changed = threading.Condition()

    @property
    def is_finished(self) -> bool:
        """Whether the first attempt of every notice has ended."""
        return not self._open

    def note(self, notice_id: str, status: NotifyStatus) -> None:
        """Record what is known of a notice."""
        with self._changed:
            self._open.discard(notice_id)
            self._known[notice_id] = status
            if not self._open:
                self._changed.notify()

    def wait(self, deadline_s: float) -> None:
        """Wait until all is known, or the deadline is over."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open, max(0.0, self._since + deadline_s - time.monotonic()))

    def known(self) -> dict[str, NotifyStatus]:
        """Return what is known now."""
        with self._changed:
            return dict(self._known)
