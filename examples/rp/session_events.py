"""`/session/events`: tells an open page at once that its session has ended here, whoever ended it (server-sent events).

A stream holds one thread of the server and one of the browser's few connections, so there are so many and no more: a page beyond
that is refused, and watches in another way or tries again later. With an asynchronous server, streams are cheaper.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import cherrypy
from rp_sessions import BrowserSession

MAX_STREAMS = 24
KEEP_ALIVE_S = 5.0  # also how long it takes to notice that the page has gone


class SessionEvents:
    """The endpoint: `live` while the session is, one `ended`, with who ended it or `here`, then nothing more."""

    exposed = True
    _cp_config: ClassVar[dict[str, Any]] = {"tools.allow.on": True, "tools.allow.methods": ["GET"], "response.stream": True}

    def __init__(self, find_session: Callable[[], BrowserSession | None], keep_alive_s: float = KEEP_ALIVE_S) -> None:
        self._find_session = find_session
        self._keep_alive_s = keep_alive_s
        self._places = threading.BoundedSemaphore(MAX_STREAMS)
        self._waiting: list[BrowserSession] = []
        self._is_closing = False

    def __call__(self, *path: str, sign_in: str = "", **ignored: Any) -> Iterator[bytes]:
        """Stream to the page of one sign-in; a page of an earlier one is told at once that it is over."""
        if path:
            raise cherrypy.NotFound
        if not self._places.acquire(blocking=False):
            raise cherrypy.HTTPError(503, "Too many pages are open.")
        cherrypy.response.headers["Content-Type"] = "text/event-stream"
        stream = self._stream(self._find_session(), sign_in)
        next(stream)  # begun: whenever it is closed now, its place is free again
        return stream

    def close_all(self) -> None:
        """End every stream; for the end of the server."""
        self._is_closing = True
        for session in tuple(self._waiting):
            session.over.set()

    def _stream(self, session: BrowserSession | None, sign_in: str) -> Iterator[bytes]:
        if session is not None:
            self._waiting.append(session)
        try:
            yield b""
            yield b"retry: 2000\n\n"
            while session is not None and session.user is not None and session.user.sign_in_id == sign_in:
                if self._is_closing:
                    return
                yield b"event: live\ndata:\n\n"
                session.over.wait(self._keep_alive_s)
            ended_by = (session.ended_by if session is not None else None) or "here"
            yield f"event: ended\ndata: {ended_by}\n\n".encode()
        finally:
            if session is not None:
                self._waiting.remove(session)
            self._places.release()
