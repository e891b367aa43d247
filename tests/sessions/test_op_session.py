"""The life of an OP session, on the memory store."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Any

import pytest

from oic_session_ext.errors import Conflict
from oic_session_ext.logout.frontchannel import plan_frontchannel
from oic_session_ext.model import NEEDS_BROWSER, Channel, Grant, NoticeState, OpSession, Reason, RpSession
from oic_session_ext.sessions.logout_notices import plan_notices
from oic_session_ext.sessions.op_session import (
    ENDED_SID,
    TooManyRpSessions,
    begin_op_session,
    end_if_over,
    end_op_session,
    join_rp,
    op_session_of_cookie,
    use_op_session,
)
from oic_session_ext.settings import DeliverySettings, SessionManagementSettings
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.store.unit_of_work import UnitOfWork

NOW = 1_800_000_000
SETTINGS = SessionManagementSettings(idle_timeout_s=3600, absolute_timeout_s=86400)
CLIENTS = {
    "front": {"frontchannel_logout_uri": "https://front.example/fc"},
    "both": {"backchannel_logout_uri": "https://both.example/bc", "frontchannel_logout_uri": "https://both.example/fc"},
    "back": {"backchannel_logout_uri": "https://back.example/bc"},
    "plain": {"backchannel_logout_uri": ""},
}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def begin(store: MemoryStore, uid: str = "alice", present: OpSession | None = None, now: int = NOW, **kwargs: Any) -> tuple[OpSession, str]:
    uow = UnitOfWork(store, now)
    session, secret = begin_op_session(
        uow, uid=uid, acr="pwd", auth_time=now, present=present, settings=SETTINGS, clients=CLIENTS, **kwargs
    )
    uow.commit()
    return session, secret


def join(store: MemoryStore, session: OpSession, client_id: str, now: int = NOW) -> tuple[RpSession, OpSession]:
    uow = UnitOfWork(store, now)
    rp = join_rp(uow, session, client_id, f"sub-at-{client_id}", SETTINGS)
    uow.commit()
    return rp, present(store, session)


def present(store: MemoryStore, session: OpSession) -> OpSession:
    """Return what the store has of a session that has not ended."""
    found = store.op_session(session.id)
    assert found is not None
    return found


def end(store: MemoryStore, session: OpSession, reason: Reason = Reason.USER, now: int = NOW) -> None:
    uow = UnitOfWork(store, now)
    end_op_session(uow, session, reason, CLIENTS, SETTINGS)
    uow.commit()


def of_cookie(store: MemoryStore, value: str | None, now: int = NOW) -> OpSession | None:
    return op_session_of_cookie(UnitOfWork(store, now), value)


def test_a_login_begins_a_session_with_its_limits(store: MemoryStore) -> None:
    session, _ = begin(store)

    assert store.op_session(session.id) == session
    assert (session.uid, session.acr, session.auth_time, session.created_at) == ("alice", "pwd", NOW, NOW)
    assert (session.idle_expires_at, session.expires_at) == (NOW + 3600, NOW + 86400)


@pytest.mark.spec("SEC-15")
def test_the_store_knows_only_the_digest_of_the_cookies_secret(store: MemoryStore) -> None:
    session, secret = begin(store)

    assert session.cookie_digest == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in repr(session)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", secret)


def test_the_cookie_names_the_session(store: MemoryStore) -> None:
    session, secret = begin(store)

    assert of_cookie(store, secret) == session


@pytest.mark.parametrize("value", [None, "", "x", "x" * 43, "x" * 44, "é" * 43, "../" * 14 + "x", "\x00" * 43, "x" * 42 + "\n"])
def test_a_value_that_is_no_cookie_of_ours_names_none(store: MemoryStore, value: str | None) -> None:
    begin(store)

    assert of_cookie(store, value) is None


@pytest.mark.spec("SID-06")
def test_neither_the_digest_nor_the_id_nor_a_sid_opens_the_session(store: MemoryStore) -> None:
    session, _ = begin(store)
    rp, _ = join(store, session, "back")

    assert [of_cookie(store, value) for value in (session.cookie_digest, session.id, rp.sid, session.op_browser_state)] == [None] * 4


@pytest.mark.spec("SM-12", "SEC-15")
def test_two_logins_share_nothing(store: MemoryStore) -> None:
    one, first = begin(store)
    two, second = begin(store)

    assert len({one.id, two.id}) == len({one.op_browser_state, two.op_browser_state}) == len({one.sid_seed, two.sid_seed}) == 2
    assert first != second


@pytest.mark.spec("CO-09", "SM-13")
def test_the_same_user_signing_in_again_keeps_the_session_and_what_its_rps_see(store: MemoryStore) -> None:
    session, _ = begin(store)
    _, present = join(store, session, "back")

    again, _ = begin(store, present=present, now=NOW + 1000)

    kept = store.op_session(session.id)
    assert kept == again
    assert kept.op_browser_state == session.op_browser_state
    assert kept.rp_sessions == present.rp_sessions
    assert kept.created_at == NOW
    assert kept.auth_time == NOW + 1000
    assert (kept.idle_expires_at, kept.expires_at) == (NOW + 1000 + 3600, NOW + 1000 + 86400)


@pytest.mark.spec("SEC-15")
def test_signing_in_again_makes_the_old_cookie_worthless(store: MemoryStore) -> None:
    session, planted = begin(store)

    _, secret = begin(store, present=session)

    assert of_cookie(store, planted) is None
    found = of_cookie(store, secret)
    assert found is not None
    assert found.id == session.id


def test_the_session_that_a_new_login_returns_can_be_worked_on_in_the_same_commit(store: MemoryStore) -> None:
    session, _ = begin(store)
    uow = UnitOfWork(store, NOW)

    again, _ = begin_op_session(uow, uid="alice", acr="pwd", auth_time=NOW, present=session, settings=SETTINGS, clients=CLIENTS)
    join_rp(uow, again, "back", "sub", SETTINGS)
    use_op_session(uow, again, SETTINGS)
    uow.commit()

    assert [rp.client_id for rp in present(store, session).rp_sessions] == ["back"]


@pytest.mark.spec("SM-13", "SEC-15")
def test_another_user_signing_in_ends_the_first_ones_session_in_the_same_commit(store: MemoryStore) -> None:
    alice, _ = begin(store)
    rp, alice = join(store, alice, "back")

    bob, secret = begin(store, uid="bob", present=alice)

    assert store.op_session(alice.id) is None
    assert of_cookie(store, secret) == bob
    assert bob.op_browser_state != alice.op_browser_state
    assert bob.rp_sessions == ()
    assert [(notice.sid, notice.reason) for notice in store.notices(10)] == [(rp.sid, Reason.REPLACED)]


@pytest.mark.parametrize(("later", "reason"), [(3600, Reason.IDLE), (86400, Reason.EXPIRED)])
def test_a_session_that_is_over_is_ended_by_the_next_login_even_of_the_same_user(store: MemoryStore, later: int, reason: Reason) -> None:
    old, _ = begin(store)
    _, old = join(store, old, "back")

    new, _ = begin(store, present=old, now=NOW + later)

    assert new.id != old.id
    assert store.op_session(old.id) is None
    assert [notice.reason for notice in store.notices(10)] == [reason]


def test_a_session_that_is_over_is_still_found_and_ended_by_the_next_commit(store: MemoryStore) -> None:
    session, secret = begin(store)
    uow = UnitOfWork(store, NOW + 3600)

    found = op_session_of_cookie(uow, secret)
    live = end_if_over(uow, found, CLIENTS, SETTINGS)
    uow.commit()

    assert found == session
    assert live is None
    assert of_cookie(store, secret) is None


def test_a_live_session_is_not_ended(store: MemoryStore) -> None:
    session, _ = begin(store)
    uow = UnitOfWork(store, NOW + 3599)

    assert end_if_over(uow, session, CLIENTS, SETTINGS) == session
    assert end_if_over(uow, None, CLIENTS, SETTINGS) is None
    assert uow.pending() == []


def test_a_login_that_meets_another_change_is_a_conflict_and_changes_nothing(store: MemoryStore) -> None:
    session, secret = begin(store)
    begin(store, present=session)

    with pytest.raises(Conflict):
        begin(store, present=session)
    assert of_cookie(store, secret) is None


def test_use_moves_the_idle_limit(store: MemoryStore) -> None:
    session, _ = begin(store)
    uow = UnitOfWork(store, NOW + 60)

    use_op_session(uow, session, SETTINGS)
    uow.commit()

    touched = present(store, session)
    assert (touched.last_active_at, touched.idle_expires_at) == (NOW + 60, NOW + 60 + 3600)
    assert touched.expires_at == session.expires_at
    assert touched.version == session.version


def test_use_within_a_minute_is_not_written(store: MemoryStore) -> None:
    session, _ = begin(store)
    uow = UnitOfWork(store, NOW + 59)

    use_op_session(uow, session, SETTINGS)

    assert uow.pending() == []


def test_use_under_a_short_idle_limit_is_written_more_often(store: MemoryStore) -> None:
    session, _ = begin(store)
    uow = UnitOfWork(store, NOW + 3)

    use_op_session(uow, session, SessionManagementSettings(idle_timeout_s=30))

    assert len(uow.pending()) == 1


@pytest.mark.spec("SID-01", "SID-04", "SID-05", "SID-07")
def test_sids_differ_per_client_and_per_session_and_have_192_bits(store: MemoryStore) -> None:
    sids = set()
    for _ in range(20):
        session, _ = begin(store)
        sids |= {join(store, session, client_id)[0].sid for client_id in ("both", "back", "plain")}

    assert len(sids) == 60
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", sid) for sid in sids)


@pytest.mark.spec("SID-02", "SID-09")
def test_joining_again_gives_the_same_share_and_no_change(store: MemoryStore) -> None:
    session, _ = begin(store)
    rp, session = join(store, session, "back")
    uow = UnitOfWork(store, NOW + 10)

    assert join_rp(uow, session, "back", "sub-at-back", SETTINGS) == rp
    assert uow.pending() == []


def test_two_requests_that_join_at_once_agree_on_the_sid(store: MemoryStore) -> None:
    session, _ = begin(store)

    one, _ = join(store, session, "back")
    two, joined = join(store, session, "back")

    assert one.sid == two.sid
    assert len(joined.rp_sessions) == 1


@pytest.mark.spec("SID-09")
def test_a_login_after_logout_gives_a_new_sid(store: MemoryStore) -> None:
    session, _ = begin(store)
    before, session = join(store, session, "back")
    end(store, session)

    after, _ = join(store, begin(store)[0], "back")

    assert before.sid != after.sid


@pytest.mark.spec("SEC-12")
def test_an_rp_too_many_is_refused(store: MemoryStore) -> None:
    session, _ = begin(store)
    settings = SessionManagementSettings(max_rp_sessions=1)
    rp, session = join(store, session, "back")
    uow = UnitOfWork(store, NOW)

    with pytest.raises(TooManyRpSessions):
        join_rp(uow, session, "both", "sub", settings)
    assert join_rp(uow, session, "back", "sub-at-back", settings) == rp
    assert uow.pending() == []


@pytest.mark.spec("RI-50", "P1", "PY-09")
def test_ending_removes_session_and_grants_and_records_notices_in_one_commit(store: MemoryStore) -> None:
    session, secret = begin(store)
    _, session = join(store, session, "both")
    uow = UnitOfWork(store, NOW)
    uow.put_grant(
        Grant(
            id="g", client_id="both", uid="alice", sub="s", op_session_id=session.id, sid="x", data={}, created_at=NOW, expires_at=NOW + 9
        )
    )
    uow.commit()

    uow = UnitOfWork(store, NOW + 5)
    end_op_session(uow, session, Reason.ADMIN, CLIENTS, SETTINGS)
    before = (store.op_session(session.id), store.notices(10))
    uow.commit()

    assert before == (session, [])
    assert of_cookie(store, secret) is None
    assert store.grant("g") is None
    assert {notice.channel for notice in store.notices(10)} == {Channel.BACKCHANNEL}


@pytest.mark.spec("RI-40", "SID-08", "BC-40", "FC-14")
def test_each_rp_with_a_back_channel_is_told_by_its_own_sub_and_sid(store: MemoryStore) -> None:
    session, _ = begin(store)
    for client_id in ("both", "back", "plain", "gone"):
        _, session = join(store, session, client_id)

    end(store, session, Reason.ADMIN, now=NOW + 5)

    notices = store.notices(10)
    assert sorted((n.client_id, n.channel.value) for n in notices) == [("back", "backchannel"), ("both", "backchannel")]
    sids = {rp.client_id: rp.sid for rp in session.rp_sessions}
    assert all(n.sub == f"sub-at-{n.client_id}" and n.sid == sids[n.client_id] for n in notices)
    assert {(n.reason, n.uid, n.ended_at, n.due_at, n.attempts) for n in notices} == {(Reason.ADMIN, "alice", NOW + 5, NOW + 5, 0)}
    assert len({n.id for n in notices}) == 2


@pytest.mark.spec("FC-16")
def test_without_the_users_browser_a_client_with_a_front_channel_alone_is_reported_as_not_told(store: MemoryStore) -> None:
    session, _ = begin(store)
    _, session = join(store, session, "front")

    end(store, session, Reason.EXPIRED, now=NOW + 5)

    (notice,) = store.notices(10)
    assert (notice.channel, notice.state, notice.problem) == (Channel.FRONTCHANNEL, NoticeState.UNDELIVERABLE, NEEDS_BROWSER)
    assert notice.due_at == NOW + 5 + SETTINGS.delivery.undeliverable_kept_s
    assert store.lease_notices(NOW + 10, NOW + 20, 10) == []


@pytest.mark.spec("MD-04")
def test_a_channel_that_is_off_tells_nobody_whatever_clients_have_registered(store: MemoryStore) -> None:
    session, _ = begin(store)
    for client_id in ("both", "back", "front"):
        _, session = join(store, session, client_id)
    off = DeliverySettings(frontchannel=False, backchannel=False)

    assert plan_notices(session, Reason.ADMIN, CLIENTS, NOW, off) == []
    assert plan_frontchannel(session, CLIENTS, off) == []


@pytest.mark.spec("FC-01", "FC-02")
def test_on_the_logout_page_front_channels_are_the_pages_to_load_and_leased_notices_are_its_own_to_send(store: MemoryStore) -> None:
    session, _ = begin(store)
    for client_id in ("front", "back"):
        _, session = join(store, session, client_id)

    uow = UnitOfWork(store, NOW)
    notices = end_op_session(uow, session, Reason.USER, CLIENTS, SETTINGS, on_page=True, due_in_s=30)
    uow.commit()

    assert [(notice.client_id, notice.due_at) for notice in notices] == [("back", NOW + 30)]
    assert store.notices(10) == notices
    assert [rp.client_id for rp, _ in plan_frontchannel(session, CLIENTS, SETTINGS.delivery)] == ["front"]


@pytest.mark.spec("RI-11", "RI-12")
def test_an_ended_sid_is_remembered_as_long_as_it_counts_as_recent(store: MemoryStore) -> None:
    session, _ = begin(store)
    rp, session = join(store, session, "gone")

    end(store, session)

    payload = {"client_id": "gone", "sub": "sub-at-gone", "op_session_id": session.id, "reason": "user"}
    record = store.ephemeral(ENDED_SID, rp.sid, NOW + SETTINGS.recent_s - 1)
    assert record is not None
    assert record.payload == payload
    assert store.ephemeral(ENDED_SID, rp.sid, NOW + SETTINGS.recent_s) is None


def test_ending_is_decided_on_what_is_really_there(store: MemoryStore) -> None:
    session, _ = begin(store)
    join(store, session, "back")

    with pytest.raises(Conflict):
        end(store, session)
    assert store.notices(10) == []


@pytest.mark.spec("P4", "PY-10")
def test_another_browser_of_the_same_user_stays_signed_in(store: MemoryStore) -> None:
    here, _ = begin(store)
    there, secret = begin(store)

    end(store, here)

    assert of_cookie(store, secret) == there


def test_a_session_is_over_at_its_limits_and_not_before(store: MemoryStore) -> None:
    session, _ = begin(store)

    assert session.is_live(NOW + 3599)
    assert not session.is_live(NOW + 3600)
    assert not replace(session, idle_expires_at=NOW + 999999).is_live(NOW + 86400)
