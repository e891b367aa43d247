"""RPs on this machine that answer a Logout Token only when all of them have one, or their patience ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class SlowRps:
    """What the RPs have seen: `most` is how many were being told at one time."""

    number: int
    patience_s: float
    uris: list[str] = field(default_factory=list)
    now: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    all_told: threading.Event = field(default_factory=threading.Event)

    def hear(self) -> None:
        """Hold one Logout Token until all RPs have theirs."""
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            if self.now == self.number:
                self.all_told.set()
        self.all_told.wait(self.patience_s)
        with self.lock:
            self.now -= 1


@contextmanager
def slow_rps(number: int, patience_s: float) -> Iterator[SlowRps]:
    """Serve so many RPs, each under a path of its own, until the end of the block."""
    rps = SlowRps(number, patience_s)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            rps.hear()
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the parent's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    rps.uris = [f"http://127.0.0.1:{server.server_port}/rp-{i}" for i in range(number)]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield rps
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
