"""The routes that session management adds to an OP, for any WSGI framework: each is a small WSGI application."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from oic.oic.provider import EndSessionEndpoint
from oic.utils.http_util import Response

from ...errors import InvalidRequest, ProtocolError
from ...session_management.browser_cookies import CookiePolicy
from ...session_management.check_session_iframe import CheckSessionPage, StatusByRequest, check_session_context
from ...session_management.sealed_salt import SealedSalts
from ...session_management.session_status import SessionStatus
from ...settings import SessionManagementSettings
from ...store.base import Store
from ...web.origin import origin_of
from ...web.parameters import parse_parameters, single_values
from ...web.rate_limit import RateLimiter
from ..base import ASSETS_URL
from ..request.responses import RawResponse, json_response
from ..request.web_request import Route, WebRequest, dispatch
from .end_session import EndSessionSeam

CHECK_SESSION_URL = "check_session"
CHECK_SESSION_STATUS_URL = "check_session_status"


class SessionRoutes(EndSessionSeam):
    """Knows under which paths session management answers, and says so in the discovery document."""

    session_settings: SessionManagementSettings
    cookie_policy: CookiePolicy
    sealed_salts: SealedSalts | None
    store: Store

    def session_routes(self) -> list[Route]:
        """Return the routes to mount beside the provider's own: end-session, check-session and the pages' assets."""
        base = urlsplit(self.baseurl).path.rstrip("/")
        routes = [
            Route("end_session", f"{base}/{EndSessionEndpoint.url}", ("GET", "POST"), self._answer_end_session, self.error_page),
            Route("session_assets", f"{base}/{ASSETS_URL}/", ("GET",), self.asset_endpoint),
        ]
        if self.session_settings.check_session:
            routes.append(Route("check_session_iframe", f"{base}/{CHECK_SESSION_URL}", ("GET",), self.check_session_iframe_endpoint))
        if self._session_status is not None:
            path = f"{base}/{CHECK_SESSION_STATUS_URL}"
            routes.append(Route("check_session_status", path, ("POST",), self.check_session_status_endpoint))
        return routes

    def session_middleware(self, application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
        """Return a WSGI application that answers the session routes and hands every other request to `application`."""
        return dispatch(self.session_routes(), application)

    def check_session_iframe_endpoint(self, request: WebRequest) -> Response:
        """Answer with the page that RPs frame to ask whether the session has changed (OIDCSM-3.2, -3.3): static and cacheable."""
        answer = self._check_session_page.answer(request.headers.get("if-none-match"))
        return RawResponse(answer.body, answer.status, answer.headers)

    def check_session_status_endpoint(self, request: WebRequest) -> Response:
        """Answer the OP iframe in a browser that hides the cookie from it: `{"status": "unchanged" | "changed" | "error"}`.

        The iframe alone may ask, so the request comes from the OP's own origin. No cookie is read, and none is set.
        """
        if request.headers.get("origin") != origin_of(self.baseurl):
            raise InvalidRequest("only the page of check_session_iframe asks here", status=403)
        wait_s = self._session_status_rate.refused_for(request.remote)
        if wait_s:
            response = json_response({"error": "temporarily_unavailable", "error_description": "too many questions"}, 429)
            response.headers.append(("Retry-After", str(wait_s)))
            return response
        given = single_values(parse_parameters(request.parameters()))
        for name in ("client_id", "session_state", "origin"):
            if not given.get(name):
                raise InvalidRequest(f"{name} is missing")
        assert self._session_status is not None  # without it there is no such route
        return json_response({"status": self._session_status.of(given["client_id"], given["origin"], given["session_state"])})

    @cached_property
    def _session_status(self) -> SessionStatus | None:
        if self.sealed_salts is None or not self.session_settings.check_session:
            return None
        return SessionStatus(self.store, self.sealed_salts, self.clock)

    @cached_property
    def _session_status_rate(self) -> RateLimiter:
        return RateLimiter(self.session_settings.session_status_per_minute, self.clock)

    @cached_property
    def _check_session_page(self) -> CheckSessionPage:
        status = None
        if self._session_status is not None:
            base = urlsplit(self.baseurl).path.rstrip("/")
            status = StatusByRequest(f"{base}/{CHECK_SESSION_STATUS_URL}", self.pages.asset_url("check_session_status.js"))
        context: dict[str, Any] = check_session_context(
            self.cookie_policy,
            self.pages.asset_url("check_session.js"),
            loop_guard=self.session_settings.check_session_loop_guard,
            status=status,
        )
        return CheckSessionPage(self.pages.render("check_session", **context).body, may_ask=status is not None)

    def asset_endpoint(self, request: WebRequest) -> Response:
        """Answer with a stylesheet or script of our pages, by its content-hashed name."""
        asset = self.pages.asset(request.path.rpartition("/")[2])
        if asset is None:
            raise ProtocolError("there is nothing here", error="not_found", status=404)
        return RawResponse(asset.content, 200, asset.headers)

    def create_providerinfo(self, setup: Any = None) -> Any:
        """Return the provider's metadata with what session management adds (OIDCSM-3.3, OIDCRIL-2.1)."""
        info = super().create_providerinfo(setup)
        base = self.baseurl.rstrip("/")
        info["end_session_endpoint"] = f"{base}/{EndSessionEndpoint.url}"
        delivery = self.session_settings.delivery
        for channel, is_on in (("frontchannel", delivery.frontchannel), ("backchannel", delivery.backchannel)):
            if is_on:
                info[f"{channel}_logout_supported"] = info[f"{channel}_logout_session_supported"] = True
        if self.session_settings.check_session:
            info["check_session_iframe"] = f"{base}/{CHECK_SESSION_URL}"
        return info

    def _answer_end_session(self, request: WebRequest) -> Response:
        return self.end_session_endpoint(request.parameters(), request.cookie, request.method, request.headers)
