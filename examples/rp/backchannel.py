"""`/backchannel_logout`: the OP's server says, by a signed Logout Token, that a session has ended (OIDC Back-Channel Logout 1.0).

No browser is involved: no cookie comes, none is set, and no CSRF token could be there. The signature is what counts.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

import cherrypy
from logout_token import LogoutTokenRefused, LogoutTokenValidator, SeenTokens
from openid_client import OpUnreachable
from rp_sessions import NotOfThisUser, SessionTable


class BackchannelLogout:
    """The endpoint. Mounted only by an RP that registered it."""

    exposed = True
    _cp_config: ClassVar[dict[str, Any]] = {"tools.allow.on": True, "tools.allow.methods": ["POST"]}

    def __init__(self, validator: LogoutTokenValidator, seen: SeenTokens, sessions: SessionTable) -> None:
        self._validator = validator
        self._seen = seen
        self._sessions = sessions

    def __call__(self, *path: str, **ignored: Any) -> bytes:
        """Answer 200 when the session is over, also when it has been before; 400 with JSON when the token is no good (OIDCBCL-2.8)."""
        if path:
            raise cherrypy.NotFound
        try:
            self._end(self._token())
        except LogoutTokenRefused as refusal:
            return _json(400, "invalid_request", str(refusal))
        except NotOfThisUser:
            return _json(400, "invalid_request", "sid and sub do not belong together")
        except OpUnreachable:
            # Neither invalid nor failed: it cannot be told yet. An OP sends a new token after a 503, never after a 400.
            return _json(503, "temporarily_unavailable", "the keys of the OpenID Provider cannot be had at the moment")
        return b""

    def _token(self) -> str:
        # From the body alone: a token in a URL would end up in logs. Whatever else came along is ignored (OIDCBCL-2.5).
        body = cherrypy.request.body
        token = body.params.get("logout_token")
        if body.content_type.value != "application/x-www-form-urlencoded" or not isinstance(token, str):
            raise LogoutTokenRefused("the body must be a form with one logout_token")
        return token

    def _end(self, token: str) -> None:
        ended = self._validator.validate(token)
        if not self._seen.is_first(ended):  # step 8
            raise LogoutTokenRefused("this token has been used before")
        self._sessions.end_by_op(ended.iss, ended.sub, ended.sid, ended_by="backchannel")  # steps 9 to 11 and OIDCBCL-2.7


def _json(status: int, error: str, description: str) -> bytes:
    cherrypy.response.status = status
    cherrypy.response.headers["Content-Type"] = "application/json"
    return json.dumps({"error": error, "error_description": description}).encode()
