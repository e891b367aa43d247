"""`/session/status`: tells an open page whether its session is still there, having asked the OP by `sid`; no cookie of the OP is needed.

The last resort of a page: where neither the OP's iframe nor its logout channels work. It needs an OP that answers such questions.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, ClassVar

import cherrypy
from openid_client import OpenIdClient, OpUnreachable
from rp_sessions import BrowserSession, SessionTable, SignedIn


class SessionStatus:
    """The endpoint: `{"status": "live"}`, `{"status": "ended", "reason": ...}`, or `unknown` where the OP does not tell.

    The OP is asked about a session once in `fresh_s` at most, however many of its pages are open.
    """

    exposed = True
    _cp_config: ClassVar[dict[str, Any]] = {"tools.allow.on": True, "tools.allow.methods": ["GET"]}

    def __init__(
        self,
        client: OpenIdClient,
        sessions: SessionTable,
        find_session: Callable[[], BrowserSession | None],
        fresh_s: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._sessions = sessions
        self._find_session = find_session
        self._fresh_s = fresh_s
        self._now = now

    def __call__(self, *path: str, sign_in: str = "", **ignored: Any) -> bytes:
        """Answer the page of one sign-in; a page of an earlier one is told that it is over. 503 while the OP does not answer."""
        if path:
            raise cherrypy.NotFound
        cherrypy.response.headers["Content-Type"] = "application/json"
        session = self._find_session()
        user = None if session is None else session.user
        if session is None or user is None or user.sign_in_id != sign_in:
            return _json(status="ended", reason=(session.ended_by if session is not None else None) or "here")
        try:
            status = self._ask_op(session, user)
        except OpUnreachable:
            cherrypy.response.status = 503
            return _json(error="temporarily_unavailable")
        return _json(status="ended", reason="status") if status == "ended" else _json(status=status)

    def _ask_op(self, session: BrowserSession, user: SignedIn) -> str:
        sid = user.identity.sid
        if sid is None:
            return "unknown"
        if self._now() < session.asked_at + self._fresh_s:
            return "live"
        status = self._client.session_status(sid)
        if status is None:
            return "unknown"
        session.asked_at = self._now()
        if status == "live":
            return "live"
        # The OP itself has named this `sid`, so one that it does not know any more has ended long ago.
        self._sessions.end_by_op(user.identity.iss, None, sid, ended_by="status")
        return "ended"


def _json(**values: str) -> bytes:
    return json.dumps(values).encode()
