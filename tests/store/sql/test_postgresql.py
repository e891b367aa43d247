"""The SQL engine keeps the contract on PostgreSQL; whatever happens to the server, it says so and goes on by itself."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import psycopg
import pytest

from oic_session_ext.errors import ConfigError, Conflict, StoreUnavailable
from oic_session_ext.model import EphemeralRecord
from oic_session_ext.store import migrate, open_store
from oic_session_ext.store.base import Store
from oic_session_ext.store.changes import (
    AddRpSession,
    Change,
    ClaimFact,
    EndOpSession,
    PutEphemeral,
    PutGrant,
    PutNotice,
    PutOpSession,
    TakeEphemeral,
    TouchOpSession,
    UpdateGrant,
)
from oic_session_ext.store.sql import postgresql as sql_postgresql
from oic_session_ext.store.sql import postgresql_pipeline as sql_pipeline
from oic_session_ext.store.sql import postgresql_pool as sql_pool
from oic_session_ext.store.sql.engine import SqlStore
from oic_session_ext.store.sql.postgresql_pipeline import PipelineConnection
from oic_session_ext.testing.examples import NOW, example_grant, example_notice, example_op_session, example_rp_session
from oic_session_ext.testing.store_contract import StoreContract, winners
from tests.store.postgresql_server import PASSWORD, USER, PostgresqlServer


@pytest.fixture
def database(postgresql: PostgresqlServer) -> str:
    return postgresql.emptied_database()


@pytest.fixture
def store(postgresql: PostgresqlServer, database: str) -> Iterator[Store]:
    store = open_store(postgresql.url(database))
    yield store
    store.close()


@pytest.fixture
def admin(postgresql: PostgresqlServer, database: str) -> Iterator[psycopg.Connection]:
    """Another client of the same database, which can be in the way."""
    with postgresql.admin(database) as connection:
        yield connection


@pytest.fixture
def round_trips(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many statements went out together, each time that the server was waited for."""
    sent: list[int] = []
    run = PipelineConnection.run

    def counted(self: PipelineConnection, statements: Any) -> Any:
        sent.append(len(statements))
        return run(self, statements)

    monkeypatch.setattr(PipelineConnection, "run", counted)
    return sent


class TestPostgresqlStore(StoreContract):
    """The contract, proved of PostgreSQL."""

    @pytest.fixture
    def store(self, postgresql: PostgresqlServer) -> Iterator[Store]:
        """Give each test an empty database."""
        store = open_store(postgresql.url(postgresql.emptied_database()))
        yield store
        store.close()


# --- opening


def test_two_stores_on_one_database_see_each_other(store: Store, postgresql: PostgresqlServer, database: str) -> None:
    other = open_store(postgresql.url(database))

    store.commit([PutOpSession(example_op_session())])

    assert other.op_session("id-one") == example_op_session()
    other.commit([AddRpSession("id-one", example_rp_session())])
    assert store.op_session_id_of_sid("sid-one-rp-a") == "id-one"
    other.close()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("postgresql://h/d", r"must be postgresql\+psycopg://"),
        ("postgres://h/d", r"must be postgresql\+psycopg://"),
        ("postgresql+psycopg2://h/d", r"must be postgresql\+psycopg://"),
        ("postgresql+asyncpg://h/d", r"must be postgresql\+psycopg://"),
        ("postgresql+psycopg://h", r"must be postgresql\+psycopg://"),
        ("postgresql+psycopg://h/", r"must be postgresql\+psycopg://"),
        ("postgresql+psycopg:h/d", "is not a URL such as"),
        ("postgresql+psycopg://h:port/d", "is not a URL such as"),
        ("postgresql+psycopg://u:p@ss@h/d", "^store: has an @ too many: in a user name or a password write %40$"),
        ("postgresql+psycopg://h/d?options=-c%20fsync%3Doff", "has no option options"),
        ("postgresql+psycopg://h/d?connect_timeout=0", "has no option connect_timeout"),
        ("postgresql+psycopg://h/d?pool_size=0", "pool_size must be a number from 1 to 1000"),
        ("postgresql+psycopg://h/d?pool_size=ten", "pool_size must be a number from 1 to 1000"),
        ("postgresql+psycopg://h/d?pool_size=1&pool_size=2", "pool_size must be a number from 1 to 1000"),
    ],
)
@pytest.mark.parametrize("use", [open_store, migrate])
def test_a_url_that_says_too_little_or_too_much_is_refused(use: Callable[[str], object], url: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        use(url)


def test_a_server_that_does_not_answer_at_start_is_unavailable(postgresql: PostgresqlServer) -> None:
    with pytest.raises(StoreUnavailable, match="refused"):
        open_store(f"postgresql+psycopg://{USER}@127.0.0.1:1/op")


def test_the_first_of_several_hosts_that_answers_is_used(postgresql: PostgresqlServer, database: str) -> None:
    url = postgresql.url(database).replace(f"127.0.0.1:{postgresql.port}/", "/")
    query = f"?host=127.0.0.1:1&host=127.0.0.1:{postgresql.port}&target_session_attrs=read-write"

    store = open_store(url + query)

    store.ping()
    store.close()


@pytest.mark.parametrize("part", ["password", "database"])
def test_a_server_that_refuses_at_start_is_unavailable_and_no_secret_is_told(postgresql: PostgresqlServer, part: str) -> None:
    url = postgresql.url("nowhere") if part == "database" else postgresql.url("postgres").replace("word", "wrong")

    with pytest.raises(StoreUnavailable, match=rf"{part} .*(failed|does not exist)") as refused:
        open_store(url)

    assert PASSWORD not in str(refused.value)
    assert "wrong" not in str(refused.value)


def test_a_database_that_cannot_hold_every_text_is_refused(postgresql: PostgresqlServer) -> None:
    with postgresql.admin("postgres") as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")

    with pytest.raises(ConfigError, match="has the encoding LATIN1; create it with ENCODING 'UTF8'"):
        migrate(postgresql.url("latin"))


def test_a_database_whose_tables_are_not_for_this_user_is_refused(postgresql: PostgresqlServer) -> None:
    database = postgresql.new_database()
    with postgresql.admin(database) as connection:
        connection.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    url = postgresql.url(database).replace(postgresql.url("").partition("@")[0], "postgresql+psycopg://stranger:stranger")

    with pytest.raises(ConfigError, match="cannot be used: permission denied for table schema_version"):
        open_store(url)


def test_a_server_that_is_too_old_is_refused(postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_postgresql, "_OLDEST_SERVER", 99)

    with pytest.raises(ConfigError, match="PostgreSQL must be version 99 or later"):
        open_store(postgresql.url(postgresql.emptied_database()))


def test_without_the_driver_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(ConfigError, match=r"pip install 'oic_session_ext\[postgresql\]'"):
        open_store("postgresql+psycopg://h/d")


def test_connections_are_durable_and_limited_whatever_the_database_says(postgresql: PostgresqlServer) -> None:
    database = postgresql.new_database()
    with postgresql.admin("postgres") as connection:
        connection.execute(f"ALTER DATABASE {database} SET synchronous_commit = off")
        connection.execute(f"ALTER DATABASE {database} SET default_transaction_isolation = 'serializable'")
    store = open_store(postgresql.url(database, query="?application_name=here"))
    names = ("synchronous_commit", "default_transaction_isolation", "statement_timeout", "application_name", "client_encoding")

    with _pool(store).connection() as lent:
        lent._pgconn.exit_pipeline_mode()
        found = {name: lent._connection.execute(f"SHOW {name}").fetchone() for name in names}
        lent.close()

    assert found == {
        "synchronous_commit": ("on",),
        "default_transaction_isolation": ("read committed",),
        "statement_timeout": ("5s",),
        "application_name": ("here",),
        "client_encoding": ("UTF8",),
    }
    store.close()


# --- round trips


def test_a_look_up_takes_one_round_trip(store: Store, round_trips: list[int]) -> None:
    store.commit([PutOpSession(example_op_session(rp_sessions=(example_rp_session(),)))])
    round_trips.clear()

    store.op_session_by_cookie("cookie-one")

    assert round_trips == [1]


@pytest.mark.parametrize(
    ("changes", "trips"),
    [
        ([PutOpSession(example_op_session("new")), PutGrant(example_grant("new", op_session_id="id-new"))], [2]),
        ([UpdateGrant(example_grant())], [1]),
        ([TouchOpSession("id-one", NOW, NOW)], [1]),
        ([UpdateGrant(example_grant()), PutGrant(example_grant("new"))], [3, 1]),
        ([AddRpSession("id-one", example_rp_session()), PutGrant(example_grant("new", op_session_id="id-one"))], [3, 1]),
        ([EndOpSession(example_op_session(), [example_notice()])], [6, 1]),
        ([], []),
    ],
    ids=["new rows", "one condition", "a touch", "a condition among others", "a share", "an end", "nothing"],
)
def test_a_commit_takes_one_round_trip_and_a_second_where_a_condition_comes_with_other_changes(
    store: Store, round_trips: list[int], changes: list[Any], trips: list[int]
) -> None:
    store.commit([PutOpSession(example_op_session()), PutGrant(example_grant())])
    round_trips.clear()

    store.commit(changes)

    assert round_trips == trips


def test_a_lease_takes_two_round_trips(store: Store, round_trips: list[int]) -> None:
    session = example_op_session()
    store.commit([PutOpSession(session), EndOpSession(session, [example_notice("a"), example_notice("b")])])
    round_trips.clear()

    store.lease_notices(NOW, NOW + 1, 10)

    assert round_trips == [2, 3]


def test_rows_are_found_by_an_index(store: Store, admin: psycopg.Connection) -> None:
    for i in range(300):
        shares = tuple(example_rp_session(f"{i}", f"rp-{j}") for j in range(3))
        session = example_op_session(f"{i}", uid=f"user-{i}", created_at=NOW + i, idle_expires_at=NOW + i, rp_sessions=shares)
        grant = example_grant(f"{i}", uid=f"user-{i}", client_id=f"c-{i}", sub=f"s-{i}", op_session_id=session.id, expires_at=NOW + i)
        store.commit([PutOpSession(session), PutGrant(grant), PutEphemeral(EphemeralRecord("kind", f"{i}", NOW + i))])
    ended = example_op_session("ended")
    notices = [example_notice(f"{i}", client_id=f"rp-{i % 100}", due_at=NOW + i) for i in range(600)]
    store.commit([PutOpSession(ended), EndOpSession(ended, notices)])
    admin.execute("VACUUM ANALYZE")
    admin.execute("SET enable_seqscan = off")  # so few rows are read faster without
    values = {
        "id": "x",
        "cookie_digest": "x",
        "uid": "x",
        "sid": "x",
        "client_id": "rp-1",
        "kind": "kind",
        "key": "x",
        "keys": '["x", "y"]',
        "value": "x",
        "now": NOW + 2,
        "until": NOW + 2,
        "limit": 3,
        "state": "pending",
        "version": 1,
        "op_session_id": "x",
        "after_created_at": NOW + 100,
        "after_id": "x",
        "created_before": NOW + 200,
        "created_at": NOW,
        "sub": "x",
    }
    statements = cast(SqlStore, store)._statements
    names = (
        *("op_session_by_cookie", "op_session", "op_sessions_of_user", "due_op_sessions", "op_session_id_of_sid", "list_op_sessions"),
        *("list_op_sessions_of_client", "lock_op_session", "lock_grants", "release_offline_grants", "delete_op_session", "grant"),
        *("sweep_grants", "ephemeral", "sweep_ephemerals", "notice", "notices", "notices_of_client", "due_notices", "defer_notices"),
        *("sweep_notices", "defer_notice", "ephemerals"),
    )
    for statement in [*(getattr(statements, name) for name in names), *statements.add_rp_session, *statements.grant_ids.values()]:
        plan = "\n".join(row[0] for row in psycopg.RawCursor(admin).execute(f"EXPLAIN {statement.sql}", statement.bound(values)))
        assert "Index" in plan, plan
        assert "Seq Scan" not in plan, plan


# --- texts


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_a_text_that_the_database_cannot_hold_keeps_nothing_of_its_commit(store: Store, text: str) -> None:
    with pytest.raises(ValueError, match=r"NUL|surrogates"):
        store.commit([ClaimFact("name", "value"), PutGrant(example_grant(uid=text))])

    assert store.fact("name") is None
    assert store.grant("grant-one") is None
    assert store.grant_ids("uid", text, 10) == []


def test_an_odd_text_comes_back_as_it_was(store: Store) -> None:
    text = "Zoë '\"\\$1%s ☃ 𐍈\n\t"

    store.commit([ClaimFact(text, text)])

    assert store.fact(text) == text


def test_rows_that_are_larger_than_any_buffer_come_and_go(store: Store) -> None:
    grants = [example_grant(f"{i}", data={"long": f"{i}" * 3_000_000}) for i in range(4)]

    store.commit([PutGrant(grant) for grant in grants])

    assert [store.grant(grant.id) for grant in grants] == grants
    assert len(_pool(store)._idle) == 1
    assert _pool(store)._idle[0].is_quiet()


# --- what others do in the same database


def test_a_connection_is_ready_after_a_refusal_also_where_statements_were_new_to_it(store: Store) -> None:
    refused: list[Change] = [
        PutOpSession(example_op_session()),
        TakeEphemeral("kind", "key", NOW),
        PutGrant(example_grant(op_session_id="id-gone")),
    ]

    with pytest.raises(Conflict) as conflict:
        store.commit(refused)
    assert conflict.value.change is refused[1]
    with pytest.raises(Conflict):
        store.commit([PutGrant(example_grant(op_session_id="id-gone")), PutEphemeral(EphemeralRecord("kind", "key", NOW + 1))])

    store.commit([PutEphemeral(EphemeralRecord("kind", "key", NOW + 1)), *refused[:2]])
    assert store.op_session("id-one") == example_op_session()
    assert len(_pool(store)._idle) == 1


def test_a_deadlock_with_another_client_is_tried_again(store: Store, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_postgresql, "_SETTINGS", {**sql_postgresql._SETTINGS, "deadlock_timeout": "2s"})
    admin.execute("SET deadlock_timeout = '60s'")  # the one that looks for the deadlock gives way
    session, notices = example_op_session(), [example_notice("a"), example_notice("b")]
    store.commit([PutOpSession(session), EndOpSession(session, notices)])
    thread = threading.Thread(target=lambda: store.commit([PutNotice(example_notice(name, attempts=1)) for name in "ab"]))

    with admin.transaction():
        admin.execute("UPDATE notices SET problem = 'mine' WHERE id = 'notice-b'")
        thread.start()
        _until(lambda: _waiting(admin) == 1)
        admin.execute("UPDATE notices SET problem = 'mine' WHERE id = 'notice-a'")
    thread.join()

    assert store.notices(10) == [example_notice("a", attempts=1), example_notice("b", attempts=1)]


@pytest.mark.parametrize("failure", ["40001", "40P01"])
def test_a_commit_that_loses_to_others_three_times_is_unavailable(
    store: Store, admin: psycopg.Connection, failure: str, round_trips: list[int]
) -> None:
    with _trigger(admin, f"RAISE EXCEPTION 'not now' USING ERRCODE = '{failure}'"):
        with pytest.raises(StoreUnavailable, match="not now"):
            store.commit([ClaimFact("a", "1"), ClaimFact("b", "2")])
        assert round_trips == [3, 1, 3, 1, 3, 1]
        with pytest.raises(StoreUnavailable, match="not now"):
            store.commit([ClaimFact("a", "1")])

    assert store.fact("a") is None
    store.commit([ClaimFact("a", "1"), ClaimFact("b", "2")])


def test_a_lease_that_loses_to_others_is_tried_again(store: Store, admin: psycopg.Connection) -> None:
    session = example_op_session()
    store.commit([PutOpSession(session), EndOpSession(session, [example_notice()])])

    losing = _trigger(admin, "RAISE EXCEPTION 'not now' USING ERRCODE = '40P01'", "UPDATE ON notices")
    with losing, pytest.raises(StoreUnavailable, match="not now"):
        store.lease_notices(NOW, NOW + 5, 10)

    assert store.lease_notices(NOW, NOW + 5, 10) == [example_notice(due_at=NOW + 5)]


def test_a_refusal_is_told_also_where_the_connection_is_lost_as_it_is_rolled_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = PipelineConnection.run

    def lost(self: PipelineConnection, statements: Any) -> Any:
        if statements[0][0].sql == "ROLLBACK":
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return run(self, statements)

    with monkeypatch.context() as patch:
        patch.setattr(PipelineConnection, "run", lost)
        with pytest.raises(Conflict):
            store.commit([ClaimFact("name", "value"), TakeEphemeral("kind", "key", NOW)])

    assert store.fact("name") is None
    store.commit([ClaimFact("name", "value")])


def test_a_lock_that_another_holds_for_long_is_unavailable(
    store: Store, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_postgresql, "_SETTINGS", {**sql_postgresql._SETTINGS, "statement_timeout": "50ms"})
    store.commit([PutGrant(example_grant())])

    with admin.transaction():
        admin.execute("SELECT * FROM grants FOR UPDATE")
        with pytest.raises(StoreUnavailable, match="statement timeout"):
            store.commit([ClaimFact("name", "value"), UpdateGrant(example_grant())])
        assert store.grant("grant-one") == example_grant()  # a reader does not wait

    assert store.fact("name") is None
    store.commit([UpdateGrant(example_grant())])


def test_notices_that_another_worker_is_leasing_are_passed_over_without_waiting(store: Store, admin: psycopg.Connection) -> None:
    session = example_op_session()
    store.commit([PutOpSession(session), EndOpSession(session, [example_notice("a"), example_notice("b")])])

    with admin.transaction():
        admin.execute("SELECT * FROM notices WHERE id = 'notice-a' FOR UPDATE")
        leased = store.lease_notices(NOW, NOW + 5, 10)

    assert [notice.id for notice in leased] == ["notice-b"]


def test_a_database_that_cannot_be_written_is_read_on(store: Store, admin: psycopg.Connection) -> None:
    store.commit([PutOpSession(example_op_session())])
    name = admin.info.dbname
    admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    _pool(store).close()
    _pool(store)._is_closed = False  # its next connection is a new one
    try:
        with pytest.raises(StoreUnavailable, match="read-only"):
            store.ping()
        with pytest.raises(StoreUnavailable, match="read-only"):
            store.lease_notices(NOW, NOW, 1)
        assert store.op_session("id-one") == example_op_session()
    finally:
        admin.execute("SET default_transaction_read_only = off")
        admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")


def test_a_full_disk_is_unavailable_and_keeps_nothing(store: Store, admin: psycopg.Connection) -> None:
    no_space = _trigger(admin, "RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'")
    with no_space, pytest.raises(StoreUnavailable, match="No space left"):
        store.commit([PutOpSession(example_op_session()), ClaimFact("name", "value")])

    assert store.op_session("id-one") is None
    store.commit([PutOpSession(example_op_session()), ClaimFact("name", "value")])


def test_tables_that_are_gone_are_unavailable(store: Store, admin: psycopg.Connection) -> None:
    admin.execute("ALTER TABLE facts RENAME TO elsewhere")
    try:
        with pytest.raises(StoreUnavailable, match='relation "facts" does not exist'):
            store.fact("name")
        with pytest.raises(StoreUnavailable, match='relation "facts" does not exist'):
            store.commit([PutGrant(example_grant()), ClaimFact("name", "value")])
    finally:
        admin.execute("ALTER TABLE elsewhere RENAME TO facts")

    assert store.grant("grant-one") is None
    store.commit([ClaimFact("name", "value")])


# --- connections


def test_many_threads_share_a_few_connections(postgresql: PostgresqlServer, database: str, admin: psycopg.Connection) -> None:
    store = open_store(postgresql.url(database, query="?pool_size=2&application_name=shared"))

    won = winners(lambda i: [store.commit([ClaimFact(f"{i}-{n}", "")]) for n in range(5)], 60)

    assert len(won) == 60
    opened = admin.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'shared'").fetchone()
    assert opened is not None
    assert opened[0] <= 2
    store.close()


def test_a_thread_that_gets_no_connection_in_time_finds_the_store_unavailable(
    postgresql: PostgresqlServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_pool, "POOL_WAIT_S", 0.01)
    store = open_store(postgresql.url(database, query="?pool_size=1"))

    with _pool(store).connection(), pytest.raises(StoreUnavailable, match="all 1 connections to the database were in use"):
        store.ping()

    store.ping()
    store.close()


def test_a_closed_store_is_unavailable(store: Store) -> None:
    store.ping()
    with _pool(store).connection() as lent:
        store.close()

    assert lent.is_closed
    for use in (store.ping, lambda: store.op_session("id-one")):
        with pytest.raises(StoreUnavailable, match="closed"):
            use()


def test_a_connection_that_the_server_has_ended_meanwhile_is_not_used(store: Store, admin: psycopg.Connection) -> None:
    for use in (store.ping, lambda: store.op_session("id-one")):
        store.ping()
        _end_connections(admin)
        _until(lambda: not _pool(store)._idle[-1].is_quiet())

        use()


def test_a_connection_that_ends_in_the_middle_is_unavailable_and_keeps_nothing(store: Store, admin: psycopg.Connection) -> None:
    store.commit([PutGrant(example_grant())])
    failed: list[BaseException] = []

    def update() -> None:
        try:
            store.commit([ClaimFact("name", "value"), UpdateGrant(example_grant())])
        except StoreUnavailable as err:
            failed.append(err)

    thread = threading.Thread(target=update)
    with admin.transaction():
        admin.execute("SELECT * FROM grants FOR UPDATE")
        thread.start()
        _until(lambda: _waiting(admin) == 1)
        _end_connections(admin)
        thread.join()

    assert len(failed) == 1
    assert store.fact("name") is None
    store.commit([ClaimFact("name", "value"), UpdateGrant(example_grant())])


@pytest.mark.parametrize("word", ["COMMIT", "INSERT"])
def test_a_connection_that_is_lost_as_the_commit_is_sent_is_unavailable_since_nobody_knows_its_outcome(
    store: Store, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    changes: list[Change] = (
        [TakeEphemeral("kind", "key", NOW), PutOpSession(example_op_session())] if word == "COMMIT" else [PutGrant(example_grant())]
    )
    store.commit([PutEphemeral(EphemeralRecord("kind", "key", NOW + 1))])
    run = PipelineConnection.run

    def lost(self: PipelineConnection, statements: Any) -> Any:
        results = run(self, statements)
        if any(word in statement.sql for statement, _ in statements) and len(statements) == 1:
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return results

    with monkeypatch.context() as patch:
        patch.setattr(PipelineConnection, "run", lost)
        with pytest.raises(StoreUnavailable, match="closed the connection"):
            store.commit(changes)

    assert (store.op_session("id-one") or store.grant("grant-one")) is not None  # here it was kept, and all of it
    assert store.ephemeral("kind", "key", NOW) is None or word == "INSERT"
    store.ping()


# --- the server


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
def test_while_the_server_is_gone_the_store_is_unavailable_and_works_again_afterwards(
    store: Store, postgresql: PostgresqlServer, how: signal.Signals
) -> None:
    session = example_op_session()
    store.commit([PutOpSession(session)])
    uses: list[Callable[[], object]] = [
        lambda: store.op_session("id-one"),
        lambda: store.commit([EndOpSession(session)]),
        lambda: store.lease_notices(NOW, NOW, 1),
        lambda: store.sweep(NOW, 1),
        store.ping,
    ]

    postgresql.stop(how)
    try:
        for use in uses:
            with pytest.raises(StoreUnavailable):
                use()
    finally:
        postgresql.start()

    assert store.op_session("id-one") == session
    store.commit([EndOpSession(session)])
    store.ping()


def test_a_restart_that_nobody_notices_costs_nobody_an_error(store: Store, postgresql: PostgresqlServer) -> None:
    winners(lambda i: store.commit([ClaimFact(f"{i}", "")]), 8)
    assert len(_pool(store)._idle) > 1

    postgresql.stop()
    postgresql.start()

    assert len(winners(lambda _: (store.ping(), store.fact("1")), 8)) == 8


def test_a_server_that_has_frozen_is_unavailable_after_a_time_limit(
    store: Store, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.commit([PutOpSession(example_op_session())])

    with monkeypatch.context() as patch, postgresql.paused():
        patch.setattr(sql_pipeline, "ANSWER_TIMEOUT_S", 0.1)
        with pytest.raises(StoreUnavailable, match=r"no answer within 0\.1 s"):
            store.op_session("id-one")

    assert store.op_session("id-one") == example_op_session()


def _pool(store: Store) -> sql_pool.ConnectionPool:
    return cast(sql_postgresql.PostgresqlConnections, cast(SqlStore, store)._connections)._pool


def _waiting(admin: psycopg.Connection) -> int:
    """How many others wait for a lock."""
    found = admin.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone()
    assert found is not None
    return int(found[0])


def _end_connections(admin: psycopg.Connection) -> None:
    admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class _trigger:  # noqa: N801 -- used as a function
    """While it lasts, each row that is written makes PostgreSQL do something."""

    def __init__(self, admin: psycopg.Connection, action: str, on: str = "INSERT ON facts") -> None:
        self._admin = admin
        self._action = action
        self._on = on

    def __enter__(self) -> None:
        self._admin.execute(f"CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {self._action}; END $$")
        self._admin.execute(f"CREATE TRIGGER act BEFORE {self._on} FOR EACH ROW EXECUTE FUNCTION act()")

    def __exit__(self, *_: object) -> None:
        self._admin.execute("DROP FUNCTION act CASCADE")
