"""The OP under other people's HTTP servers, two processes each: whichever takes a request, it is the same OP."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundled_op import CLIENTS, OUT_URIS, PASSWORDS, OpBrowser
from tests.flows.machines.forward import forward_to
from tests.flows.machines.running_op import ROOT

TARGET = "oic_session_ext.server.run.wsgi:application"


class WsgiServer:
    """A server program that runs; `log` is what it and its processes wrote."""

    def __init__(self, program: str, folder: Path, keys_file: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.issuer = f"http://localhost:{self.port}"
        self._log = folder / "log"
        (folder / "op.yaml").write_text(
            json.dumps(
                {
                    "issuer": self.issuer,
                    "store": f"sqlite:///{folder / 'op.sqlite'}",
                    "keys": keys_file,
                    "login": {"cheap_passwords_for_benchmarks": True},
                    "users": [{"username": name, "password": password} for name, password in PASSWORDS.items()],
                    "clients": CLIENTS,
                }
            )
        )
        commands = {
            # loaded before the processes are forked: what it opened then, they could not use
            "gunicorn": ["gunicorn", "--preload", "--workers", "2", "--threads", "4", "--bind", f"127.0.0.1:{self.port}", TARGET],
            "granian": ["granian", "--interface", "wsgi", "--workers", "2", "--port", str(self.port), TARGET],
        }
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OIC_SESSION_EXT_CONFIG": str(folder / "op.yaml")}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([sys.executable, "-m", *commands[program]], stdout=log, stderr=log, env=environment)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def browser(self) -> OpBrowser:
        return OpBrowser(forward_to(self.port), self.issuer)

    def wait(self) -> None:
        """Return when both processes have served."""
        give_up_at = time.monotonic() + 60
        while len(set(re.findall(r"in process (\d+)", self.log))) < 2:
            assert self._process.poll() is None, self.log
            assert time.monotonic() < give_up_at, self.log
            try:
                self.browser().get("/health/ready")
            except OSError:
                time.sleep(0.1)

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(40)

    def close(self) -> None:
        if self._process.poll() is None:
            self.stop()


@pytest.fixture(params=["gunicorn", "granian"])
def server(request: pytest.FixtureRequest, tmp_path: Path, keys_file: str) -> Iterator[WsgiServer]:
    server = WsgiServer(request.param, tmp_path, keys_file)
    yield server
    server.close()


def test_two_processes_are_one_op_and_stop_when_told(server: WsgiServer) -> None:
    server.wait()
    for _ in range(5):
        browser = server.browser()
        tokens = browser.sign_in("web")
        assert all(browser.is_signed_in("spa") for _ in range(4))
        assert browser.userinfo(tokens["access_token"]).status == 200
        browser.end_session(id_token_hint=tokens["id_token"], post_logout_redirect_uri=OUT_URIS["web"])
        assert not any(browser.is_signed_in("web") for _ in range(4))

    assert server.stop() == 0
    assert "Traceback" not in server.log
    assert tokens["id_token"] not in server.log
