"""The Redis engine keeps the contract on a real server, in few round trips, and leaves nothing behind."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from redis.crc import key_slot

from oic_session_ext.errors import ConfigError, Conflict
from oic_session_ext.model import Client, Consent, EphemeralRecord, Grant, NoticeState
from oic_session_ext.store import open_store
from oic_session_ext.store.base import Store
from oic_session_ext.store.changes import (
    AddRpSession,
    Change,
    ClaimFact,
    DeferNotices,
    DeleteClient,
    DeleteConsent,
    DeleteEphemeral,
    DeleteGrant,
    DeleteNotice,
    EndOpSession,
    PutClient,
    PutConsent,
    PutEphemeral,
    PutGrant,
    PutNotice,
    PutOpSession,
    TakeEphemeral,
    TouchOpSession,
    UpdateGrant,
    UpdateOpSession,
)
from oic_session_ext.store.redis import server_checks as redis_checks
from oic_session_ext.store.redis.engine import RedisStore, open_redis_store
from oic_session_ext.testing.examples import NOW, example_grant, example_notice, example_op_session, example_rp_session
from oic_session_ext.testing.store_contract import StoreContract
from tests.store.redis_server import RedisServer, redis_server, redis_url  # noqa: F401 -- fixtures among them

# ruff: noqa: F811 -- fixtures are named as what they give


@pytest.fixture
def store(redis_url: str) -> Iterator[RedisStore]:
    store = open_redis_store(redis_url)
    yield store
    store.close()


class TestRedisStore(StoreContract):
    """The contract, proved of Redis."""

    @pytest.fixture
    def store(self, redis_url: str) -> Iterator[Store]:
        """Give each test an empty store."""
        store = open_redis_store(redis_url)
        yield store
        store.close()


# --- what the contract leaves open


def test_the_url_of_a_server_opens_a_store_on_it(redis_url: str) -> None:
    store = open_store(redis_url)

    assert isinstance(store, RedisStore)
    store.close()


def test_changes_of_one_commit_see_those_before_them(store: Store) -> None:
    session = example_op_session()
    offline = example_grant("offline", op_session_id="id-one", is_offline=True, refresh_digest="digest")
    notices = [example_notice("a", due_at=NOW + 1), example_notice("b", due_at=NOW + 2)]

    store.commit(
        [
            PutOpSession(session),
            AddRpSession("id-one", example_rp_session()),
            AddRpSession("id-one", example_rp_session()),
            PutGrant(example_grant(op_session_id="id-one")),
            PutGrant(offline),
            UpdateGrant(replace(offline, sub="other")),
            TouchOpSession("id-one", NOW + 1, NOW + 200),
            UpdateOpSession(replace(session, version=2, cookie_digest="new", uid="bob")),
            EndOpSession(replace(session, version=3), notices),
            PutOpSession(example_op_session("two", cookie_digest="cookie-one", rp_sessions=(example_rp_session(),))),
            PutNotice(replace(notices[0], state=NoticeState.UNDELIVERABLE)),
            DeferNotices("rp-a", NOW + 60),
            PutConsent(Consent("alice", "rp-a", frozenset({"openid"}), NOW)),
            DeleteClient("rp-a"),
            PutConsent(Consent("bob", "rp-a", frozenset({"openid"}), NOW)),
        ]
    )

    assert store.op_session("id-one") is None
    assert store.op_session_id_of_sid("sid-one-rp-a") == "id-two"
    assert store.op_sessions_of_user("bob") == []
    assert store.grant("grant-one") is None
    assert store.grant("grant-offline") == replace(offline, sub="other", op_session_id=None, version=3)
    assert store.grant_ids("sub", "alice-at-rp-a", 10) == []
    assert store.notices(10) == [replace(notices[0], state=NoticeState.UNDELIVERABLE), replace(notices[1], due_at=NOW + 60)]
    assert store.consent("alice", "rp-a") is None
    assert store.consent("bob", "rp-a") is not None


def test_text_comes_back_as_it_was_put(store: Store) -> None:
    odd = 'a/b\\c"d\n\te\x00\x7fé\u2028😀'
    session = example_op_session(uid=odd, acr=odd, rp_sessions=(example_rp_session(sub=odd),))
    grant = example_grant(uid=odd, sub=odd, op_session_id="id-one", data={odd: [odd, "\ud800", {}, [], None, 2**60]})
    store.commit([PutOpSession(session), PutGrant(grant), TouchOpSession("id-one", NOW, NOW)])
    store.commit([PutEphemeral(EphemeralRecord(odd, odd, NOW + 1, {odd: "\ud800"})), PutConsent(Consent(odd, odd, frozenset({odd}), NOW))])

    assert store.op_sessions_of_user(odd) == [session]
    assert store.grant("grant-one") == grant
    assert store.grant_ids("uid", odd, 10) == ["grant-one"]
    assert store.ephemeral(odd, odd, NOW) == EphemeralRecord(odd, odd, NOW + 1, {odd: "\ud800"})
    assert store.consent(odd, odd) == Consent(odd, odd, frozenset({odd}), NOW)


def test_a_kind_and_a_key_are_not_taken_for_another_pair(store: Store) -> None:
    store.commit([PutEphemeral(EphemeralRecord("a", "b:c", NOW + 1)), PutConsent(Consent("a:b", "c", frozenset(), NOW))])

    assert store.ephemeral("a:b", "c", NOW) is None
    assert store.consent("b", "c:a") is None


def test_a_name_that_is_no_valid_text_is_not_kept(store: Store) -> None:
    with pytest.raises(UnicodeEncodeError):
        store.commit([ClaimFact("name", "value"), PutOpSession(example_op_session(uid="\ud800"))])

    assert store.fact("name") is None
    store.ping()


def test_thousands_of_notices_are_put_off_in_one_commit(store: Store) -> None:
    session = example_op_session()
    store.commit([PutOpSession(session), EndOpSession(session, [example_notice(f"{i}") for i in range(2500)])])

    store.commit([DeferNotices("rp-a", NOW + 60)])

    assert store.lease_notices(NOW + 59, NOW + 99, 10) == []
    assert len(store.lease_notices(NOW + 60, NOW + 99, 3000)) == 2500


# --- expired grants of an op session


def _with_expired(store: Store, number: int) -> list[Grant]:
    """Give a session so many grants that have expired at NOW, and another session one."""
    sessions = [example_op_session(name) for name in ("one", "two")]
    expired = [example_grant(f"{i}", op_session_id="id-one", created_at=NOW - 9, expires_at=NOW) for i in range(number)]
    other = example_grant("other", op_session_id="id-two", created_at=NOW - 9, expires_at=NOW)
    store.commit([*map(PutOpSession, sessions), *map(PutGrant, expired), PutGrant(other)])
    return expired


def test_a_sweep_leaves_them_and_the_session_s_next_grant_removes_them(store: Store, redis_server: RedisServer) -> None:
    _with_expired(store, 2)

    assert store.sweep(NOW, 10).grants == 0
    assert redis_server.admin.zcard("{oic}:go:id-one") == 2
    store.commit([PutGrant(example_grant("new", op_session_id="id-one", created_at=NOW))])

    assert redis_server.admin.zrange("{oic}:go:id-one", 0, -1) == [b"grant-new"]
    assert sorted(redis_server.admin.keys("{oic}:g:*")) == [b"{oic}:g:grant-new", b"{oic}:g:grant-other"]


def test_a_grant_removes_a_bounded_number_of_them(store: Store, redis_server: RedisServer) -> None:
    _with_expired(store, 250)

    left = []
    for i in range(3):
        store.commit([PutGrant(example_grant(f"new-{i}", op_session_id="id-one", created_at=NOW))])
        left.append(redis_server.admin.zcount("{oic}:go:id-one", "-inf", NOW))

    assert left == [150, 50, 0]


def test_one_that_the_same_commit_writes_is_kept(store: Store) -> None:
    written, _ = _with_expired(store, 2)

    new = example_grant("new", op_session_id="id-one", created_at=NOW)
    store.commit([PutGrant(new), UpdateGrant(replace(written, expires_at=NOW + 9))])

    assert sorted(store.grant_ids("op_session_id", "id-one", 10)) == ["grant-0", "grant-new"]


def test_one_whose_life_was_made_longer_is_kept(store: Store) -> None:
    longer, _ = _with_expired(store, 2)
    store.commit([UpdateGrant(replace(longer, expires_at=NOW + 9))])

    store.commit([PutGrant(example_grant("new", op_session_id="id-one", created_at=NOW))])

    assert sorted(store.grant_ids("op_session_id", "id-one", 10)) == ["grant-0", "grant-new"]


def test_a_grant_that_is_refused_removes_none(store: Store) -> None:
    _with_expired(store, 2)

    with pytest.raises(Conflict):
        store.commit([PutGrant(example_grant("new", op_session_id="id-one", created_at=NOW)), PutGrant(example_grant("0"))])

    assert len(store.grant_ids("op_session_id", "id-one", 10)) == 2


# --- keys


def test_everything_can_be_removed_and_leaves_nothing_behind(store: Store, redis_server: RedisServer) -> None:
    empty = set(redis_server.admin.keys())
    sessions = [example_op_session(f"{i}", rp_sessions=(example_rp_session(f"{i}"),)) for i in range(3)]
    for i, session in enumerate(sessions):
        store.commit([PutOpSession(session), PutGrant(example_grant(f"{i}", op_session_id=session.id, sid=f"{i}"))])
    store.commit([PutClient(Client("rp-a", {}, frozenset({"https://a.example"}))), PutConsent(Consent("alice", "rp-a", frozenset(), NOW))])
    store.commit([PutConsent(Consent("alice", "rp-b", frozenset(), NOW)), PutEphemeral(EphemeralRecord("kind", "a", NOW + 1))])
    store.commit([PutEphemeral(EphemeralRecord("kind", key, NOW + 9)) for key in ("taken", "deleted")])

    store.commit([DeleteGrant("grant-2"), TakeEphemeral("kind", "taken", NOW), DeleteEphemeral("kind", "deleted")])
    store.commit([PutGrant(example_grant("offline", op_session_id="id-0", is_offline=True, refresh_digest="digest"))])
    store.commit([EndOpSession(session, [example_notice(session.id)], keeps_offline=False) for session in sessions])
    store.commit([PutNotice(example_notice("id-0", state=NoticeState.UNDELIVERABLE)), DeleteNotice("notice-id-1")])
    store.commit([DeleteNotice("notice-id-2"), DeleteClient("rp-a"), DeleteConsent("alice", "rp-b")])
    store.sweep(NOW + 1, 100)

    assert set(redis_server.admin.keys()) == empty


def test_all_keys_lie_in_one_slot_of_a_cluster_and_none_expires_by_the_server_s_clock(store: Store, redis_server: RedisServer) -> None:
    _one_of_each(store)

    keys: Any = redis_server.admin.keys()

    assert len(keys) > 20
    assert all(key.startswith(b"{oic}:") for key in keys)
    assert {key_slot(key) for key in keys} == {key_slot(b"{oic}:")}
    assert {redis_server.admin.ttl(key) for key in keys} == {-1}


def test_stores_with_different_prefixes_do_not_see_each_other(store: Store, redis_url: str) -> None:
    other = open_redis_store(f"{redis_url}?prefix=other.op")
    store.commit([PutOpSession(example_op_session()), ClaimFact("name", "this")])

    other.commit([ClaimFact("name", "other")])

    assert other.op_session_by_cookie("cookie-one") is None
    assert store.fact("name") == "this"
    other.close()


# --- round trips


LOOK_UPS: dict[str, tuple[Any, ...]] = {
    "op_session_by_cookie": ("cookie-one",),
    "op_session": ("id-one",),
    "op_session_id_of_sid": ("sid-one-rp-a",),
    "op_sessions_of_user": ("alice",),
    "due_op_sessions": (NOW + 9999, 10),
    "grant": ("grant-one",),
    "grant_ids": ("uid", "alice", 10),
    "client": ("rp-a",),
    "client_ids": (),
    "is_client_origin": ("https://a.example",),
    "consent": ("alice", "rp-a"),
    "ephemeral": ("kind", "key", NOW),
    "ephemerals": ("kind", ["key", "other"], NOW),
    "fact": ("name",),
    "notice": ("notice-one",),
    "notices": (10,),
    "lease_notices": (NOW, NOW, 10),
}


@pytest.mark.parametrize("look_up", LOOK_UPS)
def test_a_look_up_finds_something_in_one_round_trip(store: RedisStore, look_up: str) -> None:
    _one_of_each(store)
    method = getattr(store, look_up)
    method(*LOOK_UPS[look_up])  # after which the server knows the script

    with _counted(store) as sent:
        found = method(*LOOK_UPS[look_up])

    assert found
    assert len(sent) == 1


def test_a_commit_is_one_round_trip_whatever_is_in_it(store: RedisStore) -> None:
    with _counted(store) as sent:
        _one_of_each(store)

    assert len(sent) == 1


def test_scripts_that_the_server_has_forgotten_are_sent_again(store: RedisStore, redis_server: RedisServer) -> None:
    store.commit([PutOpSession(example_op_session())])
    assert store.op_session_by_cookie("cookie-one") is not None

    redis_server.admin.script_flush()

    assert store.op_session_by_cookie("cookie-one") is not None
    store.commit([ClaimFact("name", "value")])
    with pytest.raises(Conflict):
        store.commit([ClaimFact("name", "other")])


# --- opening


def test_without_redis_py_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)

    with pytest.raises(ConfigError, match=r"oic_session_ext\[redis\]"):
        open_store("redis://localhost")


def test_records_of_another_version_are_refused_and_left_alone(store: Store, redis_url: str, redis_server: RedisServer) -> None:
    redis_server.admin.set("{oic}:f:records_version", "99")

    with pytest.raises(ConfigError, match="version 99"):
        open_redis_store(redis_url)

    assert redis_server.admin.get("{oic}:f:records_version") == b"99"


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_server_that_may_evict_keys_is_refused(redis_url: str, redis_server: RedisServer, policy: str) -> None:
    redis_server.admin.config_set("maxmemory-policy", policy)
    try:
        with pytest.raises(ConfigError, match=f"{policy}.*must be noeviction"):
            open_redis_store(redis_url)
    finally:
        redis_server.admin.config_set("maxmemory-policy", "noeviction")


def test_a_server_that_is_too_old_is_refused(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_checks, "_info", lambda _: {"redis_version": "6.2.14", "maxmemory_policy": "noeviction"})

    with pytest.raises(ConfigError, match=r"Redis 6\.2\.14.*Redis 7"):
        open_redis_store(redis_url)


@pytest.mark.parametrize(
    ("setting", "value", "usual", "warning"),
    [
        ("appendonly", "no", "yes", "no append-only file"),
        ("appendfsync", "everysec", "always", "appendfsync is not always"),
        ("appendfsync", "always", "always", ""),
    ],
)
def test_a_server_that_may_lose_commits_when_it_ends_is_warned_of(
    redis_url: str, redis_server: RedisServer, caplog: pytest.LogCaptureFixture, setting: str, value: str, usual: str, warning: str
) -> None:
    redis_server.admin.config_set(setting, value)
    try:
        open_redis_store(redis_url).close()
    finally:
        redis_server.admin.config_set(setting, usual)

    messages = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(messages) == bool(warning)
    assert all(warning in message for message in messages)


def test_a_user_with_the_rights_that_a_store_needs_and_no_others_is_enough(redis_url: str, redis_server: RedisServer) -> None:
    redis_server.admin.execute_command("ACL", "SETUSER", "op", "reset", "on", ">secret", "~{oic}:*", *RIGHTS)
    store = open_redis_store(redis_url.replace("unix://", "unix://op:secret@"))

    _one_of_each(store)
    store.list_op_sessions(limit=1)
    store.sweep(NOW, 10)

    assert store.op_session_by_cookie("cookie-one") is not None
    store.close()


RIGHTS = (
    *("+info", "+ping", "+select", "+evalsha", "+eval", "+exists", "+get", "+set", "+del", "+unlink", "+hget", "+hset", "+hdel"),
    *("+zadd", "+zrem", "+zrange", "+zcount", "+zcard", "+zscore"),
)


@pytest.mark.parametrize("rights", [(), ("+info",), tuple(right for right in RIGHTS if right != "+info")])
def test_a_user_without_rights_is_refused(redis_url: str, redis_server: RedisServer, rights: tuple[str, ...]) -> None:
    redis_server.admin.execute_command("ACL", "SETUSER", "op", "reset", "on", ">secret", "~{oic}:*", *rights)

    with pytest.raises(ConfigError, match="refuses the user") as refused:
        open_redis_store(redis_url.replace("unix://", "unix://op:secret@"))

    assert "secret" not in f"{refused.value}"


def test_a_wrong_password_is_refused_and_not_told(redis_url: str) -> None:
    with pytest.raises(ConfigError, match="refuses the user") as refused:
        open_redis_store(redis_url.replace("unix://", "unix://op:hunter2@"))

    assert "hunter2" not in f"{refused.value}"


# --- what the tests above share


def _one_of_each(store: Store) -> None:
    """Keep something of every kind, in one commit."""
    ended = example_op_session("ended")
    changes: list[Change] = [
        PutOpSession(example_op_session(rp_sessions=(example_rp_session(),))),
        PutGrant(example_grant(op_session_id="id-one", sid="sid")),
        PutClient(Client("rp-a", {"client_name": "A"}, frozenset({"https://a.example"}))),
        PutConsent(Consent("alice", "rp-a", frozenset({"openid"}), NOW)),
        PutEphemeral(EphemeralRecord("kind", "key", NOW + 10)),
        ClaimFact("name", "value"),
        PutOpSession(ended),
        EndOpSession(ended, [example_notice(), example_notice("two", state=NoticeState.UNDELIVERABLE)]),
    ]
    store.commit(changes)


class _counted:  # noqa: N801 -- read as a word of the test's sentence
    """Collects what a store sends meanwhile."""

    def __init__(self, store: RedisStore) -> None:
        self._connections = store._connections
        self.sent: list[Any] = []

    def __enter__(self) -> list[Any]:
        exchange = self._connections._exchange

        def counting(*words: Any) -> Any:
            self.sent.append(words[0])
            return exchange(*words)

        self._connections._exchange = counting  # type: ignore[method-assign]
        return self.sent

    def __exit__(self, *_: object) -> None:
        del self._connections._exchange
