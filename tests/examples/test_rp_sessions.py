"""The example RP's own sessions: bound to one browser, bounded, and over when they are over."""

from __future__ import annotations

from openid_client import PendingSignIn
from rp_sessions import MAX_PENDING, BrowserSession, SessionTable

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
