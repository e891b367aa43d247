"""Where sessions, grants, clients, consents and notices are kept: one contract, several engines."""

from __future__ import annotations

from pathlib import Path

from ..errors import ConfigError
from .base import Store

_SQLITE = "sqlite:///"
_REDIS = ("redis://", "rediss://", "unix://")


def open_store(url: str) -> Store:
    """Open the store that a URL names: `memory:` (gone when the process ends) or `sqlite:///PATH`.

    A process that forks opens it afterwards, in each child: connections are not carried over.

    Raises:
        ConfigError: the URL names no engine, or the engine refuses what is there.
        StoreUnavailable: the database cannot be read or written now.
    """
    path = url.removeprefix(_SQLITE)
    if url == "memory:":
        from .memory import MemoryStore  # each engine is imported only where it is used, and what it needs with it

        return MemoryStore()
    if path != url and path and path != ":memory:" and "?" not in path:
        from .sql_sqlite import open_sqlite_store

        return open_sqlite_store(Path(path))
    if url.startswith(_REDIS):
        from .redis import open_redis_store

        return open_redis_store(url)
    raise ConfigError("store", "must be memory: or sqlite:///PATH, such as sqlite:///var/op.sqlite")
