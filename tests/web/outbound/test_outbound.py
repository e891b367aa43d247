"""Requests within limits, against servers on loopback that accept connections and never answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from ipaddress import ip_network
from typing import Any

import pytest

from oic_session_ext.settings import OutboundSettings
from oic_session_ext.web.address_guard import AddressGuard
from oic_session_ext.web.outbound.failures import RequestFailed, RequestRefused
from oic_session_ext.web.outbound.name_lookup import Addresses
from oic_session_ext.web.outbound.outbound import Outbound
from tests.web.outbound.servers import SilentServer, serving

LOOPBACK = AddressGuard([ip_network("127.0.0.0/8")])
SOON_S = 20
"""Longer than anything takes that does not hang."""


@pytest.fixture
def make() -> Iterator[Callable[..., Outbound]]:
    """Makes clients; they end with the test."""
    made: list[Outbound] = []

    def make(*, on_refused: Any = None, resolve: Any = None, **settings: Any) -> Outbound:
        options = {name: value for name, value in (("on_refused", on_refused), ("resolve", resolve)) if value is not None}
        made.append(Outbound(LOOPBACK, OutboundSettings(**settings), **options))
        return made[-1]

    yield make
    for outbound in made:
        outbound.stop()


@pytest.fixture
def silent() -> Iterator[SilentServer]:
    with SilentServer() as server:
        yield server


def fetched(outbound: Outbound, uri: str, timeout_s: float | None = None) -> bytes:
    return outbound.fetch(uri, "*/*", timeout_s).result(SOON_S).body


def test_a_document_is_fetched_in_the_background(make: Callable[..., Outbound]) -> None:
    with serving(b"hello") as uri:
        assert fetched(make(), uri) == b"hello"


def test_a_server_that_never_answers_is_given_up_at_the_deadline(make: Callable[..., Outbound], silent: SilentServer) -> None:
    with pytest.raises(RequestFailed, match="timeout"):
        fetched(make(), silent.uri(), 0.2)


def test_the_deadline_includes_the_name_look_up(make: Callable[..., Outbound]) -> None:
    hangs = threading.Event()

    def resolve(_host: str) -> Addresses:
        hangs.wait(60)
        return ()

    began = time.monotonic()
    with pytest.raises(RequestFailed):
        fetched(make(resolve=resolve), "https://rp.example.org/jwks", 0.2)
    took_s = time.monotonic() - began
    hangs.set()

    assert took_s < SOON_S / 2


def test_the_connection_goes_to_the_address_that_was_judged(make: Callable[..., Outbound]) -> None:
    asked: list[str] = []

    def resolve(host: str) -> Addresses:
        asked.append(host)
        return ((socket.AF_INET, "127.0.0.1" if len(asked) == 1 else "10.0.0.1"),)

    with serving(b"hello") as uri:
        assert fetched(make(resolve=resolve), uri.replace("127.0.0.1", "rp.example.org")) == b"hello"

    assert asked == ["rp.example.org"]


def test_one_fetch_serves_all_who_want_the_same_document(make: Callable[..., Outbound], silent: SilentServer) -> None:
    outbound = make(max_concurrency=1)

    futures = {id(outbound.fetch(silent.uri(), "*/*", 0.5)) for _ in range(20)}

    assert len(futures) == 1


def test_too_many_fetches_from_one_host_are_refused_and_another_host_is_fetched_from(
    make: Callable[..., Outbound], silent: SilentServer
) -> None:
    outbound = make(max_concurrency_per_host=2)
    for number in range(2):
        outbound.fetch(silent.uri(f"/{number}"), "*/*")

    with pytest.raises(RequestRefused, match="busy"):
        outbound.fetch(silent.uri("/2"), "*/*")
    with serving(b"hello") as uri:
        assert fetched(outbound, uri) == b"hello"


def test_a_fetch_that_ended_leaves_its_place_to_another(make: Callable[..., Outbound]) -> None:
    outbound = make(max_concurrency=1)
    with serving(b"hello") as uri:
        for number in range(3):
            assert fetched(outbound, f"{uri}{number}") == b"hello"
            for _ in range(1000):
                if not outbound._here().fetches:
                    break
                time.sleep(0.01)


def test_a_host_to_which_no_connection_can_be_made_is_refused_at_once(make: Callable[..., Outbound]) -> None:
    refused: list[tuple[str, str]] = []
    outbound = make(breaker_failures=2, on_refused=lambda *what: refused.append(what))
    for number in range(2):
        with pytest.raises(RequestFailed, match="connect_refused"):
            fetched(outbound, f"http://127.0.0.1:1/{number}")

    with pytest.raises(RequestRefused, match="breaker_open"):
        outbound.fetch("http://127.0.0.1:1/2", "*/*")
    assert refused == [("127.0.0.1:1", "breaker_open")]


def test_a_failed_connection_for_a_logout_token_counts_too(make: Callable[..., Outbound]) -> None:
    outbound = make(breaker_failures=1)
    with pytest.raises(RequestFailed, match="connect_refused"):
        outbound.submit(outbound.post("http://127.0.0.1:1/logout", b"", 5, 5)).result(SOON_S)

    with pytest.raises(RequestRefused, match="breaker_open"):
        outbound.fetch("http://127.0.0.1:1/jwks", "*/*")


def test_a_logout_token_is_sent_to_a_host_that_pauses(make: Callable[..., Outbound]) -> None:
    outbound = make(breaker_failures=1)
    for _ in range(2):
        with pytest.raises(RequestFailed, match="connect_refused"):
            outbound.submit(outbound.post("http://127.0.0.1:1/logout", b"", 5, 5)).result(SOON_S)


def test_a_uri_that_never_answers_is_refused_at_once(make: Callable[..., Outbound], silent: SilentServer) -> None:
    outbound = make(breaker_failures=2)
    for _ in range(2):
        with pytest.raises(RequestFailed, match="timeout"):
            fetched(outbound, silent.uri(), 0.1)

    with pytest.raises(RequestRefused, match="breaker_open"):
        outbound.fetch(silent.uri(), "*/*")


def test_a_slow_page_of_a_host_does_not_stop_fetches_of_its_other_pages(make: Callable[..., Outbound], silent: SilentServer) -> None:
    outbound = make(breaker_failures=1)
    with pytest.raises(RequestFailed, match="timeout"):
        fetched(outbound, silent.uri("/slow"), 0.1)

    outbound.fetch(silent.uri("/jwks"), "*/*")


def test_no_more_threads_wait_than_allowed(make: Callable[..., Outbound]) -> None:
    refused: list[tuple[str, str]] = []
    outbound = make(max_waiting_threads=1, on_refused=lambda *what: refused.append(what))

    with (
        outbound.place_to_wait("https://a.example.org/x"),
        pytest.raises(RequestRefused, match="waiting_threads"),
        outbound.place_to_wait("https://b.example.org/x"),
    ):
        pytest.fail("a second thread waits")

    assert refused == [("b.example.org", "waiting_threads")]


def test_many_silent_servers_do_not_delay_a_server_that_answers(make: Callable[..., Outbound]) -> None:
    outbound = make(max_concurrency=1000)
    servers = [SilentServer() for _ in range(60)]
    try:
        waiting = [outbound.fetch(server.uri(), "*/*") for server in servers]
        with serving(b"hello") as uri:
            assert fetched(outbound, uri, 4) == b"hello"
        assert not wait_for(waiting, 0).done
    finally:
        for server in servers:
            server.close()


def test_it_is_used_again_after_it_was_stopped(make: Callable[..., Outbound]) -> None:
    outbound = make()
    with serving(b"hello") as uri:
        fetched(outbound, uri)
        outbound.stop()

        assert fetched(outbound, uri) == b"hello"


def test_requests_under_way_fail_when_it_is_stopped(make: Callable[..., Outbound], silent: SilentServer) -> None:
    outbound = make()
    future = outbound.fetch(silent.uri(), "*/*", 60)
    with ThreadPoolExecutor(1) as thread:
        ended = thread.submit(outbound.result_of, future, SOON_S)
        outbound.stop()

        with pytest.raises(RequestFailed, match="stopped"):
            ended.result(SOON_S)


# -- names that resolve slowly ----------------------------------------------------------------------------------------------


@pytest.fixture
def slow_names() -> Iterator[Callable[[str], Addresses]]:
    """A resolver in which the names with `slow` hang until the test ends, and every other name is this machine."""
    ended = threading.Event()

    def resolve(host: str) -> Addresses:
        if "slow" in host:
            ended.wait(60)
        return ((socket.AF_INET, "127.0.0.1"),)

    yield resolve
    ended.set()


def test_sixty_slow_names_delay_no_host_that_was_reached_before(
    make: Callable[..., Outbound], slow_names: Callable[[str], Addresses]
) -> None:
    outbound = make(resolve=slow_names, lookup_cache_s=0)
    with serving(b"hello") as uri:
        well = uri.replace("127.0.0.1", "localhost")
        fetched(outbound, well)
        slow = [outbound.submit(outbound.post(f"https://slow.rp-{number}.com/", b"", 5, 5)) for number in range(60)]

        began = time.monotonic()
        assert [fetched(outbound, f"{well}{number}", 3) for number in range(5)] == [b"hello"] * 5

    assert time.monotonic() - began < 2
    assert not wait_for(slow, 0).done


def test_six_slow_names_delay_no_new_host(make: Callable[..., Outbound], slow_names: Callable[[str], Addresses]) -> None:
    outbound = make(resolve=slow_names)
    slow = [outbound.submit(outbound.post(f"https://slow.rp-{number}.com/", b"", 5, 5)) for number in range(6)]

    with serving(b"hello") as uri:
        began = time.monotonic()
        assert fetched(outbound, uri.replace("127.0.0.1", "localhost"), 3) == b"hello"

    assert time.monotonic() - began < 2
    assert not wait_for(slow, 0).done


def test_a_post_to_a_slow_name_ends_at_its_deadline_for_a_connection(
    make: Callable[..., Outbound], slow_names: Callable[[str], Addresses]
) -> None:
    outbound = make(resolve=slow_names)

    with pytest.raises(RequestFailed, match="connect_timeout"):
        outbound.submit(outbound.post("https://slow.example.org/", b"", 20, 0.2)).result(SOON_S)
