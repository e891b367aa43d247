"""A limit that all servers on one store share: how many attempts are carried out, and when the next one may be."""

from __future__ import annotations

import pytest

from oic_session_ext.cluster.attempt_limit import AttemptLimit, Limit, Reservation
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.testing.fake_clock import FakeClock
from oic_session_ext.testing.store_contract import winners

ALICE = Limit("alice", 3)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def limit(clock: FakeClock) -> AttemptLimit:
    return AttemptLimit(MemoryStore(), "attempts", 60, clock)


def reserve(limit: AttemptLimit, *limits: Limit) -> Reservation:
    reserved = limit.reserve(limits)
    assert isinstance(reserved, Reservation)
    return reserved


def test_as_many_attempts_as_places_are_carried_out(limit: AttemptLimit) -> None:
    for _ in range(3):
        reserve(limit, ALICE)

    assert limit.reserve([ALICE]) == 60


def test_the_next_attempt_may_be_made_when_the_oldest_place_is_free(limit: AttemptLimit, clock: FakeClock) -> None:
    reserve(limit, ALICE)
    clock.advance(20)
    reserve(limit, ALICE)
    reserve(limit, ALICE)

    assert limit.reserve([ALICE]) == 40
    clock.advance(40)
    assert isinstance(limit.reserve([ALICE]), Reservation)
    assert limit.reserve([ALICE]) == 20


def test_a_released_place_is_free_at_once(limit: AttemptLimit) -> None:
    for _ in range(10):
        limit.release(*reserve(limit, ALICE).places)

    assert reserve(limit, ALICE).others == ()


def test_a_full_limit_reserves_nothing_of_the_others(limit: AttemptLimit) -> None:
    for _ in range(3):
        reserve(limit, ALICE)
    for _ in range(5):
        assert limit.reserve([Limit("address", 1), ALICE]) == 60

    assert isinstance(limit.reserve([Limit("address", 1)]), Reservation)


def test_a_reservation_names_the_places_that_earlier_attempts_of_the_first_limit_hold(limit: AttemptLimit) -> None:
    first, second = reserve(limit, ALICE), reserve(limit, ALICE)

    third = reserve(limit, ALICE)

    assert set(third.others) == {*first.places, *second.places}


def test_limits_of_another_key_or_kind_are_others(clock: FakeClock) -> None:
    store = MemoryStore()
    one, other = AttemptLimit(store, "one", 60, clock), AttemptLimit(store, "other", 60, clock)
    reserve(one, Limit("alice", 1))

    assert isinstance(one.reserve([Limit("bob", 1)]), Reservation)
    assert isinstance(other.reserve([Limit("alice", 1)]), Reservation)


def test_a_large_limit_gives_every_place(limit: AttemptLimit) -> None:
    many = Limit("many", 50)
    for _ in range(50):
        reserve(limit, many)

    assert limit.reserve([many]) == 60


def test_attempts_of_many_servers_at_the_same_moment_get_as_many_places_as_there_are(clock: FakeClock) -> None:
    store = MemoryStore()

    granted: list[int] = []

    def count(number: int) -> None:
        server = AttemptLimit(store, "attempts", 60, clock)
        granted.extend(1 for _ in range(5) if isinstance(server.reserve([Limit("alice", 10), Limit("address", 300)]), Reservation))

    winners(count, 8)

    assert len(granted) == 10
