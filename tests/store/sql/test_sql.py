"""The SQL engine keeps the contract on SQLite, survives a restart, and says so when it cannot work."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from oic_session_ext.errors import ConfigError, Conflict, StoreUnavailable
from oic_session_ext.model import Client, Consent, EphemeralRecord
from oic_session_ext.store import open_store
from oic_session_ext.store.base import Store
from oic_session_ext.store.changes import AddRpSession, ClaimFact, EndOpSession, PutClient, PutConsent, PutEphemeral, PutGrant, PutOpSession
from oic_session_ext.store.sql import sqlite as sql_sqlite
from oic_session_ext.store.sql.engine import SqlStore
from oic_session_ext.store.sql.sqlite import SqliteConnections, open_sqlite_store
from oic_session_ext.testing.examples import NOW, example_grant, example_notice, example_op_session, example_rp_session
from oic_session_ext.testing.store_contract import StoreContract


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "op.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = open_sqlite_store(path)
    yield store
    store.close()


class TestSqliteStore(StoreContract):
    """The contract, proved of SQLite."""

    @pytest.fixture
    def store(self, path: Path) -> Iterator[Store]:
        """Give each test a database of its own."""
        store = open_sqlite_store(path)
        yield store
        store.close()


def test_everything_survives_a_restart(path: Path) -> None:
    url = f"sqlite:///{path}"
    session = example_op_session(rp_sessions=(example_rp_session(),))
    ended = example_op_session("ended")
    client = Client("rp-a", {"client_name": "A"}, frozenset({"https://a.example"}))
    consent = Consent("alice", "rp-a", frozenset({"openid", "email"}), NOW)
    record = EphemeralRecord("kind", "key", NOW + 10, {"n": 1})
    first = open_store(url)
    first.commit([PutOpSession(session), PutGrant(example_grant(op_session_id="id-one", sid="sid")), PutClient(client)])
    first.commit([PutConsent(consent), PutEphemeral(record), ClaimFact("name", "value")])
    first.commit([PutOpSession(ended), EndOpSession(ended, [example_notice()])])
    first.close()

    second = open_store(url)

    assert second.op_session_by_cookie("cookie-one") == session
    assert second.grant("grant-one") == example_grant(op_session_id="id-one", sid="sid")
    assert second.client("rp-a") == client
    assert second.consent("alice", "rp-a") == consent
    assert second.ephemeral("kind", "key", NOW) == record
    assert second.fact("name") == "value"
    assert second.notices(10) == [example_notice()]
    second.close()


def test_two_stores_on_one_file_see_each_other(store: Store, path: Path) -> None:
    other = open_sqlite_store(path)

    store.commit([PutOpSession(example_op_session())])

    assert other.op_session("id-one") == example_op_session()
    other.commit([AddRpSession("id-one", example_rp_session())])
    assert store.op_session_id_of_sid("sid-one-rp-a") == "id-one"
    other.close()


@pytest.mark.parametrize(
    "url", ["", "memory", "memory:x", "sqlite:", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///a?mode=ro", "mysql://h/d"]
)
def test_a_url_that_names_no_engine_is_refused_and_says_what_is_allowed(url: str) -> None:
    with pytest.raises(ConfigError, match=r"memory:, sqlite:///PATH"):
        open_store(url)


def test_file_and_folder_belong_to_the_op_alone(store: Store, path: Path) -> None:
    store.commit([PutOpSession(example_op_session())])

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {
        "op.sqlite": 0o600,
        "op.sqlite-wal": 0o600,
        "op.sqlite-shm": 0o600,
    }


def test_a_name_with_signs_that_mean_something_in_a_uri_is_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a %20#b.sqlite"

    open_sqlite_store(path).close()

    assert path.stat().st_size > 0


def test_each_connection_is_durable_and_checks_references(store: Store) -> None:
    connections = _connections(store)
    with connections.transaction() as cursor:
        found = {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")}

    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.mark.spec("P7")
@pytest.mark.parametrize(
    "look_up",
    [
        "op_session_by_cookie",
        "op_session",
        "op_session_id_of_sid",
        "op_sessions_of_user",
        "list_op_sessions",
        "list_op_sessions_of_client",
        "due_op_sessions",
        "release_offline_grants",
        "delete_op_session",
        "grant",
        "sweep_grants",
        "client",
        "is_client_origin",
        "consent",
        "ephemeral",
        "ephemerals",
        "sweep_ephemerals",
        "notice",
        "notices",
        "notices_of_client",
        "due_notices",
        "defer_notice",
        "defer_notices",
        "sweep_notices",
        "fact",
    ],
)
def test_rows_are_found_by_an_index(store: Store, path: Path, look_up: str) -> None:
    plan = _plan(path, getattr(cast(SqlStore, store)._statements, look_up).sql)

    assert plan
    assert not any(step.startswith("SCAN") for step in plan if not step.startswith(("SCAN picked", "SCAN given_keys"))), plan


def test_grants_are_found_by_an_index_of_each_attribute(store: Store, path: Path) -> None:
    for statement in cast(SqlStore, store)._statements.grant_ids.values():
        plan = _plan(path, statement.sql)
        assert not any(step.startswith("SCAN") for step in plan), (statement.sql, plan)


@pytest.mark.parametrize("listing", ["list_op_sessions", "list_op_sessions_of_client", "notices", "notices_of_client", "due_notices"])
def test_a_page_is_read_in_the_order_of_the_index(store: Store, path: Path, listing: str) -> None:
    """Sorting is for what was found, so it comes after the rows of the page are."""
    plan = _plan(path, getattr(cast(SqlStore, store)._statements, listing).sql)

    sorting = [step for step in plan if "TEMP B-TREE" in step]
    assert sorting == ([] if "notices" in listing else ["USE TEMP B-TREE FOR ORDER BY"])
    assert not sorting or plan[-1] == sorting[0]


def _connections(store: Store) -> SqliteConnections:
    return cast(SqliteConnections, cast(SqlStore, store)._connections)


def _plan(path: Path, sql: str) -> list[str]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?"))]


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes\n" * 100)

    with pytest.raises(ConfigError, match=r"notes\.txt is not a SQLite database"):
        open_sqlite_store(path)

    assert path.read_text() == "these are my notes\n" * 100


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be opened: Is a directory"):
        open_sqlite_store(tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "var").touch()

    with pytest.raises(ConfigError, match="cannot be opened"):
        open_sqlite_store(tmp_path / "var" / "op.sqlite")


def test_a_write_that_another_process_blocks_is_unavailable_and_works_again_afterwards(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_sqlite, "_PRAGMAS", (*sql_sqlite._PRAGMAS, "PRAGMA busy_timeout = 1"))
    store = open_sqlite_store(path)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable, match="locked"):
        store.commit([PutOpSession(example_op_session())])
    with pytest.raises(StoreUnavailable):
        store.ping()
    assert store.op_session("id-one") is None  # a reader does not wait

    blocker.execute("ROLLBACK")
    store.commit([PutOpSession(example_op_session())])
    assert store.op_session("id-one") == example_op_session()
    blocker.close()
    store.close()


def test_a_database_that_is_blocked_at_start_is_unavailable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_sqlite_store(path).close()
    monkeypatch.setattr(sql_sqlite, "_PRAGMAS", (*sql_sqlite._PRAGMAS, "PRAGMA busy_timeout = 1"))
    with closing(sqlite3.connect(path, isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreUnavailable, match="locked"):
            open_sqlite_store(path)

    open_sqlite_store(path).close()


def test_a_write_that_another_thread_blocks_is_unavailable(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_sqlite, "BUSY_TIMEOUT_S", 0.01)
    failed = []

    def ping() -> None:
        try:
            store.ping()
        except StoreUnavailable as err:
            failed.append(err)

    with _connections(store).transaction():
        thread = threading.Thread(target=ping)
        thread.start()
        thread.join()

    assert len(failed) == 1
    store.ping()


def test_a_full_disk_is_unavailable_and_keeps_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_sqlite_store(path).close()
    monkeypatch.setattr(sql_sqlite, "_PRAGMAS", (*sql_sqlite._PRAGMAS, "PRAGMA max_page_count = 1"))  # as small as it is now
    store = open_sqlite_store(path)

    with pytest.raises(StoreUnavailable, match="full"):
        store.commit([PutGrant(example_grant(data={"long": "x" * 1_000_000}))])

    assert store.grant("grant-one") is None
    store.close()


def test_a_disk_that_is_full_in_earnest_is_unavailable_until_there_is_room_again(path: Path) -> None:
    """A process of its own may write files only up to a size, and then larger ones again."""
    open_sqlite_store(path).close()
    code = """if True:
        import pathlib, resource, signal, sys
        from oic_session_ext.errors import StoreUnavailable
        from oic_session_ext.store.changes import EndOpSession, PutGrant, PutOpSession
        from oic_session_ext.store.sql.sqlite import open_sqlite_store
        from oic_session_ext.testing import NOW, example_grant, example_notice, example_op_session
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        store, session = open_sqlite_store(pathlib.Path(sys.argv[1])), example_op_session()
        store.commit([PutOpSession(session), EndOpSession(session, [example_notice()])])
        size = pathlib.Path(f"{sys.argv[1]}-wal").stat().st_size
        grant = PutGrant(example_grant(data={"long": "x" * 200_000}))
        for limit in (size, resource.RLIM_INFINITY):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            for use in (store.ping, lambda: store.commit([grant]), lambda: store.lease_notices(NOW, NOW + 1, 1)):
                try:
                    use()
                except StoreUnavailable:
                    print("unavailable")
                else:
                    print("done")
            print(len(store.notices(10)), store.grant("grant-one") is not None)
    """
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)

    assert (done.stderr, done.stdout.split("\n")) == ("", [*["unavailable"] * 3, "1 False", *["done"] * 3, "1 True", ""])


def test_a_database_that_cannot_be_written_is_read_on(store: Store, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    store.commit([PutOpSession(example_op_session())])
    monkeypatch.setattr(sql_sqlite, "_PRAGMAS", (*sql_sqlite._PRAGMAS, "PRAGMA query_only = ON"))
    _connections(store)._drop()  # the next connection is opened with the pragma

    uses = (store.ping, lambda: store.commit([ClaimFact("name", "value")]), lambda: store.lease_notices(NOW, NOW, 1))
    for use in (*uses, lambda: store.sweep(NOW, 1)):
        with pytest.raises(StoreUnavailable, match="readonly"):
            use()
    assert store.op_session("id-one") == example_op_session()


def test_a_file_that_was_removed_is_unavailable_and_not_replaced_by_an_empty_one(store: Store, path: Path) -> None:
    for file in path.parent.iterdir():
        file.unlink()
    _connections(store)._engine.dispose()

    with pytest.raises(StoreUnavailable, match="unable to open"):
        store.op_session("id-one")
    assert not path.exists()


def test_a_closed_store_is_unavailable(store: Store) -> None:
    store.close()

    with pytest.raises(StoreUnavailable, match="closed"):
        store.op_session("id-one")
    with pytest.raises(StoreUnavailable, match="closed"):
        store.ping()


def test_a_connection_closed_under_a_thread_is_unavailable_once(store: Store) -> None:
    store.ping()
    _connections(store)._local.connection.proxy.dbapi_connection.close()

    with pytest.raises(StoreUnavailable):
        store.op_session("id-one")
    assert store.op_session("id-one") is None


def test_a_thread_that_ends_gives_its_connection_back(store: Store) -> None:
    pool = _connections(store)._engine.pool
    for _ in range(5):
        thread = threading.Thread(target=store.ping)
        thread.start()
        thread.join()

    assert len(_connections(store)._open) <= 1
    assert pool.checkedin() <= 2  # type: ignore[attr-defined]


def test_a_conflict_leaves_the_connection_ready(store: Store) -> None:
    store.commit([ClaimFact("name", "value")])
    for _ in range(3):
        with pytest.raises(Conflict):
            store.commit([ClaimFact("name", "other")])
        store.commit([ClaimFact("name", "value")])


def test_servers_that_start_on_an_empty_database_at_once_all_come_up(path: Path) -> None:
    code = "import sys, pathlib; from oic_session_ext.store.sql.sqlite import open_sqlite_store as o; o(pathlib.Path(sys.argv[1])).ping()"
    servers = [subprocess.Popen([sys.executable, "-c", code, str(path)], stderr=subprocess.PIPE, text=True) for _ in range(4)]

    ends = [(server.communicate(timeout=60)[1], server.returncode) for server in servers]

    assert ends == [("", 0)] * 4


def test_the_end_of_an_op_session_takes_the_rows_with_it(store: Store, path: Path) -> None:
    session = example_op_session(rp_sessions=(example_rp_session(),))
    store.commit([PutOpSession(session), PutGrant(example_grant(op_session_id="id-one"))])

    store.commit([EndOpSession(session)])

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        left = connection.execute("SELECT id FROM op_sessions UNION SELECT sid FROM rp_sessions UNION SELECT id FROM grants").fetchall()
    assert left == []
