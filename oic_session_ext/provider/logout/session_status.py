"""The session-status endpoint: a client's server asks what has become of a session that it knows by `sid`.

No specification has it; docs/browsers.md is its reference.
"""

from __future__ import annotations

from typing import Any

from oic.utils.http_util import Response

from ...errors import InvalidClient, InvalidRequest
from ...session_management.session_status import status_of_sid
from ...store.base import Store
from ..clients.endpoint import ClientEndpointSeam
from ..request.responses import json_response

SESSION_STATUS_URL = "session_status"

_MAX_SID = 256


class SessionStatusSeam(ClientEndpointSeam):
    """Tells confidential clients about their own sessions, and nothing about anybody else's."""

    store: Store

    def session_status_endpoint(self, request: Any = "", authn: str | None = None, **kwargs: Any) -> Response:
        """Answer `{"status": "live" | "ended" | "unknown"}`, with the `reason` of an end.

        `request` is the form body (or a dict) with the `sid`, `authn` the Authorization header; the client proves who it is as at the
        token endpoint.
        """

        def answer(params: dict[str, str]) -> Response:
            client_id = self.authenticated_client(params, params, authn or None)
            if (self.client(client_id) or {}).get("token_endpoint_auth_method") == "none":  # anybody may call themselves so
                raise InvalidClient("client authentication failed", detail="session status for a public client")
            sid = params.get("sid")
            if not sid:
                raise InvalidRequest("sid is missing")
            if len(sid) > _MAX_SID:
                return json_response({"status": "unknown"})
            told = status_of_sid(self.store, sid, client_id, self.clock())
            return json_response({"status": told.status} | ({"reason": told.reason.value} if told.reason else {}))

        return self.answer_client(request, authn, answer)

    def assertion_audiences(self) -> tuple[str, ...]:
        """Return what a client assertion may be addressed to: this endpoint too."""
        return *super().assertion_audiences(), self.endpoint_uri(SESSION_STATUS_URL)
