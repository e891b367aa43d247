"""The OP of the play: the bundled server in a process of its own, run from conf/certification.yaml with TLS of its own on SQLite.

Run as a program it is `oic-session-ext serve`, with two things of the machine replaced: the play's host names lead to this machine,
and the clock is ahead by what a file says, so that nobody has to wait for time to pass.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection, HTTPSConnection, RemoteDisconnected
from pathlib import Path
from typing import Any

import argon2

from oic_session_ext.server.config.yaml_document import read_yaml
from tests.certification.throwaway_ca import ThrowawayCa
from tests.flows.machines.running_op import ROOT, RunningOp
from tests.wsgi_browser import Answer

OP_HOST, RP_HOST = "op.test", "rp.test"
PASSWORD = "certification"
_CLOCK_FILE = "CERTIFICATION_CLOCK_AHEAD"


class OpProcess(RunningOp):
    """The server process and its clock."""

    def __init__(self, folder: Path, ca: ThrowawayCa) -> None:
        self._tls = ca.client_context()
        self._connection: HTTPConnection | None = None
        self._clock_file = folder / "clock_ahead"
        self._clock_file.write_text("0")
        super().__init__(folder)
        self.issuer = f"https://{OP_HOST}:{self.port}"
        sample = read_yaml((ROOT / "conf" / "certification.yaml").read_bytes()).value
        for user in sample["users"]:
            user["password_hash"] = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(
                PASSWORD
            )  # the play signs in often
        sample["issuer"], sample["store"] = self.issuer, self.settings["store"]
        tls = {"certificate": str(ca.certificate), "key": str(ca.key)}
        sample["listen"] = {"host": "127.0.0.1", "port": self.port, "tls": tls}
        sample["logout"] = {"backchannel": {"allow_networks": ["127.0.0.0/8"], "ca_file": str(ca.ca_file)}}
        self.settings.clear()
        self.configure(**sample)

    @property
    def settings_file(self) -> Path:
        """What operators' commands are given."""
        return self._file

    def launch(self) -> None:
        self._starts += 1
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", _CLOCK_FILE: str(self._clock_file)}
        with self._log.open("ab") as log:
            process: Any = subprocess.Popen([sys.executable, __file__, str(self._file)], stdout=log, stderr=log, env=environment)
        self.process = process

    def now(self) -> int:
        """The time at the OP, in seconds since 1970."""
        return int(time.time()) + int(self._clock_file.read_text())

    def let_time_pass(self, seconds: int) -> None:
        """Set the OP's clock ahead."""
        self._clock_file.write_text(str(int(self._clock_file.read_text()) + seconds))

    def reread(self) -> None:
        """Have it read its secrets and keys again, as a supervisor's reload does."""
        self._running().send_signal(signal.SIGHUP)

    def ask(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Send a request, over one connection that is kept: handshakes would be most of the play's work."""
        for is_fresh in (self._connection is None, True):
            if self._connection is None:
                self._connection = self._http_connection()
            try:
                self._connection.request(method, target, body or None, headers)
                response = self._connection.getresponse()
                return Answer(response.status, response.getheaders(), response.read())
            except (RemoteDisconnected, ConnectionError):  # it was kept for too long
                self.hang_up()
                if is_fresh:
                    raise
        raise AssertionError

    def hang_up(self) -> None:
        """End the connection that is kept."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        self.hang_up()
        super().close()

    def _http_connection(self) -> HTTPConnection:
        return LoopbackHttps(OP_HOST, self.port, self._tls)


class LoopbackHttps(HTTPSConnection):
    """HTTPS to a host that is this machine, whatever its name resolves to."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=20, context=context)
        self._create_connection: Callable[..., socket.socket] = partial(_connect, port)


def _connect(port: int, *_: Any, **__: Any) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def _serve(settings_file: Path, clock_file: Path) -> None:
    from oic_session_ext.server.config.loader import load_settings
    from oic_session_ext.server.run import serve as serving

    resolve = socket.getaddrinfo
    ahead = 0

    def resolve_here(host: Any, *args: Any, **kwargs: Any) -> Any:
        return resolve("127.0.0.1" if host in (OP_HOST, RP_HOST) else host, *args, **kwargs)

    def clock() -> int:
        nonlocal ahead
        with contextlib.suppress(ValueError):  # it is being written at this moment
            ahead = int(clock_file.read_text())
        return int(time.time()) + ahead

    socket.getaddrinfo = resolve_here
    names = vars(serving)
    names["build_server"] = partial(names["build_server"], clock=clock)
    serving.serve(load_settings(settings_file))


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), Path(os.environ[_CLOCK_FILE]))
