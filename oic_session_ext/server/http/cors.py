"""CORS for the endpoints that single-page applications call from their own origin (Fetch Standard, 3.2).

An origin is allowed if a client has a redirect URI there. Credentials are never allowed: these endpoints use no cookies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from oic.utils.http_util import Response

from ...errors import InvalidRequest
from ...provider import Route, WebRequest
from ...provider.request.responses import RawResponse

_PREFLIGHT_S = 600


def with_cors(route: Route, is_allowed: Callable[[str], bool]) -> Route:
    """Return the route with CORS for the origins for which `is_allowed` returns True."""

    def answer(request: WebRequest) -> Response:
        origin = request.headers.get("origin")
        allowed = bool(origin) and len(origin or "") <= 512 and is_allowed(origin or "")
        if request.method != "OPTIONS":
            response = route.respond_to(request)
        elif not allowed:
            response = route.refuse(InvalidRequest("no application of this origin is registered here", status=403))
        else:
            response = RawResponse(b"", 204, [])
            response.headers += [
                ("Access-Control-Allow-Methods", ", ".join(route.methods)),
                ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
                ("Access-Control-Max-Age", str(_PREFLIGHT_S)),
            ]
        response.headers.append(("Vary", "Origin"))
        if allowed:
            response.headers += [("Access-Control-Allow-Origin", origin or ""), ("Access-Control-Expose-Headers", "WWW-Authenticate")]
        return response

    return replace(route, methods=(*route.methods, "OPTIONS"), answer=answer)
