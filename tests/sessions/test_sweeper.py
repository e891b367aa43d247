"""Housekeeping: what is over is ended and removed, in batches, and one bad moment does not end it for good."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from oic_session_ext.errors import Conflict, StoreUnavailable
from oic_session_ext.model import Channel, EphemeralRecord
from oic_session_ext.sessions.sweeper import Sweeper
from oic_session_ext.settings import SessionManagementSettings
from oic_session_ext.store.changes import AddRpSession, PutEphemeral, PutOpSession
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.testing.examples import NOW, example_op_session, example_rp_session
from oic_session_ext.testing.fake_clock import FakeClock

CLIENTS = {"rp-a": {"client_id": "rp-a", "backchannel_logout_uri": "https://rp-a.example.com/bc"}}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sweeper(store: MemoryStore, clock: FakeClock) -> Sweeper:
    return Sweeper(store, CLIENTS, SessionManagementSettings(), clock)


def test_sessions_that_are_over_are_ended_and_live_ones_are_not(sweeper: Sweeper, store: MemoryStore, clock: FakeClock) -> None:
    store.commit([PutOpSession(example_op_session("idle")), PutOpSession(example_op_session("used", idle_expires_at=NOW + 900))])
    clock.advance(100)

    assert sweeper.sweep() == 1
    assert store.op_session("id-idle") is None
    assert store.op_session("id-used") is not None


def test_nothing_ends_a_second_early(sweeper: Sweeper, store: MemoryStore, clock: FakeClock) -> None:
    store.commit([PutOpSession(example_op_session())])
    clock.advance(99)

    assert sweeper.sweep() == 0


@pytest.mark.spec("BC-40")
@pytest.mark.parametrize(("changes", "reason"), [({}, "idle"), ({"expires_at": NOW + 100}, "expired")])
def test_the_end_of_a_session_is_recorded_for_its_rps(
    sweeper: Sweeper, store: MemoryStore, clock: FakeClock, changes: dict[str, Any], reason: str
) -> None:
    store.commit([PutOpSession(example_op_session(**changes)), AddRpSession("id-one", example_rp_session())])
    clock.advance(100)

    sweeper.sweep()

    notice = store.notices(10)[0]
    assert (notice.client_id, notice.channel, notice.reason) == ("rp-a", Channel.BACKCHANNEL, reason)


def test_many_sessions_are_ended_in_one_sweep(sweeper: Sweeper, store: MemoryStore, clock: FakeClock) -> None:
    for number in range(450):
        store.commit([PutOpSession(example_op_session(str(number)))])
    clock.advance(100)

    assert sweeper.sweep() == 450


def test_expired_records_are_removed(sweeper: Sweeper, store: MemoryStore, clock: FakeClock) -> None:
    store.commit([PutEphemeral(EphemeralRecord("kind", str(number), NOW + 10, {})) for number in range(450)])
    clock.advance(10)

    sweeper.sweep()

    assert store.sweep(clock(), 1000).ephemerals == 0


def test_a_session_that_is_used_in_this_moment_is_left_alone(
    sweeper: Sweeper, store: MemoryStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.commit([PutOpSession(example_op_session("one")), PutOpSession(example_op_session("two"))])
    clock.advance(100)
    stale = [replace(session, version=session.version - 1) for session in store.due_op_sessions(clock(), 1)]
    fresh = store.due_op_sessions(clock(), 2)[1:]
    monkeypatch.setattr(store, "due_op_sessions", lambda *_: stale + fresh)

    assert sweeper.sweep() == 1


@pytest.mark.parametrize(
    "fault", [StoreUnavailable("gone"), Conflict("change"), RuntimeError("a bug")], ids=lambda fault: type(fault).__name__
)
def test_a_fault_is_logged_and_the_next_sweep_goes_on(
    sweeper: Sweeper,
    store: MemoryStore,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: Exception,
) -> None:
    store.commit([PutOpSession(example_op_session())])
    clock.advance(100)

    def fail(*_: object) -> None:
        raise fault

    with monkeypatch.context() as context, caplog.at_level(logging.WARNING):
        context.setattr(store, "due_op_sessions", fail)
        assert sweeper.sweep() == 0

    assert "sweep" in caplog.text
    assert sweeper.sweep() == 1
