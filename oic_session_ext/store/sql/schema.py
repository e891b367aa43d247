"""The version of the tables of a SQL database, and their migration to the version of this package.

Only the migrations create tables, also in a new database. The table `schema_version` has the version of the last migration.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, column, inspect, select, table

from ...errors import ConfigError
from .tables import SCHEMA_VERSION

VERSION_TABLE = "schema_version"

MIGRATE_COMMAND = "oic-session-ext migrate"

_FIRST = "0001"
"""The version before migrations existed; its tables recorded their version as a fact."""

_MIGRATING = threading.Lock()  # alembic has one environment for the whole process


class Migrated(NamedTuple):
    """The version of the tables before and after; `before` is None if there were no tables."""

    before: str | None
    after: str


def has_tables(connection: Connection) -> bool:
    """Return whether the database has this package's tables, of any version."""
    return _version(connection) is not None


def check_tables(connection: Connection) -> None:
    """Verify that the tables have this package's version.

    Raises: ConfigError: they have another version, or there are none; the message has the command to run.
    """
    version = _version(connection)
    if version is None:
        raise ConfigError("store", f"the database has no tables yet: run `{MIGRATE_COMMAND}` first")
    _refuse_newer(version)
    if version != SCHEMA_VERSION:
        problem = f"its tables have version {version}, this package works with version {SCHEMA_VERSION}"
        raise ConfigError("store", f"{problem}: run `{MIGRATE_COMMAND}` first")


def migrate_tables(connection: Connection) -> Migrated:
    """Upgrade the tables to this package's version, in the connection's current transaction.

    Raises: ConfigError: they are of a version that this package does not know.
    """
    version = _version(connection)
    if version is not None:
        _refuse_newer(version)
    if version != SCHEMA_VERSION:
        _run_migrations(connection, version)
    return Migrated(version, SCHEMA_VERSION)


def _version(connection: Connection) -> str | None:
    """Return the version of the tables; None if there are none, "unknown" if no version is recorded."""
    names = inspect(connection).get_table_names()
    if VERSION_TABLE in names:
        return connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE))) or "unknown"
    if "facts" not in names:
        return None
    facts = table("facts", column("name"), column("value"))
    version = connection.scalar(select(facts.c.value).where(facts.c.name == "schema_version"))
    return _FIRST if version == "1" else version or "unknown"


def _refuse_newer(version: str) -> None:
    if not _FIRST <= version <= SCHEMA_VERSION:
        problem = f"its tables have version {version}, which this package does not know; it works with version {SCHEMA_VERSION}"
        raise ConfigError("store", f"{problem}: use the version of the package that created them, or a later one")


def _run_migrations(connection: Connection, version: str | None) -> None:
    from alembic import command  # noqa: PLC0415 -- slow to load and seldom needed
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = VERSION_TABLE
    with _MIGRATING:
        if version == _FIRST:
            command.stamp(config, _FIRST)
        command.upgrade(config, SCHEMA_VERSION)
