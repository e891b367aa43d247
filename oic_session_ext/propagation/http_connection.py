"""One HTTP/1.1 connection to an RP: a request out, the head of an answer in, whatever else the peer does.

The parser is `httptools`; what is read is bounded in bytes here and in time by the caller.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import httptools

_MAX_HEAD = 16 * 1024
_MAX_BODY = 16 * 1024
_EXCERPT = 300
_REST_S = 5


class PostFailed(Exception):
    """No answer came; `problem` is a short code such as `timeout`, `connect_refused`, `dns`, `tls`, `address_refused`."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class WentStale(Exception):
    """The peer closed a kept connection before it read the request; it is no fault of anybody."""


@dataclass(frozen=True, slots=True)
class PostAnswer:
    """The head of an answer; `excerpt` is the beginning of its body as far as it came along, for debugging alone (OIDCBCL-2.8)."""

    status: int
    retry_after: str
    excerpt: bytes


class Connection(asyncio.Protocol):
    """One connection, one exchange at a time; it offers itself to be kept when an answer has ended as it should."""

    def __init__(self, keep: Callable[[Connection], None]) -> None:
        self._keep = keep
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[PostAnswer] | None = None
        self.is_open = False
        self.idle_since = 0.0
        self._rest: asyncio.TimerHandle | None = None
        self._reset()

    async def exchange(self, request: bytes) -> PostAnswer:
        """Send a request, return the head of its answer. Raises: WentStale, PostFailed."""
        assert self._transport is not None
        self._reset()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._answer
        except asyncio.CancelledError:
            self.close()
            raise

    def close(self) -> None:
        """Close it at once: nothing that we still have to say matters."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._received = self._body_length = self._status = 0
        self._is_over = self._is_double = self._may_be_kept = False
        self._retry_after = self._excerpt = b""

    # -- what asyncio calls ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        """Read on; what was not asked for, or is no HTTP, ends the connection."""
        if self._answer is None:
            self.close()  # it speaks without being asked
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(PostFailed("bad_answer"))
            return
        if self._status:
            self._succeed()
        elif self._received > _MAX_HEAD:
            self._fail(PostFailed("bad_answer"))

    def eof_received(self) -> None:
        """Let the transport close."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio says so
        """Tell whoever waits for an answer."""
        self.is_open = False
        self._fail(PostFailed("connection_lost") if self._received else WentStale())

    def _succeed(self) -> None:
        """Give the answer out as soon as its head is there; the connection is kept when the rest ends soon and in order."""
        assert self._answer is not None
        if not self._answer.done():
            self._answer.set_result(PostAnswer(self._status, self._retry_after.decode("latin-1"), self._excerpt))
            if not self._is_over:
                self._rest = asyncio.get_running_loop().call_later(_REST_S, self.close)
        if self._is_over:
            self._answer = None
            if self._rest is not None:
                self._rest.cancel()
            if self._may_be_kept and not self._is_double:
                self.idle_since = time.monotonic()
                self._keep(self)
            else:
                self.close()
        elif self._body_length > _MAX_BODY:
            self.close()

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.close()

    # -- what the parser calls ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Note a second answer, which nobody asked for."""
        self._is_double = self._is_over

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the one header that matters."""
        if name.lower() == b"retry-after":
            self._retry_after = value[:_EXCERPT]

    def on_headers_complete(self) -> None:
        """Keep the status of the answer itself."""
        status = self._parser.get_status_code()
        if status >= 200 and not self._is_over:  # 100 and 103 only announce the answer
            self._status = status

    def on_body(self, body: bytes) -> None:
        """Count, and keep the beginning."""
        self._body_length += len(body)
        self._excerpt = (self._excerpt + body)[:_EXCERPT]

    def on_message_complete(self) -> None:
        """Note that the answer is over."""
        self._is_over = self._status != 0
        self._may_be_kept = self._parser.should_keep_alive()
