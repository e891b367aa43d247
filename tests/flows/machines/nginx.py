"""nginx of the tests' own: the site of `examples/cluster/nginx.conf`, on a free port, in front of the servers of a test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.flows.machines.running_op import ROOT

_SITE = ROOT / "examples" / "cluster" / "nginx.conf"


def nginx_or_skip() -> str:
    """Return the program; without it a test is skipped, in CI it fails."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")  # Debian's place is in no user's PATH
    if found is None:
        missing = "nginx is not installed (Debian/Ubuntu: apt-get install nginx)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


class Nginx:
    """A load balancer that is not sticky; `taken` says which server answered each request, in order."""

    def __init__(self, folder: Path) -> None:
        self._program = nginx_or_skip()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def start(self, ports: list[int]) -> None:
        """Start it before two servers on this machine, and wait until it listens."""
        site = _SITE.read_text().replace("listen 8090", f"listen 127.0.0.1:{self.port}")
        for name, port in zip(("op-one", "op-other"), ports, strict=True):
            site = site.replace(f"{name}:8080", f"127.0.0.1:{port}")
        site = site.replace("access_log off;", "access_log taken only_upstream;")
        (self._folder / "nginx.conf").write_text(
            "daemon off;\npid nginx.pid;\nerror_log nginx.log;\nevents {}\nhttp {\nlog_format only_upstream $upstream_addr;\n"
            + "".join(f"{kind}_temp_path temporary-{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            + site
            + "}\n"
        )
        log = f"{self._folder / 'nginx.log'}"
        self._process = subprocess.Popen([self._program, "-e", log, "-p", f"{self._folder}/", "-c", f"{self._folder / 'nginx.conf'}"])
        give_up_at = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except OSError:
                assert self._process.poll() is None, Path(log).read_text()
                assert time.monotonic() < give_up_at, "nginx does not listen"
                time.sleep(0.02)

    @property
    def taken(self) -> list[int]:
        return [int(line.rpartition(":")[2]) for line in (self._folder / "taken").read_text().splitlines()]

    def close(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)
