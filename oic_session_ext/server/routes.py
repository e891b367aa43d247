"""The table of the bundled server's protocol endpoints: path, methods, who answers, how an error looks.

Each is plain WSGI, grafted under CherryPy: its dispatch would cost more than the work itself
(docs/adr/0006-protocol-routes-are-plain-wsgi.md).
"""

from __future__ import annotations

from functools import partial

from oic.utils.http_util import Response

from ..provider import Route, WebRequest
from ..provider.clients.endpoint import INTROSPECTION_URL, REVOCATION_URL, SESSION_STATUS_URL
from .config.settings import ServerSettings
from .http.cors import with_cors
from .op import BundledProvider
from .operations.health import Health
from .registration.endpoint import REGISTRATION_URL, Registration

_MANAGEMENT = ("GET", "POST", "PUT", "DELETE")


def protocol_routes(op: BundledProvider, settings: ServerSettings) -> list[Route]:
    """Return every route that is not a page of the login."""
    base, parts = op.base_path, op.session_management

    health = Health(parts.session_store)
    json_route = partial(Route, refuse=parts.refuse_as_json)
    callable_by_scripts = [
        json_route("discovery", f"{base}/.well-known/openid-configuration", ("GET",), lambda _: op.providerinfo_endpoint()),
        json_route("jwks", f"{base}/jwks.json", ("GET",), lambda _: parts.discovery.jwks()),
        json_route("token", f"{base}/token", ("POST",), lambda request: _token(op, request)),
        json_route("revocation", f"{base}/{REVOCATION_URL}", ("POST",), lambda request: _revocation(op, request)),
        json_route("userinfo", f"{base}/userinfo", ("GET", "POST"), lambda request: _userinfo(op, request)),
    ]
    routes = [
        Route(
            "authorization",
            f"{base}/authorization",
            ("GET", "POST"),
            lambda request: _authorization(op, request),
            parts.error_page,
        ),
        *(with_cors(route, op.server_clients.is_origin) for route in callable_by_scripts),
        json_route("introspection", f"{base}/{INTROSPECTION_URL}", ("POST",), lambda request: _introspection(op, request)),
        *op.session_routes(),
        json_route("live", f"{base}/health/live", ("GET",), health.live),
        json_route("ready", f"{base}/health/ready", ("GET",), health.ready),
    ]
    if settings.session_management.status:
        routes.append(json_route("session_status", f"{base}/{SESSION_STATUS_URL}", ("POST",), lambda request: _session_status(op, request)))
    if settings.registration.mode != "off":
        registration = json_route("registration", f"{base}/{REGISTRATION_URL}", _MANAGEMENT, Registration(op, settings.registration).answer)
        routes.append(with_cors(registration, op.server_clients.is_origin))
    return routes


def _authorization(op: BundledProvider, request: WebRequest) -> Response:
    return op.authorization_endpoint(request.parameters(), request.cookie, request.headers)


def _token(op: BundledProvider, request: WebRequest) -> Response:
    return op.token_endpoint(request.parameters(), request.headers.get("authorization"))


def _revocation(op: BundledProvider, request: WebRequest) -> Response:
    return op.session_management.revocation.answer(request.parameters(), request.headers.get("authorization"))


def _introspection(op: BundledProvider, request: WebRequest) -> Response:
    return op.session_management.introspection.answer(request.parameters(), request.headers.get("authorization"))


def _session_status(op: BundledProvider, request: WebRequest) -> Response:
    return op.session_management.session_status.answer(request.parameters(), request.headers.get("authorization"))


def _userinfo(op: BundledProvider, request: WebRequest) -> Response:
    form = request.parameters() if request.method == "POST" and request.body else ""
    return op.userinfo_endpoint(form, authn=request.headers.get("authorization"))
