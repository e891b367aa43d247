"""Runs `examples/rp/app.py` as its own process, the way an author of an RP would, and ends it again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

RP_APP = Path(__file__).resolve().parents[2] / "examples" / "rp" / "app.py"


def free_port() -> int:
    """A TCP port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving_rp(issuer: str, *extra: str, name: str = "RP A", client_id: str = "client a") -> Iterator[str]:
    """Start an RP for `issuer` on a free port; gives its base URL once it answers."""
    base_url = f"http://localhost:{(port := free_port())}"
    command = [sys.executable, str(RP_APP), "--name", name, "--port", str(port), "--issuer", issuer, "--client-id", client_id, *extra]
    process = subprocess.Popen(command, env={**os.environ, "RP_CLIENT_SECRET": "s3cret+%"}, start_new_session=True)
    try:
        wait_until_it_answers(base_url + "/")
        yield base_url
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def wait_until_it_answers(url: str, timeout_s: float = 20) -> None:
    """Return once `url` answers 200; raises `TimeoutError` when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            if requests.get(url, timeout=1).status_code == 200:
                return
        except requests.RequestException:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"{url} does not answer")
