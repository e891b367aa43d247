"""Runs the console script in processes forked from one that has imported everything: a start costs a fork, not seconds of imports."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(  # all that takes long, but prometheus_client: it looks once where several processes count
    [
        *("oic_session_ext.cli", "oic_session_ext.provider", "oic_session_ext.store.sql.sqlite", "oic_session_ext.server.config.loader"),
        *("oic_session_ext.server.http.http_server", "oic_session_ext.server.operations.signing_keys", "beaker.middleware", __name__),
    ]
)


class PreloadedProcess:
    """A process as `subprocess.Popen` gives it, as far as tests of servers go; its output is added to a file."""

    def __init__(self, arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        log.touch()
        self._process = _CONTEXT.Process(target=_run, args=(list(arguments), f"{log}", dict(environment)), daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """Return how it ended, None while it runs; of a signal the negative number."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return how it ended, once it has. Raises: subprocess.TimeoutExpired."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("oic-session-ext", timeout or 0)
        return code

    def send_signal(self, order: int) -> None:
        """Send it a signal; nothing happens when it has ended."""
        if self.poll() is None:
            os.kill(self.pid, order)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def _run(arguments: list[str], log: str, environment: dict[str, str]) -> None:
    """Be the console script."""
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    os.environ.clear()
    os.environ.update(environment)

    from oic_session_ext.cli import main

    main(arguments, prog_name="oic-session-ext")
