"""A thread with an event loop, in which all requests to other servers of one process run side by side."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs coroutines for other threads, from construction to `stop`, which runs `close` last."""

    def __init__(self, name: str, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._close = close
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine. Raises: RuntimeError: the loop is closed."""
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()
            raise

    def call(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call a function in the loop's thread. Raises: RuntimeError: the loop is closed."""
        self._loop.call_soon_threadsafe(function, *arguments)

    def stop(self, timeout_s: float) -> None:
        """Cancel what still runs and end the thread; wait for that, at most `timeout_s`."""
        try:
            self.submit(self._end())
        except RuntimeError:
            return
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(_cancel_all())
        finally:
            self._loop.close()

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._close()
        self._loop.call_soon(self._loop.stop)


async def _cancel_all() -> None:
    """Cancel what was submitted while the loop was about to end; a coroutine that is never started would be a warning."""
    await asyncio.sleep(0)
    late = asyncio.all_tasks() - {asyncio.current_task()}
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
