"""The sender: many attempts side by side, in the thread of `Outbound`."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError as FutureCancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress

from ...clock import Clock
from ...settings import DeliverySettings
from ...web.outbound.failures import RequestFailed
from ...web.outbound.outbound import Outbound
from .attempt_result import AttemptResult, result_of_failure, result_of_response
from .circuit_breaker import Prepared
from .scheduler import Outcome, Scheduler

logger = logging.getLogger("oic_session_ext")

_EXCERPT = 300
"""How much of a response goes into the debug log (OIDCBCL-2.8)."""


_MAX_REMEMBERED = 10_000


class Sender:
    """Sends what the circuit breakers of `dispatch` let through; `finished` is called with each outcome, in the thread of `outbound`."""

    def __init__(
        self, settings: DeliverySettings, dispatch: Scheduler, outbound: Outbound, clock: Clock, finished: Callable[[Outcome], None]
    ) -> None:
        self._settings = settings
        self._dispatch = dispatch
        self._outbound = outbound
        self._clock = clock
        self._finished = finished
        self._for_users = _Places(settings.max_concurrency // 2)
        self._for_worker = _Places(settings.max_concurrency // 2)
        self._answering: OrderedDict[str, None] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def pump(self, client_id: str) -> None:
        """Send what may be sent to an RP; from any thread."""
        with suppress(RuntimeError):  # the loop is closed: what waits is left to other workers
            self._outbound.call(self._pump, client_id)

    def stop(self, timeout_s: float) -> None:
        """Wait for what is under way, at most for so long, and cancel the rest; from another thread."""
        if not self._tasks:
            return
        with suppress(RuntimeError, FutureTimeoutError, FutureCancelledError):
            self._outbound.submit(self._end(timeout_s)).result(timeout_s + 1)

    async def _end(self, timeout_s: float) -> None:
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _pump(self, client_id: str) -> None:
        while (prepared := self._dispatch.take(client_id)) is not None:
            task = asyncio.get_running_loop().create_task(self._send(prepared))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(self, prepared: Prepared) -> None:
        places = self._for_worker if prepared.on_told is None else self._for_users
        async with places.answering if prepared.notice.client_id in self._answering else places.others:
            if self._dispatch.is_leased(prepared):
                self._finished(self._dispatch.finish(prepared, await self._attempt(prepared)))
            else:
                self._dispatch.let_go(prepared)
        self._pump(prepared.notice.client_id)

    async def _attempt(self, prepared: Prepared) -> AttemptResult:
        notice = prepared.notice
        try:
            answer = await self._outbound.post(prepared.uri, prepared.form, self._settings.timeout_s, self._settings.connect_timeout_s)
        except RequestFailed as err:
            self._answering.pop(notice.client_id, None)
            return result_of_failure(err.problem)
        except Exception:
            logger.exception("delivery: notice %s to client_id=%s", notice.id, notice.client_id)
            return result_of_failure("internal_error")
        self._remember_answering(notice.client_id)
        attempt_result = result_of_response(answer.status, answer.headers.get("retry-after", ""), self._clock())
        if not attempt_result.is_delivered:
            logger.debug("client_id=%s answered %d to a logout token: %r", notice.client_id, answer.status, answer.body[:_EXCERPT])
        return attempt_result

    def _remember_answering(self, client_id: str) -> None:
        self._answering[client_id] = None
        self._answering.move_to_end(client_id)
        if len(self._answering) > _MAX_REMEMBERED:
            self._answering.popitem(last=False)


class _Places:
    """How many attempts may be under way: a quarter for RPs that are new or did not respond last time, so that the others go on."""

    def __init__(self, limit: int) -> None:
        self.others = asyncio.Semaphore(max(1, limit // 4))
        self.answering = asyncio.Semaphore(max(1, limit - limit // 4))
