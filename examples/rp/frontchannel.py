"""`/frontchannel_logout`: loaded in an iframe of the OP's logout page, ends the session of this browser (OIDC Front-Channel Logout 1.0).

It can work only where the browser sends this RP's cookie into the iframe. The OP cannot see whether it did: where that matters,
register the back channel too.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import urlsplit

import cherrypy
from rp_sessions import BrowserSession

OUTCOMES = {
    "signed_out": "You are signed out here.",
    "nobody": "Nobody was signed in here by that session, as far as this browser shows its cookies.",
    "refused": "This is not a logout request of the OpenID Provider: iss and sid must be there, once each, and be right.",
}


class FrontchannelLogout:
    """The endpoint. Mounted only by an RP that registered it, with `frontchannel_logout_session_required`."""

    exposed = True
    _cp_config: ClassVar[dict[str, Any]] = {"tools.allow.on": True, "tools.allow.methods": ["GET", "HEAD"]}

    def __init__(
        self,
        issuer: str,
        find_session: Callable[[], BrowserSession | None],
        close_session: Callable[[], None],
        render: Callable[..., str],
    ) -> None:
        self._issuer = issuer
        self._find_session = find_session
        self._close_session = close_session
        self._render = render

    def __call__(self, *path: str, **query: Any) -> str:
        """End this browser's session if it is the one that is named; one that has ended already is a success (OIDCFCL-2)."""
        if path:
            raise cherrypy.NotFound
        outcome = self._end(query.get("iss"), query.get("sid"))
        op = urlsplit(self._issuer)
        cherrypy.response.status = 400 if outcome == "refused" else 200
        cherrypy.response.headers["Cache-Control"] = "no-store"
        cherrypy.response.headers["Content-Security-Policy"] = f"default-src 'none'; frame-ancestors {op.scheme}://{op.netloc}"
        return self._render(text=OUTCOMES[outcome])

    def _end(self, iss: object, sid: object) -> str:
        # An unguessable `sid` is what keeps other sites from signing people out with an image tag.
        if iss != self._issuer or not isinstance(sid, str) or not sid:
            return "refused"
        session = self._find_session()
        signed_in = None if session is None or session.user is None else session.user.identity.sid
        if session is None or signed_in is None or not hmac.compare_digest(signed_in.encode(), sid.encode()):
            return "nobody"
        session.ended_by = "frontchannel"  # for the pages that are open
        self._close_session()
        return "signed_out"
