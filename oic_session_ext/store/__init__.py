"""Storage of sessions, grants, clients, consents and notices: one contract, several engines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError
from .base import Store

if TYPE_CHECKING:
    from .sql.schema import Migrated

_SQLITE = "sqlite:///"
_POSTGRESQL = ("postgresql:", "postgresql+", "postgres:")
_REDIS = ("redis://", "rediss://", "unix://")

_ALLOWED = (
    "must be memory:, sqlite:///PATH such as sqlite:///var/op.sqlite, postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, or redis://HOST"
)


def open_store(url: str) -> Store:
    """Open the store of a URL: in memory (lost when the process ends), on SQLite, PostgreSQL, Redis or Valkey.

    The forms are `memory:`, `sqlite:///PATH`, `postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE` and
    `redis://HOST:PORT/DATABASE`. A process that forks must open the store in each child, after the fork, because
    connections cannot be inherited.

    Raises:
        ConfigError: the URL names no known engine, or the database is unsuitable, for example its tables are of an
            older version (call `migrate` first).
        StoreUnavailable: the database cannot be read or written now.
    """
    if url == "memory:":
        from .memory.engine import MemoryStore

        return MemoryStore()
    if (path := _sqlite_path(url)) is not None:
        from .sql.sqlite import open_sqlite_store

        return open_sqlite_store(path)
    if url.startswith(_POSTGRESQL):
        _need_psycopg()
        from .sql.postgresql import open_postgresql_store

        return open_postgresql_store(url)
    if url.startswith(_REDIS):
        _need_redis()
        from .redis.engine import open_redis_store

        return open_redis_store(url)
    raise ConfigError("store", _ALLOWED)


def migrate(url: str) -> Migrated:
    """Upgrade the tables of a SQL store to the version of this package, or create them.

    Servers of the previous version may run during the upgrade. If the tables are up to date, nothing is changed.

    Raises:
        ConfigError: the engine has no tables, or they are of a version that this package does not know.
        StoreUnavailable: the database cannot be read or written now; nothing was changed.
    """
    if (path := _sqlite_path(url)) is not None:
        from .sql.sqlite import migrate_sqlite

        return migrate_sqlite(path)
    if url.startswith(_POSTGRESQL):
        _need_psycopg()
        from .sql.postgresql import migrate_postgresql

        return migrate_postgresql(url)
    raise ConfigError("store", "has no tables to migrate; only SQLite and PostgreSQL do")


def _sqlite_path(url: str) -> Path | None:
    path = url.removeprefix(_SQLITE)
    return Path(path) if path not in (url, "", ":memory:") and "?" not in path else None


def _need_psycopg() -> None:
    try:
        import psycopg  # noqa: F401 -- an optional extra of this package
    except ImportError as err:
        raise ConfigError("store", "PostgreSQL needs psycopg: pip install 'oic_session_ext[postgresql]'") from err


def _need_redis() -> None:
    try:
        import redis  # noqa: F401 -- an optional extra, like psycopg
    except ImportError as err:
        raise ConfigError("store", "Redis needs redis-py: pip install 'oic_session_ext[redis]'") from err
