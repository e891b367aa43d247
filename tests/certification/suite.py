"""The suite's own server, https://rp.test:PORT: every address that a client registers, all of whose visitors are written down."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.certification.op_process import RP_HOST
from tests.certification.throwaway_ca import ThrowawayCa

_PATIENCE_S = 30


@dataclass(frozen=True, slots=True)
class Visit:
    """A request that came: from the user's browser or from the OP."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: str

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """What came in the query, or in the form of a POST."""
        return parse_qsl(self.body if self.method == "POST" else self.query, keep_blank_values=True, strict_parsing=False)


@dataclass
class _Content:
    body: Callable[[], bytes]
    media_type: str


@dataclass
class Suite:
    """Serves what it is given by path, everything else with an empty page."""

    http: ThreadingHTTPServer
    origin: str
    visits: list[Visit] = field(default_factory=list)
    contents: dict[str, _Content] = field(default_factory=dict)

    @classmethod
    def start(cls, ca: ThrowawayCa) -> Suite:
        """Begin to serve on a free port."""
        http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        http.daemon_threads = True
        # the handshake is left to the thread of the connection
        http.socket = ca.server_context().wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
        suite = cls(http, f"https://{RP_HOST}:{http.server_port}")
        http.RequestHandlerClass = type("Handler", (_Handler,), {"suite": suite})
        threading.Thread(target=http.serve_forever, daemon=True).start()
        return suite

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"{self.origin}/{path}"

    def serve_json(self, path: str, value: Callable[[], Any]) -> str:
        """Answer a path with what `value` says each time; return its address."""
        self.contents[f"/{path}"] = _Content(lambda: json.dumps(value()).encode(), "application/json")
        return self.url(path)

    def serve(self, path: str, text: str, media_type: str) -> str:
        """Answer a path with a text; return its address."""
        self.contents[f"/{path}"] = _Content(text.encode, media_type)
        return self.url(path)

    def visits_of(self, path: str) -> list[Visit]:
        """Every visit of a path so far."""
        return [visit for visit in self.visits if visit.path == f"/{path}"]

    def visit_of(self, path: str) -> Visit:
        """The one visit of a path, which may be still to come."""
        give_up_at = time.monotonic() + _PATIENCE_S
        while not (found := self.visits_of(path)):
            assert time.monotonic() < give_up_at, f"nobody came to {path}"
            time.sleep(0.02)
        assert len(found) == 1, found
        return found[0]

    def close(self) -> None:
        """Stop serving."""
        self.http.shutdown()
        self.http.server_close()


class _Handler(BaseHTTPRequestHandler):
    suite: Suite
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        self._answer("")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())

    def _answer(self, body: str) -> None:
        target = urlsplit(self.path)
        self.suite.visits.append(Visit(self.command, target.path, target.query, dict(self.headers), body))
        content = self.suite.contents.get(target.path) or _Content(lambda: b"<!doctype html><link rel=icon href=data:,>", "text/html")
        sent = content.body()
        self.send_response(200)
        self.send_header("Content-Type", content.media_type)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
