"""So many requests of an address in a minute, and no more memory for more addresses."""

from __future__ import annotations

from oic_session_ext.testing.fake_clock import FakeClock
from oic_session_ext.web.rate_limit import RateLimiter


def test_after_so_many_requests_an_address_waits_for_the_next_minute() -> None:
    clock = FakeClock(60_000)
    rate = RateLimiter(3, clock)
    clock.advance(20)

    waits = [rate.refused_for("192.0.2.1") for _ in range(5)]
    clock.advance(40)

    assert waits == [0, 0, 0, 40, 40]
    assert rate.refused_for("192.0.2.1") == 0


def test_other_addresses_are_not_refused() -> None:
    rate = RateLimiter(1, FakeClock())

    first = [rate.refused_for(f"192.0.2.{number}") for number in range(50)]

    assert first.count(0) >= 48  # two addresses may share a counter
    assert rate.refused_for("192.0.2.1") > 0


def test_the_addresses_of_one_ipv6_network_are_one() -> None:
    rate = RateLimiter(1, FakeClock())

    assert rate.refused_for("2001:db8::1") == 0
    assert rate.refused_for("2001:db8::2") > 0


def test_it_does_not_grow() -> None:
    rate = RateLimiter(1, FakeClock())
    rate.refused_for("192.0.2.1")
    size = len(rate._counts)

    for number in range(20_000):
        rate.refused_for(str(number))

    assert len(rate._counts) == size
