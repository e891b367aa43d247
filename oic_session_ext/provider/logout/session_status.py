"""The session-status endpoint: a client's server asks about a session that it knows by `sid`.

No specification defines it; docs/browsers.md is its reference.
"""

from __future__ import annotations

from typing import Any

from oic.utils.http_util import Response

from ...errors import InvalidClient, InvalidRequest
from ...session_management.session_status import status_of_sid
from ...store.base import Store
from ..clients.endpoint import ClientEndpoint
from ..parts import OpParts
from ..request.responses import json_response

_MAX_SID = 256


class SessionStatusEndpoint:
    """Reports to confidential clients on their own sessions, and on no others."""

    def __init__(self, parts: OpParts, store: Store, client_endpoint: ClientEndpoint) -> None:
        self._parts = parts
        self._store = store
        self._client_endpoint = client_endpoint

    def answer(self, request: Any, authn: str | None = None) -> Response:
        """Answer `{"status": "live" | "ended" | "unknown"}`, with the `reason` of an end.

        `request` is the form body (or a dict) with the `sid`, `authn` the Authorization header; the client is authenticated as at the
        token endpoint.
        """

        def report(params: dict[str, str]) -> Response:
            client_id = self._client_endpoint.authenticate(params, params, authn or None)
            if (self._parts.client(client_id) or {}).get("token_endpoint_auth_method") == "none":  # any caller may use its client_id
                raise InvalidClient("client authentication failed", detail="session status for a public client")
            sid = params.get("sid")
            if not sid:
                raise InvalidRequest("sid is missing")
            if len(sid) > _MAX_SID:
                return json_response({"status": "unknown"})
            found = status_of_sid(self._store, sid, client_id, self._parts.clock())
            return json_response({"status": found.status} | ({"reason": found.reason.value} if found.reason else {}))

        return self._client_endpoint.answer(request, authn, report)
