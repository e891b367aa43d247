"""The event loop that talks to the RPs: many attempts side by side in one thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from ...clock import Clock
from ...settings import DeliverySettings
from .attempt_result import AttemptResult, result_of_failure, result_of_response
from .circuit_breaker import Prepared
from .http_client import HttpPoster, PostFailed
from .scheduler import Outcome, Scheduler

logger = logging.getLogger("oic_session_ext")


class Sender:
    """Sends what the lanes of `dispatch` let through; `finished` is called with each outcome, in this thread."""

    def __init__(
        self, settings: DeliverySettings, dispatch: Scheduler, poster: HttpPoster, clock: Clock, finished: Callable[[Outcome], None]
    ) -> None:
        self._dispatch = dispatch
        self._poster = poster
        self._clock = clock
        self._finished = finished
        self._loop = asyncio.new_event_loop()
        self._for_users = asyncio.Semaphore(settings.max_concurrency // 2)
        self._for_worker = asyncio.Semaphore(settings.max_concurrency // 2)
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self) -> None:
        """Run the loop until `stop`; the thread's one task."""
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def pump(self, client_id: str) -> None:
        """Send what may be sent to an RP; from any thread."""
        with suppress(RuntimeError):  # the loop is closed: what waits is left to other workers
            self._loop.call_soon_threadsafe(self._pump, client_id)

    def stop(self, timeout_s: float) -> None:
        """Wait for what is under way, for so long at most, and end the loop; from another thread."""
        asyncio.run_coroutine_threadsafe(self._end(timeout_s), self._loop)

    async def _end(self, timeout_s: float) -> None:
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._poster.close()
        self._loop.stop()

    def _pump(self, client_id: str) -> None:
        while (prepared := self._dispatch.take(client_id)) is not None:
            task = self._loop.create_task(self._send(prepared))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(self, prepared: Prepared) -> None:
        async with self._for_worker if prepared.on_told is None else self._for_users:
            if self._dispatch.is_leased(prepared):
                self._finished(self._dispatch.finish(prepared, await self._attempt(prepared)))
            else:
                self._dispatch.let_go(prepared)
        self._pump(prepared.notice.client_id)

    async def _attempt(self, prepared: Prepared) -> AttemptResult:
        notice = prepared.notice
        try:
            answer = await self._poster.post(prepared.uri, prepared.form)
        except PostFailed as err:
            return result_of_failure(err.problem)
        except Exception:
            logger.exception("delivery: notice %s to client_id=%s", notice.id, notice.client_id)
            return result_of_failure("internal_error")
        attempt_result = result_of_response(answer.status, answer.retry_after, self._clock())
        if not attempt_result.is_delivered:
            logger.debug("client_id=%s answered %d to a logout token: %r", notice.client_id, answer.status, answer.excerpt)
        return attempt_result
