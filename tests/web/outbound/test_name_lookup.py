"""Name look-up with a resolver that hangs on demand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import wait
from typing import Any

import pytest

from oic_session_ext.web.outbound.name_lookup import Addresses, NameLookup, registrable_domain

FOUND: Addresses = ((2, "127.0.0.1"),)
SOON_S = 20
"""Longer than anything takes that does not hang."""


class Resolver:
    """Resolves every name at once; names that contain `slow` hang until `release`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.let_go = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, host: str) -> Addresses:
        with self._lock:
            self.asked.append(host)
        if "slow" in host:
            self.let_go.wait(60)
        if "unknown" in host:
            raise OSError("no such name")
        return FOUND


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    resolver = Resolver()
    yield resolver
    resolver.let_go.set()


class Monotonic:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def lookup(resolver: Resolver, **options: Any) -> NameLookup:
    given: dict[str, Any] = {"threads": 8, "cache_s": 30, "resolve": resolver} | options
    return NameLookup(**given)


def until_asked(resolver: Resolver, count: int) -> None:
    for _ in range(2000):
        if len(resolver.asked) >= count:
            return
        threading.Event().wait(0.01)
    pytest.fail(f"only {len(resolver.asked)} look-ups began")


def test_a_name_is_resolved(resolver: Resolver) -> None:
    assert lookup(resolver).look_up("rp.example.org").result(SOON_S) == FOUND


def test_a_name_that_does_not_resolve_is_an_error(resolver: Resolver) -> None:
    with pytest.raises(OSError, match="no such name"):
        lookup(resolver).look_up("unknown.example.org").result(SOON_S)


def test_addresses_are_used_again_for_a_short_time(resolver: Resolver) -> None:
    clock = Monotonic()
    names = lookup(resolver, clock=clock)
    for later in (0, 29, 31):
        clock.now = later
        names.look_up("rp.example.org").result(SOON_S)

    assert len(resolver.asked) == 2


def test_an_error_is_not_kept(resolver: Resolver) -> None:
    names = lookup(resolver)
    for _ in range(2):
        with pytest.raises(OSError, match="no such name"):
            names.look_up("unknown.example.org").result(SOON_S)

    assert len(resolver.asked) == 2


def test_callers_that_ask_for_the_same_name_share_one_look_up(resolver: Resolver) -> None:
    names = lookup(resolver)
    waiting = [names.look_up("slow.example.org") for _ in range(50)]
    until_asked(resolver, 1)
    resolver.let_go.set()

    assert [one.result(SOON_S) for one in waiting] == [FOUND] * 50
    assert resolver.asked == ["slow.example.org"]


def test_a_caller_that_gives_up_takes_nothing_from_the_others(resolver: Resolver) -> None:
    names = lookup(resolver)
    impatient, patient = names.look_up("slow.example.org"), names.look_up("slow.example.org")
    impatient.cancel()
    resolver.let_go.set()

    assert patient.result(SOON_S) == FOUND


def test_names_that_hang_do_not_delay_names_that_resolved_before(resolver: Resolver) -> None:
    names = lookup(resolver, cache_s=0)
    names.look_up("rp.example.net").result(SOON_S)
    for number in range(100):
        names.look_up(f"slow.rp-{number}.com")

    assert names.look_up("rp.example.net").result(SOON_S) == FOUND


def test_names_that_hang_do_not_delay_new_names_once_their_callers_gave_up(resolver: Resolver) -> None:
    names = lookup(resolver, threads=16)
    for number in range(7):
        names.look_up(f"slow.rp-{number}.com").cancel()
    again = [names.look_up(f"slow.rp-{number}.com") for number in range(7, 11)]

    assert names.look_up("new.example.org").result(SOON_S) == FOUND
    assert not wait(again, 0).done


def test_one_domain_takes_only_some_of_the_threads(resolver: Resolver) -> None:
    names = lookup(resolver, threads=16)
    for number in range(50):
        names.look_up(f"slow-{number}.example.co.uk")
    until_asked(resolver, 4)

    assert names.look_up("rp.other.co.uk").result(SOON_S) == FOUND
    assert len([host for host in resolver.asked if "slow" in host]) == 4


def test_a_name_that_was_slow_gets_a_thread_only_while_few_slow_names_run(resolver: Resolver) -> None:
    names = lookup(resolver, threads=8)
    for number in range(2):
        names.look_up(f"slow.rp-{number}.com").cancel()
    until_asked(resolver, 2)

    names.look_up("slow.rp-0.com")
    names.look_up("slow.rp-1.com")

    assert len(resolver.asked) == 2  # they join the look-ups that still run


def test_too_many_waiting_look_ups_are_refused(resolver: Resolver) -> None:
    names = lookup(resolver)
    for number in range(2100):
        last = names.look_up(f"slow-{number}.example.org")

    with pytest.raises(OSError, match="too many"):
        last.result(0)


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("a.b.example.org", "example.org"),
        ("RP.Example.ORG.", "example.org"),
        ("a.example.co.uk", "example.co.uk"),
        ("localhost", "localhost"),
    ],
)
def test_a_domain_is_what_one_owner_has_registered(host: str, domain: str) -> None:
    assert registrable_domain(host) == domain
