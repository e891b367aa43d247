"""The store engines under a bundled server, each with a server process of its own that can be ended, frozen and started again."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.store.postgresql_server import PostgresqlServer, postgresql_or_skip
from tests.store.redis_server import DURABLE, RedisServer, running_redis

NAMES = ("sqlite", "postgresql", "redis")


class Engine(ABC):
    """A store by its `url`, and the server that keeps it."""

    name: str
    url: str

    @abstractmethod
    def end(self) -> None:
        """End the server without a farewell: as after a crash of its machine."""

    @abstractmethod
    def start(self) -> None:
        """Start it again on what it has kept, and wait until it answers."""

    @abstractmethod
    def frozen(self) -> AbstractContextManager[None]:
        """Let it answer nobody, not even with a hang-up."""


class Sqlite(Engine):
    """A file; there is no server."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'op.sqlite'}"

    def end(self) -> None:
        """Do nothing."""

    def start(self) -> None:
        """Do nothing."""

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Do nothing."""
        yield


class Postgresql(Engine):
    """A database of PostgreSQL."""

    name = "postgresql"

    def __init__(self, server: PostgresqlServer) -> None:
        self.server = server
        self.url = server.url(server.new_database())

    def end(self) -> None:
        """Shut it down at once: what it was doing is mended by the next start."""
        self.server.stop(signal.SIGQUIT)

    def start(self) -> None:
        """Start it again."""
        self.server.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop it and the processes that serve its connections."""
        with self.server.paused():
            yield


class Redis(Engine):
    """A durable Redis server."""

    name = "redis"

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.url = f"{server.url}?timeout_s=2"

    def end(self) -> None:
        """Kill it."""
        self.server.stop(signal.SIGKILL)

    def start(self) -> None:
        """Start it again."""
        self.server.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop its process."""
        self.server.pause()
        try:
            yield
        finally:
            self.server.resume()


@contextmanager
def running_engine(name: str, folder: Path) -> Iterator[Engine]:
    """Give an engine with an empty store; without its program a test is skipped, in CI it fails."""
    if name == "sqlite":
        yield Sqlite(folder)
    elif name == "postgresql":
        servers = postgresql_or_skip()
        try:
            yield Postgresql(next(servers))
        finally:
            next(servers, None)
    else:
        with running_redis(*DURABLE) as server:
            yield Redis(server)
