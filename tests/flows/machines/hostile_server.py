"""The server that hostile requests go to: everything switched on, in a process of its own, and a port that it must never call."""

from __future__ import annotations

import secrets
import socket
import threading
from pathlib import Path
from typing import Any, Self

from tests.bundled_op import CLIENTS, OpBrowser
from tests.flows.machines.hostile_flows import PASSWORDS, REQUEST_JWKS
from tests.flows.machines.running_op import RunningOp

ABUSED = "abused"
"""The user whose password is guessed."""


_MORE: dict[str, dict[str, Any]] = {
    "asking": {"introspection": "any", "frontchannel_logout_uri": "https://asking.example.com/out-of-sight", "jwks": REQUEST_JWKS},
    "spa": {"backchannel_logout_uri": "https://spa.example.com/told"},  # of no address: it is never told, and tried again and again
}


class HostileServer:
    """A running OP; `trap` is a port on this machine that registrations, requests and tokens name for the OP to be sent to."""

    def __init__(self, folder: Path, socket_timeout_s: int = 10, **changes: Any) -> None:
        self.metrics_token = secrets.token_hex(20)
        (folder / "metrics").write_text(self.metrics_token)
        users = [{"username": name, "password": password} for name, password in (PASSWORDS | {ABUSED: "password of the abused"}).items()]
        self.op = RunningOp(
            folder,
            users=users,
            clients=[client | _MORE.get(client["client_id"], {}) for client in CLIENTS],
            login={"cheap_passwords_for_benchmarks": True, "throttle": {"window": "60s"}},
            registration={"mode": "open"},
            session_management={"status": True},
            metrics={"access_token": {"file": str(folder / "metrics")}},
            tokens={"refresh_without_offline_access": True},
            logging={"format": "json", "level": "debug"},
            **changes,
        )
        proxy = {"trusted": ["127.0.0.1"]}  # so that every visitor has an address
        limits = {"socket_timeout": f"{socket_timeout_s}s"}
        self.op.configure(listen={"host": "127.0.0.1", "port": self.op.port, "proxy": proxy, "limits": limits})
        self._trap = socket.create_server(("127.0.0.1", 0))
        self.trap = int(self._trap.getsockname()[1])
        self.trapped = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch_trap, daemon=True).start()
        self.op.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._trap.close()
        self.op.close()

    @property
    def memory_mb(self) -> float:
        """The process's resident memory."""
        assert self.op.process is not None
        status = Path(f"/proc/{self.op.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def is_running(self) -> bool:
        """Tell whether the process that was started is still there."""
        return self.op.process is not None and self.op.process.poll() is None

    def browser(self, address: str) -> OpBrowser:
        """A browser behind the proxy, with an address of its own."""
        forward = self.op.browser().application
        return OpBrowser(lambda environ, start: forward(environ | {"HTTP_X_FORWARDED_FOR": address}, start), self.op.issuer)

    def _watch_trap(self) -> None:
        while True:
            try:
                self._trap.accept()[0].close()
            except OSError:
                return
            self.trapped += 1
