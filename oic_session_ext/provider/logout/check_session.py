"""The page that RPs frame to learn whether the session has changed, and its question without cookies (OIDCSM-3.2, -3.3)."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from oic.utils.http_util import Response

from ...errors import InvalidRequest, ProtocolError
from ...session_management.browser_cookies import CookiePolicy
from ...session_management.check_session_iframe import CheckSessionPage, StatusByRequest, check_session_context
from ...session_management.sealed_salt import SealedSalts
from ...session_management.session_status import SessionStatus
from ...store.base import Store
from ...web.origin import origin_of
from ...web.parameters import parse_parameters, single_values
from ...web.rate_limit import RateLimiter
from ..parts import OpParts
from ..request.responses import RawResponse, json_response
from ..request.web_request import WebRequest

CHECK_SESSION_URL = "check_session"
CHECK_SESSION_STATUS_URL = "check_session_status"


class CheckSessionEndpoint:
    """Answers the requests of the check-session iframe.

    Args:
        sealed_salts: Opens the salts of `session_state`; None if the setting `session_status` is off.
    """

    def __init__(self, parts: OpParts, store: Store, cookies: CookiePolicy, sealed_salts: SealedSalts | None) -> None:
        self._parts = parts
        self.cookies = cookies
        self._status = None
        if sealed_salts is not None and parts.settings.check_session:
            self._status = SessionStatus(store, sealed_salts, parts.clock)
        self._rate = RateLimiter(parts.settings.session_status_per_minute, parts.clock)

    @property
    def answers_without_cookies(self) -> bool:
        """Whether the status endpoint is on."""
        return self._status is not None

    def iframe(self, request: WebRequest) -> Response:
        """Answer with the page that RPs frame: static and cacheable."""
        answer = self._page.answer(request.headers.get("if-none-match"))
        return RawResponse(answer.body, answer.status, answer.headers)

    def status(self, request: WebRequest) -> Response:
        """Answer the iframe in a browser that hides the cookie from it: `{"status": "unchanged" | "changed" | "error"}`.

        Only the iframe may ask, so the request comes from the OP's own origin. No cookie is read, and none is set.
        """
        if request.headers.get("origin") != origin_of(self._parts.op.baseurl):
            raise InvalidRequest("only the page of check_session_iframe asks here", status=403)
        wait_s = self._rate.refused_for(request.remote)
        if wait_s:
            response = json_response({"error": "temporarily_unavailable", "error_description": "too many questions"}, 429)
            response.headers.append(("Retry-After", str(wait_s)))
            return response
        given = single_values(parse_parameters(request.parameters()))
        for name in ("client_id", "session_state", "origin"):
            if not given.get(name):
                raise InvalidRequest(f"{name} is missing")
        assert self._status is not None  # without it there is no such route
        return json_response({"status": self._status.of(given["client_id"], given["origin"], given["session_state"])})

    def asset(self, request: WebRequest) -> Response:
        """Answer with a stylesheet or script of the pages, by its content-hashed name."""
        asset = self._parts.pages.asset(request.path.rpartition("/")[2])
        if asset is None:
            raise ProtocolError("there is nothing here", error="not_found", status=404)
        return RawResponse(asset.content, 200, asset.headers)

    @cached_property
    def _page(self) -> CheckSessionPage:
        status = None
        if self._status is not None:
            path = f"{self._parts.base_path}/{CHECK_SESSION_STATUS_URL}"
            status = StatusByRequest(path, self._parts.pages.asset_url("check_session_status.js"))
        context: dict[str, Any] = check_session_context(
            self.cookies,
            self._parts.pages.asset_url("check_session.js"),
            loop_guard=self._parts.settings.check_session_loop_guard,
            status=status,
        )
        return CheckSessionPage(self._parts.pages.render("check_session", **context).body, may_ask=status is not None)
