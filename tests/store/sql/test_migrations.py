"""The tables of a SQL store are made and changed by migrations alone, and a store of another version is refused."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from oic_session_ext.errors import ConfigError, StoreUnavailable
from oic_session_ext.model import Client, Consent, EphemeralRecord
from oic_session_ext.store import migrate, open_store
from oic_session_ext.store.changes import EndOpSession, PutOpSession
from oic_session_ext.store.sql import migrations
from oic_session_ext.store.sql import sqlite as sql_sqlite
from oic_session_ext.store.sql.schema import VERSION_TABLE
from oic_session_ext.store.sql.tables import SCHEMA_VERSION, metadata
from oic_session_ext.testing.examples import NOW, example_grant, example_notice, example_op_session, example_rp_session
from tests.store.postgresql_server import PostgresqlServer

VERSION_0001 = Path(__file__).with_name("sqlite_version_0001.sql")
_VERSIONS = sqlalchemy.table(VERSION_TABLE, sqlalchemy.column("version_num"))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each engine that has tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/op.sqlite"
    postgresql: PostgresqlServer = request.getfixturevalue("postgresql")
    return postgresql.url(postgresql.new_database(is_empty=True))


@pytest.fixture
def old_url(tmp_path: Path) -> str:
    """A SQLite database of the version before migrations."""
    with closing(sqlite3.connect(tmp_path / "op.sqlite", isolation_level=None)) as connection:
        connection.executescript(VERSION_0001.read_text(encoding="utf-8"))
    return f"sqlite:///{tmp_path}/op.sqlite"


@pytest.fixture
def engine(url: str) -> Iterator[sqlalchemy.Engine]:
    engine = sqlalchemy.create_engine(url)
    yield engine
    engine.dispose()


def test_an_empty_database_gets_its_tables(url: str) -> None:
    assert migrate(url) == (None, SCHEMA_VERSION)

    store = open_store(url)
    store.ping()
    assert store.list_op_sessions(limit=10) == []
    store.close()


def test_what_is_of_this_version_is_left_as_it_is(url: str) -> None:
    migrate(url)
    store = open_store(url)
    store.commit([PutOpSession(example_op_session())])

    assert migrate(url) == (SCHEMA_VERSION, SCHEMA_VERSION)

    assert store.op_session("id-one") == example_op_session()
    store.close()


def test_the_migrations_make_the_tables_that_the_statements_are_written_for(url: str, engine: sqlalchemy.Engine) -> None:
    migrate(url)

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        differences = compare_metadata(context, metadata)

    assert differences == []


def test_the_last_migration_is_the_version_of_the_package() -> None:
    folder = Path(migrations.__path__[0])

    assert ScriptDirectory(f"{folder}").get_heads() == [SCHEMA_VERSION]
    assert len(list((folder / "versions").glob("v*.py"))) == int(SCHEMA_VERSION)


def test_texts_are_compared_byte_by_byte_on_postgresql(postgresql: PostgresqlServer) -> None:
    with postgresql.admin(postgresql.emptied_database()) as connection:
        others = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'"
        ).fetchall()

    assert others == []


def test_everything_in_a_database_of_the_first_version_is_there_after_migrating(old_url: str) -> None:
    assert migrate(old_url) == ("0001", SCHEMA_VERSION)

    store = open_store(old_url)
    shares = (example_rp_session(), example_rp_session(client_id="rp-b", created_at=NOW + 7))
    one, two = example_op_session(rp_sessions=shares), example_op_session("two", created_at=NOW - 5)
    assert store.list_op_sessions(limit=10) == [two, one]
    assert store.list_op_sessions(limit=10, client_id="rp-b", after=(NOW - 1, "")) == [one]
    assert store.grant("grant-one") == example_grant(op_session_id="id-one", sid="sid-one-rp-a")
    assert store.client("rp-a") == Client("rp-a", {"client_name": "A"}, frozenset({"https://a.example"}))
    assert store.consent("alice", "rp-a") == Consent("alice", "rp-a", frozenset({"openid"}), NOW)
    assert store.ephemeral("kind", "key", NOW) == EphemeralRecord("kind", "key", NOW + 10, {"n": 1})
    assert store.fact("name") == "value"
    assert store.fact("schema_version") is None
    assert store.lease_notices(NOW, NOW + 5, 10) == [example_notice(attempts=2, due_at=NOW + 5)]
    store.commit([EndOpSession(one)])
    assert store.grant("grant-one") is None
    store.close()


def test_a_migrated_database_is_as_a_new_one(old_url: str, tmp_path: Path) -> None:
    migrate(old_url)
    open_store(f"sqlite:///{tmp_path}/new.sqlite").close()

    assert _tables(tmp_path / "op.sqlite") == _tables(tmp_path / "new.sqlite")


def _tables(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        made = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    return [(name, " ".join((sql or "").split())) for name, sql in made]


def test_an_older_database_is_refused_until_it_is_migrated(old_url: str) -> None:
    with pytest.raises(ConfigError, match=r"version 0001, .* version 0003: run `oic-session-ext migrate` first"):
        open_store(old_url)

    migrate(old_url)
    open_store(old_url).close()


def test_an_empty_postgresql_database_is_refused_until_it_is_migrated(postgresql: PostgresqlServer) -> None:
    url = postgresql.url(postgresql.new_database(is_empty=True))

    with pytest.raises(ConfigError, match="no tables yet: run `oic-session-ext migrate` first"):
        open_store(url)

    migrate(url)
    open_store(url).close()


@pytest.mark.parametrize("version", ["0004", "1000", "", "0000", "another"])
@pytest.mark.parametrize("use", [open_store, migrate])
def test_tables_of_a_version_that_is_not_known_are_refused_and_left_alone(
    url: str, engine: sqlalchemy.Engine, version: str, use: Callable[[str], object]
) -> None:
    migrate(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.update(_VERSIONS).values(version_num=version))

    with pytest.raises(ConfigError, match=f"version {version or 'unknown'}, which this package does not know"):
        use(url)

    with engine.connect() as connection:
        assert connection.scalar(sqlalchemy.select(_VERSIONS.c.version_num)) == version


@pytest.mark.parametrize("made", ["DELETE FROM schema_version", "DROP TABLE schema_version"])
def test_tables_that_do_not_say_their_version_are_refused(url: str, engine: sqlalchemy.Engine, made: str) -> None:
    migrate(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(made))

    with pytest.raises(ConfigError, match="version unknown, which this package does not know"):
        open_store(url)


def test_a_migration_that_fails_changes_nothing(old_url: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "op.sqlite", isolation_level=None)) as connection:
        connection.execute("CREATE INDEX ix_op_sessions_created_at_id ON op_sessions (uid)")  # in the way of the last step
    before = _tables(tmp_path / "op.sqlite")

    with pytest.raises(StoreUnavailable, match="ix_op_sessions_created_at_id already exists"):
        migrate(old_url)

    assert _tables(tmp_path / "op.sqlite") == before


def test_a_migration_waits_for_its_turn(url: str) -> None:
    """Several servers may be started with a migration before each."""
    results: list[tuple[str | None, str]] = []
    threads = [threading.Thread(target=lambda: results.append(migrate(url))) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results, key=str) == [(SCHEMA_VERSION, SCHEMA_VERSION)] * 3 + [(None, SCHEMA_VERSION)]


def test_a_database_that_another_process_writes_is_migrated_later(old_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_sqlite, "_PRAGMAS", (*sql_sqlite._PRAGMAS, "PRAGMA busy_timeout = 1"))
    with closing(sqlite3.connect(tmp_path / "op.sqlite", isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreUnavailable, match="locked"):
            migrate(old_url)

    assert migrate(old_url) == ("0001", SCHEMA_VERSION)


@pytest.mark.parametrize("url", ["memory:", "redis://localhost", "mysql://h/d", ""])
def test_a_store_without_tables_has_nothing_to_migrate(url: str) -> None:
    with pytest.raises(ConfigError, match="only SQLite and PostgreSQL"):
        migrate(url)
