"""Leases and outcomes on every engine: two workers on one store, an RP that is down, an operator in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oic_session_ext.events import NoticeDelivered
from oic_session_ext.logout.backchannel.attempt_result import DELIVERED, AttemptResult
from oic_session_ext.logout.notice_administration import NoticeAdministration, NoticeCriteria
from oic_session_ext.model import NoticeState
from oic_session_ext.store import open_store
from oic_session_ext.store.base import Store
from oic_session_ext.store.changes import DeleteNotice
from oic_session_ext.testing.fake_clock import FakeClock
from tests.logout.backchannel.simulation import DOWN, Simulation
from tests.store.postgresql_server import PostgresqlServer
from tests.store.redis_server import redis_server, redis_url  # noqa: F401 -- fixtures

ENGINES = ["memory", "sqlite", "postgresql", "redis"]


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "postgresql":
        postgresql: PostgresqlServer = request.getfixturevalue("postgresql")
        url = postgresql.url(postgresql.emptied_database())
    elif request.param == "redis":
        url = request.getfixturevalue("redis_url")
    else:
        url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/op.sqlite"
    store = open_store(url)
    yield store
    store.close()


def test_two_workers_share_what_is_due_and_each_notice_is_delivered_once(store: Store) -> None:
    clock = FakeClock()
    one, two = Simulation(store=store, clock=clock), Simulation(store=store, clock=clock)
    for i in range(5):
        one.add(50, f"rp-{i}")

    for _ in range(20):
        one.step()
        two.step()
        clock.advance(1)

    delivered = [event.notice.id for worker in (one, two) for event in worker.told(NoticeDelivered)]
    assert len(delivered) == len(set(delivered)) == 250
    assert store.notices(1) == []
    assert one.sent
    assert two.sent


def test_a_dead_rp_is_left_alone_and_told_in_order_when_it_is_back(store: Store) -> None:
    is_down = True
    op = Simulation(store=store, answers=lambda notice: DOWN if is_down and notice.client_id == "dead" else DELIVERED)
    notices = op.add(40, "dead")
    healthy = op.add(10, "healthy")
    op.run(20)
    delivered_meanwhile = {event.notice.id for event in op.told(NoticeDelivered)}
    op.clock.advance(280)
    is_down = False
    op.sent.clear()

    op.run(60)

    assert delivered_meanwhile == {notice.id for notice in healthy}
    probe, *rest = [notice.id for notice in op.sent]
    assert rest == [notice.id for notice in notices if notice.id != probe]
    assert store.notices(1) == []


def test_what_is_given_up_on_is_kept_until_an_operator_sends_it_again(store: Store) -> None:
    refuses = True
    op = Simulation(store=store, answers=lambda _: AttemptResult("http_400") if refuses else DELIVERED)
    op.add(3)
    op.step()
    administration = NoticeAdministration(store, op.clock)
    kept = administration.find(NoticeCriteria(state=NoticeState.UNDELIVERABLE), 10)
    refuses = False

    resent = [administration.resend(notice) for notice in kept]
    op.step()

    assert resent == [True, True, True]
    assert {notice.problem for notice in kept} == {"http_400"}
    assert store.notices(1) == []
    assert administration.resend(kept[0]) is False  # it is gone


def test_a_notice_that_is_dropped_while_it_is_under_way_stays_dropped(store: Store) -> None:
    op = Simulation(store=store, answers=lambda _: DOWN)
    notices = op.add(3)
    op.worker.lease()
    store.commit([DeleteNotice(notices[1].id)])

    op.step()

    assert {notice.id for notice in store.notices(10)} == {notices[0].id, notices[2].id}
