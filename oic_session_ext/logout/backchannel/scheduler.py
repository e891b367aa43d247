"""What is sent when, and what becomes of it: the delivery's decisions, without threads, sockets or a store."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ...clock import Clock
from ...events import BreakerOpened, Event, NoticeDeferred, NoticeDelivered, NoticeUndeliverable
from ...model import LogoutNotice, NoticeState, NotifyStatus
from ...settings import DeliverySettings
from ...store.changes import Change, DeferNotices, DeleteNotice, PutNotice
from .attempt_result import AttemptResult
from .circuit_breaker import CircuitBreaker, Prepared


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt has come to: what a user is told, what is to be kept of it, and the events once that is kept."""

    told: NotifyStatus
    changes: tuple[Change, ...]
    events: tuple[Event, ...]


def random_share() -> float:
    """Return a random number from 0 up to 1."""
    return secrets.randbelow(1 << 20) / (1 << 20)


class Scheduler:
    """The lanes of all RPs in one process. Safe to use from many threads.

    `jitter` gives a number from 0 up to 1, by which pauses differ so that servers do not all come at once.
    """

    def __init__(self, settings: DeliverySettings, clock: Clock, jitter: Callable[[], float] = random_share) -> None:
        self._settings = settings
        self._clock = clock
        self._jitter = jitter
        self._breakers: dict[str, CircuitBreaker] = {}
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """How many notices wait or are under way here."""
        return self._held

    def closed_until(self, client_id: str) -> int | None:
        """Return until when nothing is sent to an RP, None when something may be."""
        with self._lock:
            breaker = self._breakers.get(client_id)
            return None if breaker is None else breaker.closed_until(self._clock())

    def is_failing(self, client_id: str) -> bool:
        """Return whether an RP did not answer for so long that it is only tried, with one notice at a time."""
        with self._lock:
            breaker = self._breakers.get(client_id)
            return breaker is not None and breaker.is_failing

    def held_of(self, client_id: str) -> int:
        """Return how many notices to an RP wait or are under way here."""
        with self._lock:
            breaker = self._breakers.get(client_id)
            return 0 if breaker is None else breaker.held

    def is_answering(self, client_id: str) -> bool:
        """Return whether an RP with notices here has answered its latest attempt."""
        with self._lock:
            breaker = self._breakers.get(client_id)
            return breaker is not None and breaker.is_answering

    def waiting(self, client_id: str) -> int:
        """Return how many notices to an RP wait here."""
        with self._lock:
            breaker = self._breakers.get(client_id)
            return 0 if breaker is None else breaker.waiting

    def offer(self, prepared: Prepared) -> None:
        """Let a notice wait for its turn."""
        with self._lock:
            self._lane_of(prepared.notice.client_id).put(prepared)
            self._held += 1

    def take(self, client_id: str) -> Prepared | None:
        """Return a notice to send to an RP now, None if none may be. The caller must pass it to `finish` or to `let_go`."""
        now = self._clock()
        with self._lock:
            breaker = self._breakers.get(client_id)
            return None if breaker is None else breaker.take(now)

    def is_leased(self, prepared: Prepared) -> bool:
        """Return whether an attempt that is begun now ends before another worker may begin one."""
        return self._clock() + self._settings.timeout_s < prepared.notice.due_at

    def let_go(self, prepared: Prepared) -> None:
        """Leave a notice that was taken to the next worker that leases it."""
        with self._lock:
            breaker = self._breakers[prepared.notice.client_id]
            breaker.let_go()
            self._held -= 1
            self._drop_if_idle(prepared.notice.client_id, breaker)
        prepared.report(NotifyStatus.PENDING)

    def finish(self, prepared: Prepared, result: AttemptResult) -> Outcome:
        """Return what is to be kept of an attempt that was made."""
        now = self._clock()
        dropped: list[Prepared] = []
        with self._lock:
            client_id = prepared.notice.client_id
            breaker = self._breakers[client_id]
            self._held -= 1
            # a refusal is an answer too: the RP is there
            changed = breaker.failed(now, result.retry_after_s, self._jitter()) if result.is_recoverable else breaker.succeeded()
            outcome = self._outcome(prepared.notice, result, now, breaker.closed_until(now), prepared.since)
            if isinstance(changed, BreakerOpened):
                dropped = breaker.drop_waiting()
                self._held -= len(dropped)
                outcome = replace(outcome, changes=(*outcome.changes, DeferNotices(client_id, changed.until)))
            self._drop_if_idle(client_id, breaker)
        for one in dropped:
            one.report(NotifyStatus.PENDING)
        prepared.report(outcome.told)
        return outcome if changed is None else replace(outcome, events=(*outcome.events, changed))

    def finish_unsent(self, notice: LogoutNotice, result: AttemptResult) -> Outcome:
        """Return what is to be kept of a notice that could not even be sent."""
        return self._outcome(notice, result, self._clock(), None, None)

    def give_up_if_old(self, notice: LogoutNotice) -> Outcome | None:
        """Return what is to be kept of a notice whose time is over and whose RP does not answer; None when it may be sent.

        So the notices of an RP that is gone for good come to an end, without an attempt for each.
        """
        now = self._clock()
        with self._lock:
            breaker = self._breakers.get(notice.client_id)
            if breaker is None or not breaker.is_failing or not self._is_old(notice, now):
                return None
        return self._given_up(notice, notice.problem or "not_answering", now)

    def give_back(self) -> list[LogoutNotice]:
        """Forget all that waits, and return it: this process will not send it."""
        with self._lock:
            dropped = [prepared for breaker in self._breakers.values() for prepared in breaker.drop_waiting()]
            self._held -= len(dropped)
        for prepared in dropped:
            prepared.report(NotifyStatus.PENDING)
        return [prepared.notice for prepared in dropped]

    def _outcome(self, notice: LogoutNotice, result: AttemptResult, now: int, closed_until: int | None, since: float | None) -> Outcome:
        notice = replace(notice, attempts=notice.attempts + 1, problem=result.problem)
        if result.is_delivered:
            latency_s = float(max(0, now - notice.ended_at)) if since is None else time.monotonic() - since
            return Outcome(NotifyStatus.DELIVERED, (DeleteNotice(notice.id),), (NoticeDelivered(notice, latency_s),))
        is_tried_out = closed_until is None and notice.attempts >= self._settings.max_attempts
        if not result.is_recoverable or is_tried_out or self._is_old(notice, now):
            return self._given_up(notice, notice.problem, now)
        due_at = closed_until or now + self._pause_after(notice.attempts, result.retry_after_s)
        put_off = replace(notice, due_at=due_at)
        return Outcome(NotifyStatus.PENDING, (PutNotice(put_off),), (NoticeDeferred(put_off),))

    def _given_up(self, notice: LogoutNotice, problem: str, now: int) -> Outcome:
        kept_until = now + self._settings.undeliverable_kept_s
        given_up = replace(notice, state=NoticeState.UNDELIVERABLE, problem=problem, due_at=kept_until)
        return Outcome(NotifyStatus.UNDELIVERABLE, (PutNotice(given_up),), (NoticeUndeliverable(given_up),))

    def _is_old(self, notice: LogoutNotice, now: int) -> bool:
        return now - notice.ended_at >= self._settings.give_up_after_s

    def _pause_after(self, attempts: int, retry_after_s: int) -> int:
        settings = self._settings
        full = min(settings.first_pause_s << min(attempts - 1, 20), settings.max_pause_s)
        pause = full - int(full * 0.5 * self._jitter())
        return max(1, pause, min(retry_after_s, settings.max_pause_s))

    def _lane_of(self, client_id: str) -> CircuitBreaker:
        if client_id not in self._breakers:
            self._breakers[client_id] = CircuitBreaker(client_id, self._settings)
        return self._breakers[client_id]

    def _drop_if_idle(self, client_id: str, breaker: CircuitBreaker) -> None:
        if breaker.is_idle:
            del self._breakers[client_id]
