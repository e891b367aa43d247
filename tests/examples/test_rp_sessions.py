"""The example RP's own sessions: bound to one browser, bounded, and over when they are over."""

from __future__ import annotations

import pytest
from openid_client import Identity, PendingSignIn
from rp_sessions import ENDED_SID_KEPT_S, MAX_PENDING, AlreadyEnded, BrowserSession, NotOfThisUser, SessionTable, SignedIn

PENDING = PendingSignIn("http://localhost:8081/callback", "nonce", "verifier", 1_000)


def test_a_session_is_found_by_its_key_until_its_time_is_over() -> None:
    clock = [100]
    table = SessionTable(lifetime_s=50, now=lambda: clock[0])
    key = (session := table.open()).key
    assert table.find(key) is session
    clock[0] = 150

    assert table.find(key) is None


def test_a_closed_session_is_not_found_and_may_be_closed_again() -> None:
    table = SessionTable()
    key = table.open().key
    table.close(key)
    table.close(key)

    assert table.find(key) is None


def test_the_oldest_session_gives_way_when_the_table_is_full() -> None:
    table = SessionTable(max_sessions=2)
    keys = [table.open().key for _ in range(3)]

    assert [table.find(key) is not None for key in keys] == [False, True, True]


def test_a_pending_sign_in_is_handed_out_once() -> None:
    session = BrowserSession(expires_at=1_000)
    session.remember("s", PENDING)

    assert session.take_pending("s", PENDING.redirect_uri) is PENDING
    assert session.take_pending("s", PENDING.redirect_uri) is None


def test_a_pending_sign_in_is_not_handed_out_at_another_redirect_uri() -> None:
    session = BrowserSession(expires_at=1_000)
    session.remember("s", PENDING)

    assert session.take_pending("s", "http://localhost:8081/silent") is None


def test_the_oldest_pending_sign_in_gives_way() -> None:
    session = BrowserSession(expires_at=1_000)
    for number in range(MAX_PENDING + 1):
        session.remember(str(number), PENDING)

    assert list(session.pending) == [str(number) for number in range(1, MAX_PENDING + 1)]


def test_a_logout_state_is_believed_once() -> None:
    session = BrowserSession(expires_at=1_000, logout_state="s")

    assert session.take_logout_state("s")
    assert not session.take_logout_state("s")


def test_no_logout_state_is_believed_where_no_logout_was_begun() -> None:
    assert not BrowserSession(expires_at=1_000).take_logout_state("")
    assert not BrowserSession(expires_at=1_000).take_logout_state(None)


OP = "https://op.example"


def somebody(sub: str = "alice", sid: str | None = "s1", iss: str = OP) -> SignedIn:
    """A sign-in."""
    return SignedIn(Identity(iss, sub, "the.id.token", "state.salt", None, sid, "at"), sub, "sign-in-1")


def signed_in(table: SessionTable, user: SignedIn) -> BrowserSession:
    """A session in which `user` is signed in."""
    session = table.open()
    table.sign_in(session, user)
    return session


@pytest.mark.spec("RP-33", "RP-38")
def test_a_session_is_found_by_issuer_and_sid_or_sub() -> None:
    table = SessionTable()
    sessions = [signed_in(table, user) for user in (somebody(), somebody(sid="s2"), somebody("bob", "s3"), somebody(sid=None))]

    assert table.end_by_op(OP, "alice", "s1", ended_by="backchannel") == 1
    assert [each.user is not None for each in sessions] == [False, True, True, True]
    assert table.end_by_op(OP, "alice", None, ended_by="backchannel") == 2
    assert [each.user is not None for each in sessions] == [False, False, True, False]


@pytest.mark.spec("RP-38")
def test_the_same_names_at_another_issuer_are_others() -> None:
    table = SessionTable()
    session = signed_in(table, somebody())

    assert table.end_by_op("https://other.example", None, "s1", ended_by="backchannel") == 0
    assert table.end_by_op("https://other.example", "alice", None, ended_by="backchannel") == 0
    assert session.user is not None


def test_a_sub_that_reads_like_a_sid_is_no_sid() -> None:
    table = SessionTable()
    session = signed_in(table, somebody(sub="x", sid="y"))

    assert table.end_by_op(OP, None, "x", ended_by="backchannel") == 0
    assert session.user is not None


@pytest.mark.spec("RP-30")
def test_a_sid_of_another_user_ends_nothing() -> None:
    table = SessionTable()
    session = signed_in(table, somebody())

    with pytest.raises(NotOfThisUser):
        table.end_by_op(OP, "bob", "s1", ended_by="backchannel")
    assert session.user is not None


def test_whoever_waits_for_the_end_of_a_session_is_told_and_may_ask_who_ended_it() -> None:
    table = SessionTable()
    session = signed_in(table, somebody())
    table.end_by_op(OP, None, "s1", ended_by="backchannel")

    assert session.over.is_set()
    assert session.ended_by == "backchannel"
    assert table.find(session.key) is session


def test_a_session_that_ended_in_any_way_is_in_no_index() -> None:
    clock = [0]
    table = SessionTable(lifetime_s=10, max_sessions=2, now=lambda: clock[0])
    closed = signed_in(table, somebody(sid="s1"))
    table.close(closed.key)
    evicted, expired = signed_in(table, somebody(sid="s2")), signed_in(table, somebody(sid="s3"))
    table.open()
    clock[0] = 10
    assert table.find(expired.key) is None

    assert table.end_by_op(OP, "alice", None, ended_by="backchannel") == 0
    assert [each.over.is_set() for each in (closed, evicted, expired)] == [True, True, True]


def test_a_renewal_moves_the_session_to_its_new_sid() -> None:
    table = SessionTable()
    old = somebody(sid="s1")
    session = signed_in(table, old)
    table.sign_in(session, somebody(sid="s2"), instead_of=old)

    assert table.end_by_op(OP, None, "s1", ended_by="backchannel") == 0
    assert table.end_by_op(OP, None, "s2", ended_by="backchannel") == 1


def test_a_renewal_cannot_bring_an_ended_session_back() -> None:
    table = SessionTable()
    old = somebody(sid="s1")
    session = signed_in(table, old)
    table.end_by_op(OP, "alice", None, ended_by="backchannel")

    with pytest.raises(AlreadyEnded):
        table.sign_in(session, somebody(sid="s1"), instead_of=old)
    assert session.user is None


def test_a_sid_that_has_ended_cannot_sign_in_as_long_as_a_sign_in_may_be_on_its_way() -> None:
    clock = [0]
    table = SessionTable(now=lambda: clock[0])
    table.end_by_op(OP, None, "s1", ended_by="backchannel")
    with pytest.raises(AlreadyEnded):
        table.sign_in(table.open(), somebody(sid="s1"))
    clock[0] = ENDED_SID_KEPT_S
    table.end_by_op(OP, None, "s2", ended_by="backchannel")

    assert signed_in(table, somebody(sid="s1")).user is not None
