"""When notices are sent and what becomes of them, on a clock that stands still."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from oic_session_ext.errors import SessionExtError, StoreUnavailable
from oic_session_ext.events import BreakerClosed, BreakerOpened, NoticeDeferred, NoticeDelivered, NoticeUndeliverable
from oic_session_ext.logout.backchannel.attempt_result import DELIVERED, AttemptResult
from oic_session_ext.model import NoticeState, NotifyStatus
from oic_session_ext.settings import DeliverySettings
from oic_session_ext.store.changes import DeleteNotice
from oic_session_ext.store.memory.engine import MemoryStore
from tests.logout.backchannel.simulation import DOWN, Simulation


def no_breaker(**fields: Any) -> DeliverySettings:
    return DeliverySettings(breaker_failures=10_000, **fields)


def test_a_notice_that_is_delivered_is_gone_and_its_event_is_told() -> None:
    op = Simulation()
    [notice] = op.add(1)

    op.step()

    assert op.store.notice(notice.id) is None
    assert [event.notice.id for event in op.told(NoticeDelivered)] == [notice.id]


def test_notices_are_sent_in_the_order_in_which_their_sessions_ended() -> None:
    op = Simulation()
    notices = op.add(30)

    op.run(10)

    assert [notice.id for notice in op.sent] == [notice.id for notice in notices]


@pytest.mark.spec("BC-34")
def test_pauses_grow_to_a_limit_and_then_the_notice_is_given_up_on_and_kept() -> None:
    op = Simulation(no_breaker(first_pause_s=5, max_pause_s=20, max_attempts=6), answers=lambda _: DOWN)
    op.add(1)

    op.run(120)

    assert [later - earlier for earlier, later in pairwise(op.at)] == [5, 10, 20, 20, 20]
    [kept] = op.kept(NoticeState.UNDELIVERABLE)
    assert (kept.attempts, kept.problem, kept.due_at) == (6, "connect_refused", op.at[-1] + 30 * 86400)
    assert len(op.told(NoticeDeferred)) == 5
    assert [event.notice for event in op.told(NoticeUndeliverable)] == [kept]


def test_half_of_a_pause_is_random() -> None:
    op = Simulation(no_breaker(first_pause_s=100, max_pause_s=100), answers=lambda _: DOWN, jitter=0.999)
    op.add(1)

    op.run(120)

    assert op.at[1] - op.at[0] == 51


def test_a_notice_is_given_up_on_when_its_session_ended_too_long_ago() -> None:
    op = Simulation(no_breaker(first_pause_s=5, max_pause_s=5, give_up_after_s=12), answers=lambda _: DOWN)
    op.add(1)

    op.run(40)

    assert [at - op.at[0] for at in op.at] == [0, 5, 10, 15]
    assert len(op.kept(NoticeState.UNDELIVERABLE)) == 1


def test_a_notice_that_is_old_already_is_tried_once_before_it_is_given_up_on() -> None:
    op = Simulation(DeliverySettings(give_up_after_s=60))
    op.add(1, ended_at=op.clock.now - 3600)

    op.step()

    assert len(op.told(NoticeDelivered)) == 1


@pytest.mark.spec("BC-33", "BC-34")
def test_after_a_refusal_nothing_is_sent_again() -> None:
    op = Simulation(answers=lambda _: AttemptResult("http_400"))
    op.add(1)

    op.run(100)

    assert len(op.sent) == 1
    assert [notice.problem for notice in op.kept(NoticeState.UNDELIVERABLE)] == ["http_400"]


@pytest.mark.parametrize(("asked", "waited"), [(2, 5), (60, 60), (100_000, 300)])
def test_retry_after_is_honoured_within_bounds(asked: int, waited: int) -> None:
    op = Simulation(no_breaker(first_pause_s=5, max_pause_s=300), answers=lambda _: AttemptResult("http_429", True, asked))
    op.add(1)

    op.run(waited + 1)

    assert op.at[1] - op.at[0] == waited


@pytest.mark.spec("BC-35", "BC-09")
def test_each_attempt_has_a_token_of_its_own() -> None:
    op = Simulation(no_breaker(first_pause_s=5), answers=lambda _: DOWN)
    op.add(1)

    op.run(20)

    assert len({claims["jti"] for claims in op.signer.signed}) == len(op.signer.signed) == 3
    assert [claims["iat"] for claims in op.signer.signed] == op.at
    assert all(claims["exp"] - claims["iat"] == 120 for claims in op.signer.signed)


@pytest.mark.parametrize(("metadata", "problem"), [(None, "client_unknown"), ({}, "no_backchannel_logout_uri")])
def test_a_client_that_cannot_be_told_is_reported(metadata: dict[str, str] | None, problem: str) -> None:
    class Nobody:
        def get(self, _: str) -> dict[str, str] | None:
            return metadata

    op = Simulation(clients=Nobody())
    op.add(1)

    op.step()

    assert [notice.problem for notice in op.kept(NoticeState.UNDELIVERABLE)] == [problem]


def test_a_client_without_a_good_key_is_tried_again_later() -> None:
    class Keyless:
        def sign_logout_token(self, _: object, __: object) -> str:
            raise SessionExtError("no key")

    op = Simulation()
    op.worker._parts = type(op.worker._parts)(
        op.store, op.clients, Keyless(), op.settings, "https://op.example.org", op.clock, op.worker._parts.hooks
    )
    op.add(1)

    op.run(3)

    assert [(notice.problem, notice.attempts) for notice in op.kept()] == [("no_key", 1)]


# -- an RP that does not answer ------------------------------------------------------------------------------------------


def test_after_some_failures_in_a_row_an_rp_is_left_alone_and_then_tried_with_one_notice() -> None:
    op = Simulation(answers=lambda _: DOWN)
    op.add(100)

    op.run(29)
    sent_at_once = len(op.sent)
    op.run(1)
    op.run(1)

    assert sent_at_once == 8 + 4  # those that were under way side by side, and one for each that failed before the fifth
    assert len(op.sent) == 13
    assert len(op.told(BreakerOpened)) == 2


def test_an_rp_that_is_down_for_an_hour_is_told_when_it_is_back_in_order_and_without_a_burst() -> None:
    is_down = True
    op = Simulation(answers=lambda _: DOWN if is_down else DELIVERED)
    notices = op.add(400)
    op.run(3600)
    tried_while_down = len(op.sent)
    op.sent.clear()
    op.widest.clear()
    is_down = False
    back_at = op.clock.now

    op.run(900)

    assert tried_while_down < 40
    assert op.kept() == []
    assert op.at[-1] - back_at < 600
    probe, *rest = [notice.id for notice in op.sent]
    assert rest == [notice.id for notice in notices if notice.id != probe]
    per_second = [op.at.count(second) for second in range(back_at, op.clock.now)]
    begun = [count for count in per_second if count]
    assert begun[:4] == [1, 1, 2, 4]
    assert max(begun) == 8 == op.widest["rp-a"]
    assert len(op.told(BreakerClosed)) == 1


def test_one_dead_rp_with_thousands_of_notices_slows_nobody() -> None:
    op = Simulation(answers=lambda notice: DOWN if notice.client_id == "dead" else DELIVERED)
    op.add(2000, "dead", ended_at=op.clock.now - 100, due_at=op.clock.now - 100)
    op.run(5)
    healthy = op.add(20, "healthy")

    op.run(4)

    delivered = {event.notice.id for event in op.told(NoticeDelivered)}
    assert delivered == {notice.id for notice in healthy}
    assert sum(notice.client_id == "dead" for notice in op.sent) <= 16


def test_the_many_notices_of_one_slow_rp_do_not_keep_others_from_being_leased() -> None:
    op = Simulation()
    op.add(1000, "slow", ended_at=op.clock.now - 100, due_at=op.clock.now - 100)
    op.add(1, "quick")
    op.worker._pump = lambda _: None  # nothing gets ready

    for _ in range(10):
        op.worker.lease()
        op.clock.advance(1)

    assert op.dispatch.waiting("quick") == 1


def test_a_notice_that_an_rp_cannot_digest_does_not_stand_in_the_way_of_the_others() -> None:
    op = Simulation(answers=lambda notice: DOWN if notice.id == "notice-n-rp-a-0" else DELIVERED)
    op.add(1)
    op.run(400)
    op.add(5, prefix="later")

    op.run(400)

    assert len(op.told(NoticeDelivered)) == 5
    assert [notice.id for notice in op.kept()] == ["notice-n-rp-a-0"]


def test_the_notices_of_an_rp_that_is_gone_for_good_come_to_an_end_without_an_attempt_for_each() -> None:
    op = Simulation(DeliverySettings(give_up_after_s=600), answers=lambda _: DOWN)
    op.add(300, ended_at=op.clock.now)

    op.run(1000)

    assert op.kept() == []
    assert len(op.kept(NoticeState.UNDELIVERABLE)) == 300
    assert len(op.sent) < 30


def test_trying_whether_an_rp_answers_does_not_use_up_the_attempts_of_a_notice() -> None:
    op = Simulation(DeliverySettings(max_attempts=6, breaker_max_pause_s=30), answers=lambda _: DOWN)
    op.add(1)

    op.run(600)

    [kept] = op.kept()
    assert kept.attempts > 6


def test_a_refusal_is_an_answer_so_the_rp_is_not_left_alone() -> None:
    op = Simulation(answers=lambda _: AttemptResult("http_400"))
    op.add(50)

    op.run(10)

    assert len(op.sent) == 50
    assert op.told(BreakerOpened) == []


# -- leases --------------------------------------------------------------------------------------------------------------


def test_what_a_process_that_died_had_leased_is_sent_by_another_one_when_the_lease_is_over() -> None:
    died, other = Simulation(), Simulation()
    other.store, other.clock = died.store, died.clock
    other.__post_init__()
    died.add(20)
    died.worker.lease()

    other.run(29)
    sent_before = len(other.sent)
    other.run(10)

    assert sent_before == 0
    assert len(other.sent) == 20


def test_a_notice_whose_lease_is_about_to_run_out_is_left_to_the_next_one() -> None:
    op = Simulation()
    op.add(1)
    op.worker.lease()
    [prepared] = op.flights

    op.clock.advance(24)
    early = op.dispatch.is_leased(prepared)
    op.clock.advance(1)

    assert early
    assert not op.dispatch.is_leased(prepared)


def test_what_waits_when_a_process_stops_is_due_at_once() -> None:
    op = Simulation()
    op.add(20)
    op.worker.lease()

    op.worker.give_back()
    op.worker.record()

    assert sum(notice.due_at == op.clock.now for notice in op.kept()) == 12  # 8 are under way


def test_a_user_who_waits_is_told_what_became_of_each_notice() -> None:
    op = Simulation(
        answers=lambda notice: AttemptResult("http_400") if notice.id.endswith("1") else DOWN if notice.id.endswith("2") else DELIVERED
    )
    notices = op.add(3, due_at=op.clock.now + 30)
    told: dict[str, NotifyStatus] = {}

    for notice in notices:
        op.worker.offer(notice, {}, told.__setitem__)
    op.run(2)

    assert list(told.values()) == [NotifyStatus.DELIVERED, NotifyStatus.UNDELIVERABLE, NotifyStatus.PENDING]


# -- the store -----------------------------------------------------------------------------------------------------------


def test_a_notice_that_an_operator_drops_while_it_is_under_way_is_no_trouble_for_the_others() -> None:
    op = Simulation(answers=lambda _: DOWN)
    notices = op.add(3)
    op.worker.lease()
    op.store.commit([DeleteNotice(notices[1].id)])

    op.step()

    assert {notice.id: notice.attempts for notice in op.kept()} == {notices[0].id: 1, notices[2].id: 1}
    assert [event.notice.id for event in op.told(NoticeDeferred)] == [notices[0].id, notices[2].id]


def test_outcomes_outlive_an_outage_of_the_store() -> None:
    class Failing(MemoryStore):
        is_down = False

        def commit(self, changes: object) -> None:
            if self.is_down:
                raise StoreUnavailable("down")
            super().commit(changes)  # type: ignore[arg-type]

    store = Failing()
    op = Simulation(store=store)
    op.add(2)
    op.worker.lease()
    store.is_down = True
    with pytest.raises(StoreUnavailable):
        op.step()
    told_while_down = op.told(NoticeDelivered)

    store.is_down = False
    op.worker.record()

    assert told_while_down == []
    assert len(op.told(NoticeDelivered)) == 2
    assert op.kept() == []


def test_many_rps_that_hang_do_not_keep_the_notices_of_others_in_the_store() -> None:
    op = Simulation()
    for number in range(60):
        op.add(100, f"hang-{number}", ended_at=op.clock.now - 60, due_at=op.clock.now - 60)
    op.add(1, "well")

    for _ in range(80):  # no attempt ends
        op.worker.lease()
        op.worker.record()
        op.clock.advance(1)

    assert [prepared.notice.client_id for prepared in op.flights].count("well") == 1
