"""A Redis server of the tests' own: on a socket in a folder that is nobody else's, durable, started and stopped at will."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import BusyLoadingError, ConnectionError  # noqa: A004 -- the driver's

PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


class RedisServer:
    """A server with its socket and its data in `folder`; `url` names a store on it."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.folder = folder
        self._socket = folder / "redis.sock"
        self._command = [f"{PROGRAM}", "--port", "0", "--unixsocket", f"{self._socket}", "--dir", f"{folder}", "--save", "", *settings]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"
        self.admin = Redis(unix_socket_path=f"{self._socket}")

    @property
    def pid(self) -> int:
        """The process that runs now."""
        assert self._process is not None
        return self._process.pid

    def start(self, within_s: float = 30) -> None:
        """Start and wait until it answers, which it does once it has read its data."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + within_s
        while True:
            try:
                self.admin.ping()
                return
            except (ConnectionError, BusyLoadingError):
                assert self._process.poll() is None, "the server ended as it started"
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.01)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait until it is gone; SIGKILL leaves it no time for anything."""
        if self._process is not None:
            self.admin.close()
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def pause(self) -> None:
        """Let it answer nobody."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def redis_program_or_skip() -> None:
    """Skip a test where the program is missing; in CI it fails."""
    if PROGRAM is None:
        missing = "redis-server is not installed (Debian/Ubuntu: apt-get install redis-server)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)


@contextmanager
def running_redis(*settings: str) -> Iterator[RedisServer]:
    """Give a server that runs; without the program the test is skipped, in CI (CI=true) it fails."""
    redis_program_or_skip()
    # not pytest's own folder: a socket's path may have about a hundred letters only
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = RedisServer(Path(folder), *settings)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGKILL)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Give a durable server that the tests of a run share; each empties it first."""
    with running_redis(*DURABLE) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Give the URL of an empty store."""
    redis_server.admin.flushall()
    return redis_server.url
