"""Runs `examples/fault_rp` as its own process: any number of RPs that misbehave as a test says, and what they were sent."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.examples.rp_process import free_port, wait_until_it_answers

FAULT_RP = Path(__file__).resolve().parents[2] / "examples" / "fault_rp" / "fault_rp.py"


@dataclass(frozen=True)
class FaultRpProcess:
    """A running fault RP. Addresses have 127.0.0.1, so that no look-up of `localhost` is measured with them."""

    base_url: str
    refused_url: str
    pid: int

    def uri(self, fault: str, rp: str = "rp", endpoint: str = "backchannel_logout") -> str:
        """The logout URI of one RP that has a fault of `examples/fault_rp/README.md`, or `refused`."""
        if fault == "refused":
            return f"{self.refused_url}/fault/ok/{rp}/{endpoint}"
        return f"{self.base_url}/fault/{fault}/{rp}/{endpoint}"

    def received(self, fault: str = "", rp: str = "") -> list[dict[str, Any]]:
        """What came to the RPs with a fault, or to one of them, in order."""
        return self._get("/received", _path(fault, rp))

    def summary(self, fault: str = "", rp: str = "") -> dict[str, dict[str, Any]]:
        """The same, counted by path: `requests`, `different_jti`, `first_at`, `last_at`."""
        return self._get("/received/summary", _path(fault, rp))

    def forget(self) -> None:
        """Be as new: nothing received, every fault as its path says. A refused port that listens by now goes on listening."""
        for path in ("/received", "/control"):
            requests.delete(self.base_url + path, timeout=10).raise_for_status()

    def change(self, fault: str, to: str, rp: str = "") -> None:
        """Let the RPs with a fault, or one of them, behave otherwise from now on: `ok` is recovery."""
        requests.post(self.base_url + "/control", params={"path": _path(fault, rp), "as": to}, timeout=10).raise_for_status()

    def listen_on_the_refused_port(self) -> None:
        """Let connections to `uri("refused")` be served from now on."""
        requests.post(self.base_url + "/control/listen", timeout=10).raise_for_status()

    def _get(self, command: str, path: str) -> Any:
        return requests.get(self.base_url + command, params={"path": path}, timeout=30).json()


def _path(fault: str, rp: str) -> str:
    return "/".join(part for part in ("/fault", fault, rp) if part)


@contextmanager
def serving_fault_rp(*extra: str) -> Iterator[FaultRpProcess]:
    """Start a fault RP on free ports; it is ended afterwards."""
    port, refused_port = free_port(), free_port()
    command = [sys.executable, str(FAULT_RP), "--port", str(port), "--refused-port", str(refused_port), *extra]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}/")
        yield FaultRpProcess(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{refused_port}", process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
