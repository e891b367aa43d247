"""One HTTP request and one route, as WSGI gives them: the same for the bundled server and for any other framework."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from oic.utils.http_util import Response

from ...errors import InvalidRequest, ProtocolError, ServerFault, StoreError
from ...web.parameters import MAX_REQUEST_BYTES
from .responses import RawResponse, json_response, retry_after, unavailable

logger = logging.getLogger("oic_session_ext")

_FORM = "application/x-www-form-urlencoded"
_MAX_DIGITS = 12
"""Python refuses to make a number of a text with thousands of digits."""


@dataclass(frozen=True, slots=True)
class WebRequest:
    """A request: method, path, query string, body as text, headers by lower-case name, and the peer's address."""

    method: str
    path: str
    query: str
    body: str
    headers: Mapping[str, str]
    remote: str = ""

    @classmethod
    def from_environ(cls, environ: Mapping[str, Any]) -> WebRequest:
        """Read a request.

        Raises: InvalidRequest: the body is too large (413), not UTF-8, or of no known length.
        """
        headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
        if environ.get("CONTENT_TYPE"):
            headers["content-type"] = environ["CONTENT_TYPE"]
        method = environ["REQUEST_METHOD"]
        return cls(
            method=method,
            path=environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""),
            query=environ.get("QUERY_STRING", ""),
            body=_read_body(environ) if method in ("POST", "PUT", "PATCH") else "",
            headers=headers,
            remote=environ.get("REMOTE_ADDR", ""),
        )

    @property
    def cookie(self) -> str | None:
        """The Cookie header, None when there is none."""
        return self.headers.get("cookie")

    def parameters(self) -> str:
        """Return the query of a GET, the form of a POST.

        Raises: InvalidRequest: a POST whose body is not a form (415).
        """
        if self.method != "POST":
            return self.query
        if self.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            raise InvalidRequest("the body must be a form", status=415)
        return self.body


def _read_body(environ: Mapping[str, Any]) -> str:
    length = environ.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()) or (length == "0" and environ.get("HTTP_TRANSFER_ENCODING")):
        raise InvalidRequest("the length of the body is unknown", status=411)
    if len(length) > _MAX_DIGITS or int(length) > MAX_REQUEST_BYTES:
        raise InvalidRequest("the request is too long", status=413)
    try:
        return str(environ["wsgi.input"].read(int(length)).decode("utf-8"))
    except UnicodeDecodeError as err:
        raise InvalidRequest("the request is not valid UTF-8") from err


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint under one path (a path that ends in `/` stands for all below it); callable as a WSGI application.

    `answer` takes a `WebRequest` and returns a response; `refuse` turns an error that it raises into one.
    """

    name: str
    path: str
    methods: tuple[str, ...]
    answer: Callable[[WebRequest], Response]
    refuse: Callable[[ProtocolError], Response] = lambda error: json_response(
        {"error": error.error, "error_description": error.description}, error.status, retry_after(error)
    )

    def matches(self, path: str) -> bool:
        """Return whether this route answers under a path."""
        return path == self.path or (self.path.endswith("/") and path.startswith(self.path))

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a WSGI request; a method that the route does not have gets a 405."""
        response = self.respond(environ)
        if isinstance(response, RawResponse) and response.status_code not in (204, 304):  # these have no body to measure
            response.headers.append(("Content-Length", str(len(response.message))))
        body = list(response(environ, start_response))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else body

    def respond(self, environ: Mapping[str, Any]) -> Response:
        """Return the response to a WSGI request."""
        try:
            request = WebRequest.from_environ(environ)
        except ProtocolError as err:
            return self.refuse(err)
        return self.respond_to(request)

    def respond_to(self, request: WebRequest) -> Response:
        """Return the response to a request; whatever goes wrong is a response too, without a traceback."""
        try:
            if not self.matches(request.path):
                raise ProtocolError("there is nothing here", error="not_found", status=404)
            if request.method not in self.methods and not (request.method == "HEAD" and "GET" in self.methods):
                raise InvalidRequest("this method is not supported here", status=405)
            return self.answer(request)
        except ProtocolError as err:
            response = self.refuse(err)
            if err.status == 405:
                response.headers.append(("Allow", ", ".join(self.methods)))
            return response
        except StoreError as err:  # unreachable, or others kept changing what this request had read
            return self.refuse(unavailable(self.name, err))
        except Exception:  # the last line of defence: no traceback leaves the OP
            logger.exception("%s: unexpected", self.name)
            return self.refuse(ServerFault("something went wrong here"))


def dispatch(
    routes: Iterable[Route], otherwise: Callable[..., Iterable[bytes]]
) -> Callable[[Mapping[str, Any], Callable[..., Any]], Iterable[bytes]]:
    """Return a WSGI application that answers under the routes' paths and hands every other request on."""
    exact = {route.path: route for route in routes if not route.path.endswith("/")}
    below = [route for route in routes if route.path.endswith("/")]

    def application(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        route = exact.get(path) or next((one for one in below if one.matches(path)), None)
        return route(environ, start_response) if route is not None else otherwise(environ, start_response)

    return application
