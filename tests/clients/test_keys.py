"""Keys from a `jwks_uri`: who waits for a fetch, for how long, and who does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from ipaddress import ip_network
from typing import Any

import pytest

from oic_session_ext.clients.keys import ClientKeys
from oic_session_ext.clock import system_clock
from oic_session_ext.errors import TemporarilyUnavailable
from oic_session_ext.provider.keys import generate_private_jwks
from oic_session_ext.settings import OutboundSettings
from oic_session_ext.testing.fake_clock import FakeClock
from oic_session_ext.web.address_guard import AddressGuard
from oic_session_ext.web.guarded_fetch import FetchFailed, FetchRefused, GuardedFetch
from oic_session_ext.web.outbound.http_answer import HttpAnswer
from oic_session_ext.web.outbound.outbound import Outbound
from tests.web.outbound.servers import SilentServer, serving

LOOPBACK = AddressGuard([ip_network("127.0.0.0/8")])
CLIENT = {"client_id": "rp", "jwks_uri": "https://rp.example.com/jwks"}
SOON_S = 20
"""Longer than anything takes that does not hang."""


def jwks(*kids: str) -> bytes:
    keys = ",".join(f'{{"kty": "EC", "kid": "{kid}"}}' for kid in kids)
    return f'{{"keys": [{keys}]}}'.encode()


class Fetch(GuardedFetch):
    """Fetches that end when a test says so; `places` is how many threads may wait."""

    def __init__(self, places: int = 2) -> None:
        super().__init__(Outbound(LOOPBACK, OutboundSettings(max_waiting_threads=places)), LOOPBACK)
        self.begun: list[Future[HttpAnswer]] = []
        self.refusal: FetchFailed | None = None

    def begin(self, _uri: str, _accept: str = "") -> Future[HttpAnswer]:
        if self.refusal is not None:
            raise self.refusal
        self.begun.append(Future())
        return self.begun[-1]

    def answer(self, *kids: str) -> None:
        self.begun[-1].set_result(HttpAnswer(200, {}, jwks(*kids)))


@pytest.fixture
def fetch() -> Fetch:
    return Fetch()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def keys(fetch: Fetch, clock: FakeClock) -> ClientKeys:
    return ClientKeys(fetch, clock)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def kids(found: list[dict[str, Any]]) -> list[str]:
    return [jwk["kid"] for jwk in found]


def until(is_so: Any) -> None:
    for _ in range(2000):
        if is_so():
            return
        threading.Event().wait(0.01)
    pytest.fail("not in time")


def known(keys: ClientKeys, fetch: Fetch, *names: str) -> None:
    """Let the keys be fetched."""
    keys.begin_fetch(CLIENT)
    fetch.answer(*names)


def test_the_thread_that_starts_a_fetch_waits_for_it(keys: ClientKeys, fetch: Fetch, threads: ThreadPoolExecutor) -> None:
    found = threads.submit(keys.jwks, CLIENT)
    until(lambda: fetch.begun)
    fetch.answer("a")

    assert kids(found.result(SOON_S)) == ["a"]


def test_while_old_keys_are_fetched_again_other_threads_use_them(
    keys: ClientKeys, fetch: Fetch, clock: FakeClock, threads: ThreadPoolExecutor
) -> None:
    known(keys, fetch, "old")
    clock.advance(3600)
    refreshing = threads.submit(keys.jwks, CLIENT)
    until(lambda: len(fetch.begun) == 2)

    assert [kids(keys.jwks(CLIENT)) for _ in range(20)] == [["old"]] * 20
    fetch.answer("new")
    assert kids(refreshing.result(SOON_S)) == ["new"]


def test_a_thread_without_any_keys_is_refused_when_too_many_wait(keys: ClientKeys, fetch: Fetch) -> None:
    with fetch.place_to_wait("x"), fetch.place_to_wait("x"), pytest.raises(FetchRefused):
        keys.jwks(CLIENT)


def test_such_a_refusal_is_a_503_that_may_be_tried_again() -> None:
    assert issubclass(FetchRefused, TemporarilyUnavailable)
    assert (FetchRefused("busy").status, FetchRefused("busy").error) == (503, "temporarily_unavailable")


def test_a_refused_thread_has_the_keys_fetched_for_the_next_one(keys: ClientKeys, fetch: Fetch) -> None:
    with fetch.place_to_wait("x"), fetch.place_to_wait("x"), pytest.raises(FetchRefused):
        keys.jwks(CLIENT)
    fetch.answer("a")

    assert kids(keys.jwks(CLIENT)) == ["a"]


def test_a_thread_with_old_keys_uses_them_when_too_many_wait(keys: ClientKeys, fetch: Fetch, clock: FakeClock) -> None:
    known(keys, fetch, "old")
    clock.advance(3600)

    with fetch.place_to_wait("x"), fetch.place_to_wait("x"):
        assert kids(keys.jwks(CLIENT)) == ["old"]


def test_an_unknown_kid_is_refused_and_not_answered_from_old_keys_when_too_many_wait(
    keys: ClientKeys, fetch: Fetch, clock: FakeClock
) -> None:
    known(keys, fetch, "old")
    clock.advance(60)

    with fetch.place_to_wait("x"), fetch.place_to_wait("x"), pytest.raises(FetchRefused):
        keys.jwks(CLIENT, "new")


def test_a_second_thread_waits_only_a_moment_for_the_first_ones_fetch(keys: ClientKeys, fetch: Fetch, threads: ThreadPoolExecutor) -> None:
    first = threads.submit(keys.jwks, CLIENT)
    until(lambda: fetch.begun)

    with pytest.raises(FetchRefused):
        threads.submit(keys.jwks, CLIENT).result(SOON_S)
    fetch.answer("a")
    assert kids(first.result(SOON_S)) == ["a"]
    assert len(fetch.begun) == 1


def test_a_host_that_pauses_leaves_the_old_keys_in_use(keys: ClientKeys, fetch: Fetch, clock: FakeClock) -> None:
    known(keys, fetch, "old")
    clock.advance(3600)
    fetch.refusal = FetchFailed("could not be fetched")

    assert kids(keys.jwks(CLIENT)) == ["old"]


def test_a_refused_fetch_does_not_put_off_the_next_one(keys: ClientKeys, fetch: Fetch) -> None:
    fetch.refusal = FetchFailed("could not be fetched")
    assert keys.jwks(CLIENT) == []
    fetch.refusal = None

    assert keys.begin_fetch(CLIENT) is not None


# -- before a lock is taken --------------------------------------------------------------------------------------------------


def test_prefetched_keys_are_not_fetched_while_a_lock_is_held(
    keys: ClientKeys, fetch: Fetch, clock: FakeClock, threads: ThreadPoolExecutor
) -> None:
    known(keys, fetch, "old")
    clock.advance(3580)
    prefetched = threads.submit(keys.prefetch, CLIENT)
    until(lambda: len(fetch.begun) == 2)
    fetch.answer("new")
    prefetched.result(SOON_S)
    clock.advance(25)

    assert kids(keys.jwks(CLIENT)) == ["new"]
    assert len(fetch.begun) == 2


def test_nothing_is_fetched_ahead_that_is_fresh(keys: ClientKeys, fetch: Fetch) -> None:
    known(keys, fetch, "a")

    keys.prefetch(CLIENT)

    assert len(fetch.begun) == 1


def test_keys_that_were_registered_are_never_fetched(keys: ClientKeys, fetch: Fetch) -> None:
    client = {"client_id": "rp", "jwks": {"keys": [{"kty": "EC", "kid": "a"}]}}

    keys.prefetch(client)

    assert (kids(keys.jwks(client)), keys.begin_fetch(client), fetch.begun) == (["a"], None, [])


def test_known_keys_are_taken_without_a_fetch(fetch: Fetch, clock: FakeClock) -> None:
    keys = ClientKeys(fetch, clock)
    assert keys.known.usable_jwks(CLIENT) == []
    keys.begin_fetch(CLIENT)
    published = generate_private_jwks()["keys"][0]
    fetch.begun[-1].set_result(HttpAnswer(200, {}, b'{"keys": [%s]}' % str(published).replace("'", '"').encode()))
    clock.advance(7200)

    assert kids(keys.known.usable_jwks(CLIENT)) == [published["kid"]]
    assert len(fetch.begun) == 1


# -- servers that accept and never answer --------------------------------------------------------------------------------------


def test_forty_requests_of_clients_with_silent_key_servers_hold_two_threads_and_refuse_the_rest_at_once() -> None:
    outbound = Outbound(LOOPBACK, OutboundSettings(max_waiting_threads=2))
    keys = ClientKeys(GuardedFetch(outbound, LOOPBACK, timeout_s=3), system_clock)
    servers = [SilentServer() for _ in range(40)]
    clients = [{"client_id": f"rp-{number}", "jwks_uri": server.uri("/jwks")} for number, server in enumerate(servers)]

    def took_s(client: dict[str, str]) -> float:
        began = time.monotonic()
        try:
            keys.jwks(client)
        except FetchRefused:
            return time.monotonic() - began
        return 1000 + time.monotonic() - began

    with ThreadPoolExecutor(40) as threads:
        times = sorted(threads.map(took_s, clients))
    outbound.stop()
    for server in servers:
        server.close()

    assert len([one for one in times if one > 1000]) == 2
    assert times[37] < 2.5


def test_a_client_whose_keys_are_there_signs_in_while_others_key_servers_are_silent() -> None:
    outbound = Outbound(LOOPBACK, OutboundSettings(max_waiting_threads=2))
    keys = ClientKeys(GuardedFetch(outbound, LOOPBACK, timeout_s=3), system_clock)
    with serving(jwks("a")) as uri, SilentServer() as silent, ThreadPoolExecutor(20) as threads:
        well = {"client_id": "well", "jwks_uri": uri}
        keys.jwks(well)
        for number in range(20):
            threads.submit(keys.jwks, {"client_id": f"rp-{number}", "jwks_uri": silent.uri(f"/{number}")})
        began = time.monotonic()
        found = [kids(keys.jwks(well)) for _ in range(100)]
        took_s = time.monotonic() - began
    outbound.stop()

    assert found == [["a"]] * 100
    assert took_s < 1
