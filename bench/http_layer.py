"""Measure HTTP servers under the same OP, while slow and idle clients hold connections: one process and ten threads each.

The bundled server is compared with waitress, gunicorn (gthread) and granian, which serve `oic_session_ext.server.run.wsgi:application`.
CPU is process time of the server and its children, so that other load on the machine counts less than in wall time.
Each server is measured once. TLS, body limits and limits per address are not measured here.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import importlib.util
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests.bundled_op import CLIENTS, PASSWORDS, OpBrowser
from tests.flows.machines.forward import forward_to

ROOT = Path(__file__).parent.parent
TARGET = "oic_session_ext.server.run.wsgi:application"
START_OF_REQUEST = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
HONEST_TIMEOUT_S = 3


def command(server: str, port: int, config: Path) -> list[str]:
    """Return the command that serves on `port`, with limits that let the servers hold all connections where they can."""
    address = f"127.0.0.1:{port}"
    return {
        "bundled": ["oic_session_ext.cli", "serve", str(config)],
        "waitress": ["waitress", f"--listen={address}", "--threads=10", "--connection-limit=5000", "--asyncore-use-poll", TARGET],
        "gunicorn": [
            "gunicorn",
            "--worker-class=gthread",
            "--threads=10",
            "--worker-connections=5000",
            "--backlog=5000",
            f"--bind={address}",
            TARGET,
        ],
        "granian": [
            "granian",
            "--interface=wsgi",
            "--workers=1",
            "--blocking-threads=10",
            "--backlog=5000",
            "--backpressure=5000",
            f"--port={port}",
            TARGET,
        ],
    }[server]


def process_tree(pid: int) -> list[int]:
    """Return the process and its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in process_tree(int(child)))]


def cpu_ms(pid: int) -> float:
    """Return the CPU time of a process and its descendants, in milliseconds."""
    ticks = sum(sum(map(int, Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[11:13])) for each in process_tree(pid))
    return ticks * 1000 / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process and its descendants."""
    return sum(int(Path(f"/proc/{each}/status").read_text().partition("VmRSS:")[2].split()[0]) for each in process_tree(pid)) / 1024


def health_ms(port: int) -> float:
    """Return how long a new connection waits for /health/live. Raises: OSError, HTTPException: no correct response in time."""
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HONEST_TIMEOUT_S)
    with contextlib.closing(connection):
        connection.request("GET", "/health/live", headers={"Host": f"localhost:{port}"})
        if connection.getresponse().status != 200:
            raise http.client.HTTPException("no 200")
    return (time.monotonic() - begun) * 1000


def honest(port: int, count: int) -> str:
    """Return median and slowest response, or how many of the requests got none; three failures end the series."""
    times: list[float] = []
    failures = 0
    while len(times) + failures < count and failures < 3:
        try:
            times.append(health_ms(port))
        except (OSError, http.client.HTTPException):
            failures += 1
    if not times:
        return f"no response ({failures} tried)"
    return f"{statistics.median(times):.1f} / {max(times):.0f} ms, {failures} failed"


class Crowd:
    """Connections of which the first `slow` send a header byte a second and the others nothing."""

    def __init__(self, port: int, slow: int, idle: int) -> None:
        self._ended = threading.Event()
        self._sockets = [self._connect(port) for _ in range(slow + idle)]
        time.sleep(1)
        self._slow = self._sockets[:slow]
        for each in self._slow:
            with contextlib.suppress(OSError):
                each.send(START_OF_REQUEST)
        self._thread = threading.Thread(target=self._trickle, daemon=True)
        self._thread.start()

    @staticmethod
    def _connect(port: int) -> socket.socket:
        made = socket.socket()
        made.setblocking(False)
        made.connect_ex(("127.0.0.1", port))
        return made

    def _trickle(self) -> None:
        while not self._ended.wait(1):
            for each in self._slow:
                with contextlib.suppress(OSError):
                    each.send(b"x")

    def close(self) -> None:
        """Close all connections."""
        self._ended.set()
        self._thread.join()
        for each in self._sockets:
            each.close()


def measure(server: str, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "op.yaml"
    settings = {
        "issuer": f"http://localhost:{port}",
        "store": f"sqlite:///{folder / 'op.sqlite'}",
        "login": {"cheap_passwords_for_benchmarks": True},
        "users": [{"username": name, "password": password} for name, password in PASSWORDS.items()],
        "clients": CLIENTS,
    }
    if server == "bundled":
        settings["listen"] = {"host": "127.0.0.1", "port": port}
    config.write_text(json.dumps(settings))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OIC_SESSION_EXT_CONFIG": str(config)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command(server, port, config)], stdout=log, stderr=log, env=environment, cwd=folder
        )
    figures: dict[str, Any] = {"server": server}
    try:
        give_up_at = time.monotonic() + 20
        while True:
            try:
                health_ms(port)
                break
            except (OSError, http.client.HTTPException):
                if time.monotonic() > give_up_at or process.poll() is not None:
                    return figures | {"error": (folder / "log").read_text()[-300:]}
                time.sleep(0.1)
        OpBrowser(forward_to(port), str(settings["issuer"])).sign_in("web")
        before = cpu_ms(process.pid)
        figures["alone"] = honest(port, args.requests)
        figures["cpu_ms_per_request"] = round((cpu_ms(process.pid) - before) / args.requests, 2)
        for kind, slow, idle in (("idle", 0, args.clients), ("slow", args.clients, 0)):
            crowd = Crowd(port, slow, idle)
            figures[kind] = honest(port, 30)
            figures[f"memory_mb_{kind}"] = round(memory_mb(process.pid))
            crowd.close()
            time.sleep(0.5)
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        figures["exit_status"] = process.wait(15)
        figures["stop_s"] = round(time.monotonic() - begun, 1)
    except subprocess.TimeoutExpired:
        figures["stop_s"] = "not within 15 s"
    finally:
        if process.poll() is None:
            for each in process_tree(process.pid):
                os.kill(each, signal.SIGKILL)
            process.wait()
    return figures


def main() -> None:
    """Print a line of JSON per server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", nargs="+", default=["bundled", "waitress", "gunicorn", "granian"])
    parser.add_argument("--clients", type=int, default=2000, help="how many slow, then how many idle clients hold a connection")
    parser.add_argument("--requests", type=int, default=300, help="requests over which CPU is measured, with no other client")
    args = parser.parse_args()
    for server in args.servers:
        if server != "bundled" and importlib.util.find_spec(server) is None:
            print(json.dumps({"server": server, "error": "not installed"}))
            continue
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(server, Path(folder), args)), flush=True)


if __name__ == "__main__":
    main()
