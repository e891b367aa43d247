"""The pages of the login as CherryPy handlers: login, consent, front page."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

import cherrypy
from oic.utils.http_util import Response

from ..errors import ProtocolError, ServerFault, StoreError
from ..provider import Route
from ..provider.request.responses import unavailable
from .config.settings import ServerSettings
from .login.consent_page import ConsentPage
from .login.front_page import FrontPage
from .login.known_browser import KnownBrowsers
from .login.login_page import LoginPage
from .login.throttle import LoginThrottle
from .login.waiting_request import WaitingRequests
from .login.web_session import WebSession
from .op import CONSENT_URL, LOGIN_URL, BundledProvider

logger = logging.getLogger("oic_session_ext")


class LastResort:
    """The outermost of the pages' WSGI application: what fails outside of a handler is a page too, without a traceback.

    (The web session is written while the answer starts, so a store that fails then fails here.)
    """

    def __init__(self, application: Callable[..., Iterable[bytes]], op: BundledProvider) -> None:
        self._application = application
        self._parts = op.session_management

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a WSGI request."""
        started: list[tuple[str, list[tuple[str, str]]]] = []
        try:
            answer = self._application(environ, lambda status, headers, _=None: started.append((status, headers)))
            body = list(answer)
            close = getattr(answer, "close", None)
            if close is not None:
                close()
        except StoreError as err:
            return list(self._parts.error_page(unavailable("pages", err))(environ, start_response))
        except Exception:  # the last line of defence: no traceback leaves the OP
            logger.exception("pages: unexpected")
            return list(self._parts.error_page(ServerFault("something went wrong here"))(environ, start_response))
        start_response(*started[-1])
        return body


class Site:
    """The root of the CherryPy application."""

    def __init__(self, op: BundledProvider, settings: ServerSettings) -> None:
        base, parts = op.base_path, op.session_management
        throttle = LoginThrottle(parts.session_store, settings.login.throttle, parts.clock)
        browsers = KnownBrowsers(
            parts.secrets,
            f"{base}/{LOGIN_URL}",
            is_secure=settings.issuer.startswith("https:"),
            lifetime_s=settings.login.throttle.remember_browsers_s,
            clock=parts.clock,
        )
        requests = WaitingRequests(parts.secrets, parts.clock)
        login = LoginPage(op, throttle, browsers, requests, parts.clock)
        consent = ConsentPage(op, requests, parts.clock)
        front = FrontPage(op)
        methods = ("GET", "POST")
        self._parts = parts
        self._login = Route(
            "login", f"{base}/{LOGIN_URL}", methods, lambda request: login.answer(request, _web_session()), parts.error_page
        )
        self._consent = Route(
            "consent", f"{base}/{CONSENT_URL}", methods, lambda request: consent.answer(request, _web_session()), parts.error_page
        )
        self._front = Route("front_page", f"{base}/", ("GET",), front.answer, parts.error_page)

    @cherrypy.expose  # type: ignore[untyped-decorator]
    def index(self) -> bytes:
        """Answer a request for the front page, which the issuer's path leads to with and without a slash at its end."""
        cherrypy.serving.request.wsgi_environ["PATH_INFO"] = "/"
        return _send(self._front)

    @cherrypy.expose  # type: ignore[untyped-decorator]
    def login(self) -> bytes:
        """Answer a request for the login page."""
        return _send(self._login)

    @cherrypy.expose  # type: ignore[untyped-decorator]
    def consent(self) -> bytes:
        """Answer a request for the consent page."""
        return _send(self._consent)

    def error_page(self, status: str, message: str, traceback: str, version: str) -> bytes:
        """Return the page for what CherryPy itself refuses (an unknown path, for one); its own shows its version."""
        code = int(status.split(" ", 1)[0])
        error = "not_found" if code == 404 else "server_error" if code >= 500 else "invalid_request"
        description = "there is nothing here" if code == 404 else "this cannot be answered"
        response = self._parts.error_page(ProtocolError(description, error=error, status=code))
        _copy_headers(response)
        return bytes(response.message)


def take_no_parameters() -> None:
    """Keep CherryPy from handing request parameters to the handlers: they are read where they are checked."""
    cherrypy.serving.request.params = {}


def _web_session() -> WebSession:
    return WebSession(cherrypy.serving.request.wsgi_environ)


def _send(route: Route) -> bytes:
    response = route.respond(cherrypy.serving.request.wsgi_environ)
    cherrypy.serving.response.status = response.status_code
    _copy_headers(response)
    return bytes(response.message)


def _copy_headers(response: Response) -> None:
    cherrypy.serving.response.headers.pop("Server", None)  # it tells CherryPy's version
    for name, value in response.headers:
        if name.lower() == "set-cookie":
            cherrypy.serving.response.cookie.load(value)
        else:
            cherrypy.serving.response.headers[name] = value
