"""A load balancer that is not sticky: whatever comes next goes to the next server, whoever sent it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

from tests.wsgi_browser import WsgiApplication

_OF_ONE_CONNECTION = ("connection", "keep-alive", "transfer-encoding")


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


class RoundRobin:
    """A reverse proxy on a free port, in a thread; `ports` are the servers behind it, `taken` says which answered, in order."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.taken: list[int] = []
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: _Handler(self, *args))
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))
        self._thread.start()

    def next(self) -> int:
        """Whose turn it is."""
        with self._lock:
            self.taken.append(self.ports[len(self.taken) % len(self.ports)])
            return self.taken[-1]

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, balancer: RoundRobin, *args: Any) -> None:
        self.balancer = balancer
        super().__init__(*args)

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        connection = HTTPConnection("127.0.0.1", self.balancer.next(), timeout=20)
        try:
            forwarded = {"X-Forwarded-For": self.client_address[0], "Connection": "close"}
            connection.request(self.command, self.path, body or None, dict(self.headers) | forwarded)
            answer = connection.getresponse()
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in _OF_ONE_CONNECTION:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.read())
        finally:
            connection.close()

    do_POST = do_GET  # noqa: N815 -- the name that http.server looks for
