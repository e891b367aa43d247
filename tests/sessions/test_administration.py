"""What an operator does to OP sessions: found by every criterion, ended once, their RPs told whatever happens meanwhile."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from oic_session_ext.clients.registry import KnownClients
from oic_session_ext.errors import Conflict
from oic_session_ext.model import Channel, Client, OpSession, Reason
from oic_session_ext.sessions.administration import SessionAdministration, SessionCriteria
from oic_session_ext.sessions.op_session import ENDED_SID
from oic_session_ext.settings import SessionManagementSettings
from oic_session_ext.store.changes import AddRpSession, EndOpSession, PutClient, PutGrant, PutOpSession, UpdateOpSession
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.testing.examples import NOW, example_grant, example_op_session, example_rp_session
from oic_session_ext.testing.fake_clock import FakeClock

STATIC = {"rp-a": {"backchannel_logout_uri": "https://rp-a.example.com/bc", "frontchannel_logout_uri": "https://rp-a.example.com/fc"}}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def administration(store: MemoryStore, clock: FakeClock) -> SessionAdministration:
    return SessionAdministration(store, KnownClients(STATIC, store), SessionManagementSettings(), clock)


def begun(store: MemoryStore, name: str = "one", *, clients: tuple[str, ...] = ("rp-a",), **fields: object) -> OpSession:
    session = example_op_session(name, rp_sessions=tuple(example_rp_session(name, client) for client in clients), **fields)
    store.commit([PutOpSession(session)])
    return session


@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        pytest.param(SessionCriteria(), ["id-old", "id-two", "id-bob"], id="none: all"),
        pytest.param(SessionCriteria(op_session_id="id-two"), ["id-two"], id="id"),
        pytest.param(SessionCriteria(sid="sid-two-rp-b"), ["id-two"], id="sid"),
        pytest.param(SessionCriteria(uid="alice"), ["id-old", "id-two"], id="user"),
        pytest.param(SessionCriteria(client_id="rp-b"), ["id-two", "id-bob"], id="client"),
        pytest.param(SessionCriteria(created_before=NOW - 5), ["id-old"], id="age"),
        pytest.param(SessionCriteria(uid="alice", client_id="rp-b"), ["id-two"], id="user and client"),
        pytest.param(SessionCriteria(client_id="rp-b", created_before=NOW - 5), [], id="client and age"),
        pytest.param(SessionCriteria(op_session_id="id-two", uid="bob"), [], id="id of another user"),
        pytest.param(SessionCriteria(op_session_id="id-two", sid="sid-old-rp-a"), [], id="id and sid of two sessions"),
        pytest.param(SessionCriteria(op_session_id="id-none"), [], id="unknown id"),
        pytest.param(SessionCriteria(sid="sid-none"), [], id="unknown sid"),
        pytest.param(SessionCriteria(uid=""), [], id="the empty user is nobody, not everybody"),
        pytest.param(SessionCriteria(client_id=""), [], id="the empty client is none, not all"),
    ],
)
def test_sessions_are_found_by_all_criteria_together(
    administration: SessionAdministration, store: MemoryStore, criteria: SessionCriteria, found: list[str]
) -> None:
    begun(store, "old", created_at=NOW - 10)
    begun(store, "two", clients=("rp-a", "rp-b"), created_at=NOW - 5)
    begun(store, "bob", clients=("rp-b",), uid="bob")

    assert [session.id for session in administration.find(criteria)] == found


def test_sessions_are_found_beyond_one_page(administration: SessionAdministration, store: MemoryStore) -> None:
    for number in range(450):
        begun(store, f"{number:03}")

    assert len({session.id for session in administration.find(SessionCriteria(client_id="rp-a"))}) == 450


def test_ending_page_by_page_leaves_none_out(administration: SessionAdministration, store: MemoryStore) -> None:
    for number in range(450):
        begun(store, f"{number:03}")

    for session in administration.find(SessionCriteria()):
        administration.end(session)

    assert store.list_op_sessions(limit=1) == []


def test_users_who_sign_in_again_while_sessions_end_do_not_keep_it_going(
    administration: SessionAdministration, store: MemoryStore, clock: FakeClock
) -> None:
    begun(store)
    ended = []

    for session in islice(administration.find(SessionCriteria()), 3):
        administration.end(session)
        ended.append(session.id)
        clock.advance(1)
        begun(store, f"again-{len(ended)}", created_at=clock())

    assert ended == ["id-one"]


@pytest.mark.spec("BC-40")
def test_an_ended_session_is_gone_with_its_grants_and_its_rps_are_to_be_told_that_it_was_the_operator(
    administration: SessionAdministration, store: MemoryStore
) -> None:
    session = begun(store)
    store.commit([PutGrant(example_grant(op_session_id=session.id))])

    notices = administration.end(session)

    assert store.op_session(session.id) is None
    assert store.grant("grant-one") is None
    assert notices is not None
    assert store.notices(10) == sorted(notices, key=lambda notice: notice.id)  # due at once, so in the order of their ids
    assert [(notice.channel, notice.reason) for notice in notices] == [(Channel.BACKCHANNEL, Reason.ADMIN)]
    ended = store.ephemeral(ENDED_SID, "sid-one-rp-a", NOW)
    assert ended is not None
    assert ended.payload["reason"] == "admin"


def test_a_plan_names_the_same_clients_and_changes_nothing(administration: SessionAdministration, store: MemoryStore) -> None:
    session = begun(store)

    planned = administration.plan_end(session)

    assert store.op_session(session.id) == session
    assert store.notices(10) == []
    ended = administration.end(session) or []
    assert [(one.client_id, one.channel) for one in planned] == [(one.client_id, one.channel) for one in ended]


def test_a_client_that_registered_itself_is_told_and_one_that_is_gone_is_not(
    administration: SessionAdministration, store: MemoryStore
) -> None:
    store.commit([PutClient(Client("dynamic", {"backchannel_logout_uri": "https://dynamic.example.com/bc"}))])
    session = begun(store, clients=("dynamic", "gone"))

    assert [notice.client_id for notice in administration.end(session) or []] == ["dynamic"]


@pytest.mark.parametrize(("fields", "reason"), [({"idle_expires_at": NOW}, Reason.IDLE), ({"expires_at": NOW}, Reason.EXPIRED)])
def test_a_session_that_was_over_already_ended_for_that_reason(
    administration: SessionAdministration, store: MemoryStore, fields: dict[str, Any], reason: Reason
) -> None:
    session = begun(store, **fields)

    assert {notice.reason for notice in administration.end(session) or []} == {reason}


def test_a_session_that_somebody_else_has_ended_is_not_ended_twice(administration: SessionAdministration, store: MemoryStore) -> None:
    session = begun(store)
    store.commit([EndOpSession(session)])

    assert administration.end(session) is None
    assert store.notices(10) == []


def test_a_client_that_joins_in_this_moment_is_told_too(administration: SessionAdministration, store: MemoryStore) -> None:
    store.commit([PutClient(Client("late", {"backchannel_logout_uri": "https://late.example.com/bc"}))])
    session = begun(store)
    store.commit([AddRpSession(session.id, example_rp_session("one", "late"))])

    assert {notice.client_id for notice in administration.end(session) or []} == {"rp-a", "late"}
    assert store.op_session(session.id) is None


def test_a_session_that_never_stands_still_is_told_as_a_conflict_and_lives_on(
    administration: SessionAdministration, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = begun(store)
    commit = store.commit

    def too_late(changes: list[object]) -> None:
        present = store.op_session(session.id)
        assert present is not None
        commit([UpdateOpSession(present)])
        commit(changes)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "commit", too_late)

    with pytest.raises(Conflict):
        administration.end(session)
    assert store.op_session(session.id) is not None
    assert store.notices(10) == []
