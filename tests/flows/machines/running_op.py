"""The bundled server as people run it: a process of its own on a free port, with a SQLite file that outlives it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import oic_session_ext
from tests.bundled_op import CLIENTS, PASSWORDS, OpBrowser
from tests.flows.machines.preloaded import PreloadedProcess

ROOT = Path(oic_session_ext.__file__).resolve().parents[1]
_START_S = 60


class RunningOp:
    """A server process; `stop` and `kill` end it, `start` starts it again on what it has kept."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.port = _free_port()
        self.issuer = f"http://localhost:{self.port}"
        self._log = folder / "log"
        self._file = folder / "op.yaml"
        self.settings: dict[str, Any] = {
            "issuer": self.issuer,
            "listen": {"host": "127.0.0.1", "port": self.port},
            "store": f"sqlite:///{folder / 'op.sqlite'}",
            "login": {"cheap_passwords_for_benchmarks": True},
            "users": [{"username": name, "password": password} for name, password in PASSWORDS.items()],
            "clients": CLIENTS,
        }
        self.configure(**changes)
        self.process: PreloadedProcess | None = None
        self._starts = 0

    def configure(self, **changes: Any) -> None:
        """Replace sections of its settings; what is said counts from the next start on."""
        self.settings |= changes
        self._file.write_text(json.dumps(self.settings))  # JSON is YAML

    @property
    def log(self) -> str:
        """All that it has written to standard output and error."""
        return self._log.read_text()

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.launch()
        assert self.process is not None
        give_up_at = time.monotonic() + _START_S
        while not (self._is_ready() and self.log.count("serving http") == self._starts):
            assert self.process.poll() is None, f"the server ended: {self.log}"
            assert time.monotonic() < give_up_at, f"the server does not get ready: {self.log}"
            time.sleep(0.05)

    def launch(self) -> None:
        """Start it and wait for nothing."""
        self._starts += 1
        self.process = PreloadedProcess(["serve", str(self._file)], self._log, os.environ | {"PYTHONPATH": str(ROOT)})

    def stop(self) -> int:
        """Ask it to stop, as a supervisor does; return its exit code."""
        self._running().send_signal(signal.SIGTERM)
        return self._running().wait(30)

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self._running().kill()
        self._running().wait()

    def close(self) -> None:
        """End it if it still runs."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def browser(self) -> OpBrowser:
        """A browser that has never been here."""
        return OpBrowser(self._forward, self.issuer)

    def connect(self) -> socket.socket:
        """A connection of one's own, to say on it what no HTTP client would."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def exchange(self, data: bytes) -> bytes:
        """Send bytes, return all that comes back until the server closes the connection."""
        with self.connect() as connection:
            with contextlib.suppress(OSError):  # the server may have refused and closed it already
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            return read_all(connection)

    def _http_connection(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=20)

    def _running(self) -> PreloadedProcess:
        assert self.process is not None
        return self.process

    def _is_ready(self) -> bool:
        try:
            return self.browser().get("/health/ready").status == 200
        except OSError:
            return False

    def _forward(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """A WSGI application that asks the process: so the same browser serves both."""
        headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
        headers |= {name.replace("_", "-"): environ[name] for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if name in environ}
        target = quote(environ["PATH_INFO"].encode("latin-1"))
        if environ["QUERY_STRING"]:
            target += "?" + environ["QUERY_STRING"]
        connection = self._http_connection()
        try:
            connection.request(environ["REQUEST_METHOD"], target, environ["wsgi.input"].read() or None, headers)
            response = connection.getresponse()
            body = response.read()
            start_response(f"{response.status} {response.reason or '-'}", response.getheaders())
        finally:
            connection.close()
        return [body]


def read_all(connection: socket.socket) -> bytes:
    """Return what comes until the peer closes."""
    received = b""
    while True:
        try:
            data = connection.recv(65536)
        except ConnectionResetError:
            return received
        if not data:
            return received
        received += data


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
