"""The circuit breaker per host, on a clock that stands still."""

from __future__ import annotations

import pytest

from oic_session_ext.settings import OutboundSettings
from oic_session_ext.web.outbound.host_breaker import HostBreaker

SETTINGS = OutboundSettings(breaker_failures=3, breaker_first_pause_s=10, breaker_max_pause_s=40)


class Monotonic:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Monotonic:
    return Monotonic()


@pytest.fixture
def breaker(clock: Monotonic) -> HostBreaker:
    return HostBreaker(SETTINGS, clock)


def fail(breaker: HostBreaker, times: int, host: str = "rp.example.org") -> None:
    for _ in range(times):
        breaker.failed(host)


def test_a_host_is_called_until_it_fails_several_times_in_a_row(breaker: HostBreaker) -> None:
    fail(breaker, 2)

    assert breaker.allows("rp.example.org")


def test_a_host_that_keeps_failing_is_refused(breaker: HostBreaker) -> None:
    fail(breaker, 3)

    assert not breaker.allows("rp.example.org")


def test_other_hosts_are_not_refused(breaker: HostBreaker) -> None:
    fail(breaker, 3)

    assert breaker.allows("other.example.org")


def test_a_success_starts_the_count_again(breaker: HostBreaker) -> None:
    fail(breaker, 2)
    breaker.succeeded("rp.example.org")
    fail(breaker, 2)

    assert breaker.allows("rp.example.org")


def test_after_the_pause_one_request_is_allowed_and_no_second_one(breaker: HostBreaker, clock: Monotonic) -> None:
    fail(breaker, 3)
    clock.now += 10

    assert [breaker.allows("rp.example.org") for _ in range(3)] == [True, False, False]


def test_pauses_grow_to_a_limit(breaker: HostBreaker, clock: Monotonic) -> None:
    fail(breaker, 3)
    pauses = []
    for _ in range(4):
        began = clock.now
        while not breaker.allows("rp.example.org"):
            clock.now += 1
        pauses.append(clock.now - began)
        breaker.failed("rp.example.org")

    assert pauses == [10, 20, 40, 40]


def test_a_success_after_the_pause_ends_it_for_all(breaker: HostBreaker, clock: Monotonic) -> None:
    fail(breaker, 3)
    clock.now += 10
    breaker.allows("rp.example.org")
    breaker.succeeded("rp.example.org")

    assert all(breaker.allows("rp.example.org") for _ in range(3))


def test_the_memory_of_hosts_is_bounded(breaker: HostBreaker) -> None:
    for number in range(6000):
        fail(breaker, 3, f"rp-{number}.example.org")

    assert len(breaker._hosts) == 5000
