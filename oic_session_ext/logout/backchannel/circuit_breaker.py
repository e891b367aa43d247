"""One RP's lane: whether it may be sent to now, and how much at a time (a circuit breaker with a slow start)."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

from ...events import BreakerClosed, BreakerOpened
from ...model import LogoutNotice, NotifyStatus
from ...settings import DeliverySettings


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A notice that is ready to be sent: where to, and the form with a fresh Logout Token.

    `on_told` is called with what is known of it, in some thread; None when no user waits. `since` is the instant of the monotonic
    clock at which the user began to wait.
    """

    notice: LogoutNotice
    uri: str
    form: bytes
    on_told: Callable[[str, NotifyStatus], None] | None = None
    since: float | None = None

    def report(self, told: NotifyStatus) -> None:
        """Report the notice's status to the waiting caller."""
        if self.on_told is not None:
            self.on_told(self.notice.id, told)


class CircuitBreaker:
    """The notices to one RP that wait for their turn in this process, those whose session ended first at the front.

    After `breaker_failures` failures in a row the lane is closed until an instant; then one notice tries whether the RP answers again,
    the one that was tried least, so that a notice which an RP cannot digest never stands in the way of the others. When it does answer,
    one is sent at a time, then two, and with each success one more, up to `max_concurrency_per_rp`: an RP that was down is not knocked
    over by what has piled up meanwhile.
    """

    def __init__(self, client_id: str, settings: DeliverySettings) -> None:
        self._client_id = client_id
        self._settings = settings
        self._waiting: list[tuple[int, int, Prepared]] = []
        self._count = 0
        self._in_flight = 0
        self._failures = 0
        self._pauses = 0
        self._until = 0
        self._width = settings.max_concurrency_per_rp
        self.is_answering = False
        """Whether the latest attempt was answered."""

    @property
    def waiting(self) -> int:
        """How many notices wait."""
        return len(self._waiting)

    @property
    def held(self) -> int:
        """How many notices wait or are under way."""
        return len(self._waiting) + self._in_flight

    @property
    def is_idle(self) -> bool:
        """Return whether there is nothing to remember of it."""
        is_plain = not self._failures and not self._pauses and self._width == self._settings.max_concurrency_per_rp
        return is_plain and not self._waiting and not self._in_flight

    @property
    def is_failing(self) -> bool:
        """Return whether the RP has not answered for so long that it is backed off."""
        return self._pauses > 0

    def closed_until(self, now: int) -> int | None:
        """Return until when nothing is sent, None when something may be."""
        return self._until if now < self._until else None

    def put(self, prepared: Prepared) -> None:
        """Let a notice wait for its turn."""
        self._count += 1
        heapq.heappush(self._waiting, (prepared.notice.ended_at, self._count, prepared))

    def take(self, now: int) -> Prepared | None:
        """Return the notice whose turn it is, None when none may be sent now."""
        if not self._waiting or now < self._until:
            return None
        if self._pauses:  # the breaker is open and its time is over: one tries
            if self._in_flight:
                return None
            probe = min(self._waiting, key=lambda entry: (entry[2].notice.attempts, *entry[:2]))
            self._waiting.remove(probe)
            heapq.heapify(self._waiting)
            self._in_flight += 1
            return probe[2]
        if self._in_flight >= self._width:
            return None
        self._in_flight += 1
        return heapq.heappop(self._waiting)[2]

    def let_go(self) -> None:
        """Note that what was taken is not sent after all."""
        self._in_flight -= 1

    def succeeded(self) -> BreakerClosed | None:
        """Note that the RP answered an attempt; return the event when it had not for long."""
        self._in_flight -= 1
        self._failures = 0
        self.is_answering = True
        if self._pauses:
            self._pauses, self._until, self._width = 0, 0, 1
            return BreakerClosed(self._client_id)
        self._width = min(self._width + 1, self._settings.max_concurrency_per_rp)
        return None

    def failed(self, now: int, retry_after_s: int, jitter: float) -> BreakerOpened | None:
        """Note that an attempt failed for a reason that may pass; return the event when nothing more is to be sent for a while."""
        self._in_flight -= 1
        self._failures += 1
        self.is_answering = False
        if now < self._until or (not self._pauses and self._failures < self._settings.breaker_failures):
            return None
        # never shorter than a lease: `DeferNotices` to its end then moves those too that this process holds
        longest = max(self._settings.breaker_max_pause_s, self._settings.lease_s)
        pause = min(max(self._settings.lease_s << min(self._pauses, 20), retry_after_s), longest)
        self._pauses += 1
        self._until = now + pause + int(pause * 0.2 * jitter)
        return BreakerOpened(self._client_id, self._until)

    def drop_waiting(self) -> list[Prepared]:
        """Forget the notices that wait, and return them; they stay in the store."""
        dropped = [prepared for _, _, prepared in sorted(self._waiting, key=lambda entry: entry[:2])]
        self._waiting.clear()
        return dropped
