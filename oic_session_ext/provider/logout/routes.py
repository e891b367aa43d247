"""The routes that session management adds to an OP, for any WSGI framework: each is a small WSGI application."""

from __future__ import annotations

from typing import Any

from oic.utils.http_util import Response

from ..parts import ASSETS_URL, OpParts
from ..request.web_request import Route, WebRequest
from .check_session import CHECK_SESSION_STATUS_URL, CHECK_SESSION_URL, CheckSessionEndpoint
from .end_session import END_SESSION_URL


def session_routes(parts: OpParts, check_session: CheckSessionEndpoint) -> list[Route]:
    """Return the routes to mount beside the OP's own: end-session, check-session and the pages' assets."""
    base = parts.base_path

    def end_session(request: WebRequest) -> Response:
        response: Response = parts.op.end_session_endpoint(request.parameters(), request.cookie, request.method, request.headers)
        return response

    routes = [
        Route("end_session", f"{base}/{END_SESSION_URL}", ("GET", "POST"), end_session, parts.error_page),
        Route("session_assets", f"{base}/{ASSETS_URL}/", ("GET",), check_session.asset),
    ]
    if parts.settings.check_session:
        routes.append(Route("check_session_iframe", f"{base}/{CHECK_SESSION_URL}", ("GET",), check_session.iframe))
    if check_session.answers_without_cookies:
        routes.append(Route("check_session_status", f"{base}/{CHECK_SESSION_STATUS_URL}", ("POST",), check_session.status))
    return routes


def add_logout_metadata(parts: OpParts, info: Any) -> Any:
    """Return the provider's metadata with what session management adds (OIDCSM-3.3, OIDCRIL-2.1, OIDCFCL-3, OIDCBCL-2.1)."""
    info["end_session_endpoint"] = parts.endpoint_uri(END_SESSION_URL)
    delivery = parts.settings.delivery
    for channel, is_on in (("frontchannel", delivery.frontchannel), ("backchannel", delivery.backchannel)):
        if is_on:
            info[f"{channel}_logout_supported"] = info[f"{channel}_logout_session_supported"] = True
    if parts.settings.check_session:
        info["check_session_iframe"] = parts.endpoint_uri(CHECK_SESSION_URL)
    return info
