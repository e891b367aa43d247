"""Whoever listens on a port, as the WSGI application that a test's browser asks."""

from __future__ import annotations

from collections.abc import Iterable
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

from tests.wsgi_browser import WsgiApplication


def forward_to(port: int) -> WsgiApplication:
    """A WSGI application that asks whoever listens on a port of this machine, so that `Browser` can talk to it."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
        headers |= {name.replace("_", "-"): environ[name] for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if name in environ}
        target = quote(environ["PATH_INFO"].encode("latin-1")) + (f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else "")
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request(environ["REQUEST_METHOD"], target, environ["wsgi.input"].read() or None, headers)
            response = connection.getresponse()
            start_response(f"{response.status} {response.reason or '-'}", response.getheaders())
            return [response.read()]
        finally:
            connection.close()

    return application
