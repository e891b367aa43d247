"""Delivery as it runs: its threads, real HTTP to an RP that misbehaves on demand, a store in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from typing import Any

import pytest

from oic_session_ext.clock import system_clock
from oic_session_ext.errors import StoreUnavailable
from oic_session_ext.events import Event, Hooks, NoticeDelivered
from oic_session_ext.logout.backchannel.delivery import Delivery
from oic_session_ext.logout.backchannel.notice_worker import DeliveryParts
from oic_session_ext.model import LogoutNotice, NoticeState, NotifyStatus
from oic_session_ext.settings import DeliverySettings
from oic_session_ext.store.changes import EndOpSession, PutOpSession
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.testing.examples import example_notice, example_op_session
from tests.examples.fault_rp_process import FaultRpProcess, serving_fault_rp
from tests.logout.backchannel.simulation import Signer

WAIT_S = 30


@pytest.fixture(scope="module")
def faulty() -> Iterator[FaultRpProcess]:
    with serving_fault_rp() as rp:
        yield rp


@pytest.fixture(autouse=True)
def as_new(faulty: FaultRpProcess) -> None:
    faulty.forget()


class Faults:
    """A registry in which a client is named `FAULT.RP` and has the back channel of that RP."""

    def __init__(self, faulty: FaultRpProcess) -> None:
        self._faulty = faulty

    def get(self, client_id: str) -> dict[str, Any]:
        fault, _, rp = client_id.partition(".")
        return {"backchannel_logout_uri": self._faulty.uri(fault, rp or "rp")}


class Running:
    """A delivery with the store that it works on and the events that it told."""

    def __init__(self, faulty: FaultRpProcess, store: MemoryStore | None = None, **settings: Any) -> None:
        self.store = store or MemoryStore()
        self.events: list[Event] = []
        given: dict[str, Any] = {"poll_interval_s": 0.02, "timeout_s": 1.0, "lease_s": 10} | settings
        self.settings = DeliverySettings(allow_networks=(ip_network("127.0.0.0/8"),), **given)
        parts = DeliveryParts(
            self.store, Faults(faulty), Signer(), self.settings, "https://op.example.org", system_clock, Hooks(self.events.append)
        )
        self.delivery = Delivery(parts)

    def record(self, *client_ids: str, due_in_s: int = 0) -> list[LogoutNotice]:
        """Record a notice for each client, in one commit."""
        now = system_clock()
        name = f"{time.monotonic_ns()}"
        notices = [
            example_notice(f"{name}-{i}", client_id=client_id, ended_at=now, due_at=now + due_in_s)
            for i, client_id in enumerate(client_ids)
        ]
        session = example_op_session(name)
        self.store.commit([PutOpSession(session), EndOpSession(session, notices)])
        return notices

    def notify(self, *client_ids: str, deadline_s: float = WAIT_S) -> dict[str, NotifyStatus]:
        """Record and tell; what became of it by client."""
        notices = self.record(*client_ids, due_in_s=self.settings.lease_s)
        told = self.delivery.notify(notices, deadline_s)
        return {notice.client_id: told[notice.id] for notice in notices}

    def problems(self) -> dict[str, tuple[NoticeState, str]]:
        return {notice.client_id: (notice.state, notice.problem) for notice in self.store.notices(1000)}


@pytest.fixture
def start(faulty: FaultRpProcess) -> Iterator[Callable[..., Running]]:
    """Starts deliveries; they end with the test."""
    started: list[Running] = []

    def start(**settings: Any) -> Running:
        running = Running(faulty, **settings)
        running.delivery.start()
        started.append(running)
        return running

    yield start
    for running in started:
        running.delivery.stop(0)


def until(is_so: Callable[[], object]) -> None:
    give_up_at = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


@pytest.mark.spec("BC-32", "BC-36")
def test_a_user_is_told_which_rps_were_reached_and_which_were_not(start: Callable[..., Running]) -> None:
    op = start()

    told = op.notify("ok", "no-content", "400", "400-html", "redirect", "500", "503", "429", "close", "reset", "refused", "endless-body")

    assert {client for client, what in told.items() if what is NotifyStatus.DELIVERED} == {"ok", "no-content", "endless-body"}
    assert {client for client, what in told.items() if what is NotifyStatus.UNDELIVERABLE} == {"400", "400-html", "redirect"}
    assert {client for client, what in told.items() if what is NotifyStatus.PENDING} == {"500", "503", "429", "close", "reset", "refused"}
    until(lambda: len(op.problems()) == 9 and all(problem for _, problem in op.problems().values()))
    assert op.problems() == {
        "400": (NoticeState.UNDELIVERABLE, "http_400"),
        "400-html": (NoticeState.UNDELIVERABLE, "http_400"),
        "redirect": (NoticeState.UNDELIVERABLE, "http_302"),
        "500": (NoticeState.PENDING, "http_500"),
        "503": (NoticeState.PENDING, "http_503"),
        "429": (NoticeState.PENDING, "http_429"),
        "close": (NoticeState.PENDING, "connection_lost"),
        "reset": (NoticeState.PENDING, "connection_lost"),
        "refused": (NoticeState.PENDING, "connect_refused"),
    }


@pytest.mark.spec("BC-37", "BC-01", "PY-10")
def test_rps_that_hang_hold_up_neither_the_user_nor_the_others(start: Callable[..., Running]) -> None:
    op = start(timeout_s=20.0, lease_s=30)
    healthy = [f"ok.{i}" for i in range(15)]

    begun = time.monotonic()
    told = op.notify("hang", "slow-headers", *healthy, deadline_s=3)
    took_s = time.monotonic() - begun

    assert {client for client, what in told.items() if what is NotifyStatus.DELIVERED} == set(healthy)
    assert told["hang"] is told["slow-headers"] is NotifyStatus.PENDING
    assert 3 <= took_s < 10


@pytest.mark.spec("BC-37")
@pytest.mark.parametrize("by", ["users", "a worker"])
def test_many_rps_that_hang_do_not_delay_an_rp_that_answered_before(start: Callable[..., Running], by: str) -> None:
    op = start(timeout_s=20.0, lease_s=30, max_concurrency=32)
    assert op.notify("ok") == {"ok": NotifyStatus.DELIVERED}
    op.record("ok", due_in_s=0)
    until(lambda: not op.store.notices(1))
    hanging = op.record(*[f"hang.{number}" for number in range(60)], due_in_s=op.settings.lease_s if by == "users" else 0)
    if by == "users":
        op.delivery.notify(hanging, 0)
    else:
        until(lambda: op.delivery._dispatch.held == 60)

    begun = time.monotonic()
    [notice] = op.record("ok", due_in_s=op.settings.lease_s if by == "users" else 0)
    if by == "users":
        op.delivery.notify([notice], WAIT_S)
    until(lambda: op.store.notice(notice.id) is None)

    assert time.monotonic() - begun < 5


def test_a_user_waits_no_longer_than_until_every_rp_has_answered(start: Callable[..., Running]) -> None:
    op = start()

    begun = time.monotonic()
    op.notify("ok", deadline_s=WAIT_S)

    assert time.monotonic() - begun < WAIT_S / 2


@pytest.mark.spec("BC-38")
def test_a_redirect_is_not_followed(start: Callable[..., Running], faulty: FaultRpProcess) -> None:
    start().notify("redirect")

    assert [request["path"] for request in faulty.received()] == ["/fault/redirect/rp/backchannel_logout"]


@pytest.mark.spec("BC-34", "BC-35", "BC-40")
def test_what_is_due_is_delivered_in_the_background_and_tried_again_with_another_token(
    start: Callable[..., Running], faulty: FaultRpProcess
) -> None:
    op = start(first_pause_s=1, max_pause_s=1, breaker_failures=1000)
    op.record("503")
    until(lambda: len(faulty.received("503")) >= 2)
    faulty.change("503", "ok")

    until(lambda: not op.store.notices(1))

    [counted] = faulty.summary("503").values()
    assert counted["requests"] == counted["different_jti"] >= 3
    until(lambda: [type(event) for event in op.events].count(NoticeDelivered) == 1)


def test_a_notice_recorded_by_somebody_else_is_found_by_the_next_look(start: Callable[..., Running], faulty: FaultRpProcess) -> None:
    op = start()
    op.notify("ok.first")

    op.record("ok")

    until(lambda: not op.store.notices(1))


def test_an_rp_that_was_left_alone_is_left_to_a_worker_when_a_user_signs_out(start: Callable[..., Running], faulty: FaultRpProcess) -> None:
    op = start(breaker_failures=1)
    op.notify("500")

    begun = time.monotonic()
    told = op.notify("500", "ok")

    assert told == {"500": NotifyStatus.PENDING, "ok": NotifyStatus.DELIVERED}
    assert time.monotonic() - begun < WAIT_S / 2
    assert len(faulty.received("500")) == 1


@pytest.mark.parametrize("when", ["before it starts", "after it stopped"])
def test_while_nothing_runs_all_is_left_to_other_workers(when: str, faulty: FaultRpProcess) -> None:
    op = Running(faulty)
    if when == "after it stopped":
        op.delivery.start()
        op.delivery.stop(5)

    told = op.notify("ok")

    assert told == {"ok": NotifyStatus.PENDING}
    assert len(op.store.notices(10, state=NoticeState.PENDING)) == 1


def test_what_is_under_way_when_it_is_stopped_is_finished_and_recorded(start: Callable[..., Running], faulty: FaultRpProcess) -> None:
    op = start(timeout_s=20.0, lease_s=30)
    op.record(*[f"ok.{i}" for i in range(50)])
    until(faulty.received)

    op.delivery.stop(20)

    delivered = len({request["path"] for request in faulty.received()})
    assert len(op.store.notices(1000)) == 50 - delivered


def test_an_rp_that_hangs_does_not_keep_it_from_stopping(start: Callable[..., Running], faulty: FaultRpProcess) -> None:
    op = start(timeout_s=20.0, lease_s=30)
    op.record("hang")
    until(lambda: faulty.received("hang"))

    begun = time.monotonic()
    op.delivery.stop(0.2)

    assert time.monotonic() - begun < 10
    assert len(op.store.notices(10, state=NoticeState.PENDING)) == 1
    assert not [thread for thread in threading.enumerate() if thread in op.delivery._threads]


def test_an_outage_of_the_store_is_survived_with_two_lines_in_the_log(
    start: Callable[..., Running], caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(MemoryStore):
        is_down = False
        refusals = 0

        def lease_notices(self, now: int, until: int, limit: int) -> list[LogoutNotice]:
            if self.is_down:
                self.refusals += 1
                raise StoreUnavailable("down")
            return super().lease_notices(now, until, limit)

    store = Failing()
    caplog.set_level("INFO")
    op = start(store=store)
    store.is_down = True
    until(lambda: store.refusals >= 3)
    op.record("ok")
    store.is_down = False

    until(lambda: not store.notices(1))

    assert [record.message for record in caplog.records] == [
        "delivery: put off until the store answers: down",
        "delivery: the store answers again",
    ]


@pytest.mark.spec("SEC-08")
def test_without_an_allowed_network_nothing_is_sent_to_this_machine(start: Callable[..., Running], faulty: FaultRpProcess) -> None:
    running = Running(faulty)
    parts = DeliveryParts(
        running.store, Faults(faulty), Signer(), DeliverySettings(), "https://op.example.org", system_clock, Hooks(running.events.append)
    )
    running.delivery = Delivery(parts)
    running.delivery.start()

    told = running.notify("ok")
    running.delivery.stop(5)

    assert told == {"ok": NotifyStatus.UNDELIVERABLE}
    assert running.problems() == {"ok": (NoticeState.UNDELIVERABLE, "address_refused")}
    assert faulty.received() == []


# -- threads that wait -------------------------------------------------------------------------------------------------------


def waits(op: Running, logouts: int, deadline_s: float) -> list[float]:
    """Let so many users sign out of an RP that hangs, at the same moment; return how long their threads were held."""
    recorded = [op.record(f"hang.{number}", due_in_s=op.settings.lease_s) for number in range(logouts)]

    def held_s(notices: list[LogoutNotice]) -> float:
        begun = time.monotonic()
        op.delivery.notify(notices, deadline_s)
        return time.monotonic() - begun

    with ThreadPoolExecutor(logouts) as threads:
        return sorted(threads.map(held_s, recorded))


def test_of_many_logouts_at_once_only_some_threads_wait_for_rps_that_hang(start: Callable[..., Running]) -> None:
    op = start(timeout_s=20.0, lease_s=30, max_waiting_threads=1, brief_wait_s=0.2)

    held_s = waits(op, 40, 3)

    assert held_s[38] < 2
    assert 3 <= held_s[39] < 10


def test_a_logout_whose_deadline_is_brief_holds_no_thread_for_longer(start: Callable[..., Running]) -> None:
    op = start(timeout_s=20.0, lease_s=30, max_waiting_threads=10, brief_wait_s=0.2)

    assert max(waits(op, 10, 0.2)) < 2


def test_a_logout_that_did_not_wait_is_notified_all_the_same(start: Callable[..., Running]) -> None:
    op = start(brief_wait_s=0)
    notices = op.record("ok", due_in_s=op.settings.lease_s)

    op.delivery.notify(notices, 0)

    until(lambda: op.delivery.status_of([notices[0].id]) == {notices[0].id: NotifyStatus.DELIVERED})


def test_the_status_of_notices_is_that_of_the_store(start: Callable[..., Running]) -> None:
    op = start()
    ok, refusing, down = [op.record(name, due_in_s=op.settings.lease_s)[0] for name in ("ok", "400", "503")]
    op.delivery.notify([ok, refusing, down], WAIT_S)
    until(lambda: len(op.problems()) == 2 and all(problem for _, problem in op.problems().values()))

    statuses = op.delivery.status_of([ok.id, refusing.id, down.id])

    assert list(statuses.values()) == [NotifyStatus.DELIVERED, NotifyStatus.UNDELIVERABLE, NotifyStatus.PENDING]
