"""Telling the RPs: the threads of one process that lease notices, send them and record what became of them.

One thread talks to the store: it records outcomes in groups and leases what is due. Another one has an event loop and talks to the RPs.
A crash at any moment loses nothing, since a notice leaves the store only after its RP has answered: its lease runs out, and
somebody else sends it again.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import StoreError
from ...model import LogoutNotice, NotifyStatus
from ...web.address_guard import AddressGuard
from .http_client import HttpPoster
from .notice_worker import DeliveryParts, NoticeWorker
from .scheduler import Outcome, Scheduler
from .sender import Sender

logger = logging.getLogger("oic_session_ext")

_LONGEST_BACKOFF_S = 30.0


class Delivery:
    """Tells RPs of ended sessions, for one process; several processes may do it on one store.

    Nothing runs before `start`, so it may be made before a fork.
    """

    def __init__(self, parts: DeliveryParts) -> None:
        self._settings = parts.settings
        self._dispatch = Scheduler(parts.settings, parts.clock)
        self._worker = NoticeWorker(parts, self._dispatch, self._pump)
        self._clock = parts.clock
        self._something_to_do = threading.Event()
        self._is_stopping = False
        self._threads: list[threading.Thread] = []
        self._sending: Sender | None = None

    def start(self) -> None:
        """Begin to deliver; once, and never in a process that forks afterwards.

        Raises: OSError: `ca_file` cannot be read.
        """
        poster = HttpPoster(
            AddressGuard(self._settings.allow_networks),
            timeout_s=self._settings.timeout_s,
            connect_timeout_s=self._settings.connect_timeout_s,
            tls=ssl.create_default_context(cafile=self._settings.ca_file),
        )
        self._sending = Sender(self._settings, self._dispatch, poster, self._clock, self._finished)
        self._threads = [
            threading.Thread(target=self._sending.run, name="delivery-http", daemon=True),
            threading.Thread(target=self._work, name="delivery-store", daemon=True),
        ]
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
        if any(thread.is_alive() for thread in self._threads):
            logger.warning("delivery: does not stop; what is under way is sent again when its lease is over")
            return
        self._worker.give_back()
        try:
            self._worker.record()
        except StoreError as err:
            logger.warning("delivery: what was under way is sent again when its lease is over: %s", err)

    def notify(self, notices: Sequence[LogoutNotice], deadline_s: float) -> dict[str, NotifyStatus]:
        """Tell RPs at once, side by side, and return by notice id what is known when the deadline is over, or before, when all is.

        For notices that have just been recorded as leased (`due_at` is the end of their lease). What is not answered in time goes
        on in the background. Before `start` and after `stop` all of it is left to other workers.
        """
        telling = _Telling(notices, deadline_s)
        if self._sending is None or self._is_stopping:
            return telling.told
        clients: dict[str, Mapping[str, Any] | None] = {}
        for notice in notices:
            try:
                self._worker.offer(notice, clients, telling.note)
            except StoreError as err:
                logger.warning("delivery: left to a worker: %s", err)
                telling.note(notice.id, NotifyStatus.PENDING)
        self._worker.try_failing(clients)
        return telling.wait()

    def _work(self) -> None:
        failures = 0
        lease_at = 0.0
        while not self._is_stopping:
            self._something_to_do.clear()
            try:
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
        if self._sending is not None:
            self._sending.pump(client_id)

    def _finished(self, outcome: Outcome) -> None:
        self._worker.note(outcome)
        self._something_to_do.set()


class _Telling:
    """A user who waits until every RP has answered, or the deadline is over."""

    def __init__(self, notices: Sequence[LogoutNotice], deadline_s: float) -> None:
        self.told = {notice.id: NotifyStatus.PENDING for notice in notices}
        self._open = set(self.told)
        self._give_up_at = time.monotonic() + deadline_s
        self._changed = threading.Condition()

    def note(self, notice_id: str, told: NotifyStatus) -> None:
        """Note what is known of a notice."""
        with self._changed:
            self._open.discard(notice_id)
            self.told[notice_id] = told
            if not self._open:
                self._changed.notify()

    def wait(self) -> dict[str, NotifyStatus]:
        """Return what is known when all is, or at the deadline."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open, max(0.0, self._give_up_at - time.monotonic()))
            return dict(self.told)
