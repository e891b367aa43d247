"""Fetching from where a client says: only where it is allowed, and within bounds of time and size."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from ipaddress import ip_network
from typing import Any

import pytest

from oic_session_ext.clients.keys import ClientKeys
from oic_session_ext.provider.keys import generate_private_jwks
from oic_session_ext.settings import OutboundSettings
from oic_session_ext.testing.fake_clock import FakeClock
from oic_session_ext.web.address_guard import AddressGuard
from oic_session_ext.web.guarded_fetch import FetchFailed, GuardedFetch
from oic_session_ext.web.outbound.http_answer import HttpAnswer
from oic_session_ext.web.outbound.outbound import Outbound

ON_LOOPBACK = AddressGuard([ip_network("127.0.0.0/8")])
Serve = Callable[..., str]


def guarded_fetch(guard: AddressGuard = ON_LOOPBACK, timeout_s: float | None = None, **limits: Any) -> GuardedFetch:
    return GuardedFetch(Outbound(guard, OutboundSettings(**limits)), guard, timeout_s=timeout_s)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves raw bytes to each connection, in pieces with pauses between them."""
    listening: list[socket.socket] = []

    def start(*pieces: bytes, pause_s: float = 0) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        listening.append(server)

        def answer() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with closing(peer):
                    try:
                        peer.recv(4096)
                        for piece in pieces:
                            peer.sendall(piece)
                            time.sleep(pause_s)
                    except OSError:
                        pass

        threading.Thread(target=answer, daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}/doc?a=1"

    yield start
    for server in listening:
        server.close()


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def test_a_document_where_it_is_allowed_is_returned(serve: Serve) -> None:
    assert guarded_fetch().json(serve(ok(b'["x"]'))) == ["x"]


@pytest.mark.spec("SEC-08")
def test_without_an_allowance_this_machine_is_not_asked(serve: Serve) -> None:
    with pytest.raises(FetchFailed, match="must not lead"):
        guarded_fetch(AddressGuard()).json(serve(ok(b"[]")))


@pytest.mark.spec("SEC-08")
def test_a_name_that_resolves_into_the_network_is_refused_when_it_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("connected"))

    with pytest.raises(FetchFailed, match="could not be fetched"):
        guarded_fetch(AddressGuard()).json("https://rp.example.com/jwks")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"",
        ok(b"{"),
        ok(b"[" * 30_000),
        ok(b'"' + b"x" * 70_000 + b'"'),
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
    ],
    ids=["redirect", "500", "no HTTP", "nothing", "no JSON", "deep JSON", "too large", "a long header"],
)
def test_any_other_answer_is_a_failure(serve: Serve, answer: bytes) -> None:
    with pytest.raises(FetchFailed):
        guarded_fetch().json(serve(answer))


def test_a_body_that_comes_after_its_header_lines_on_a_connection_that_ends_is_read(serve: Serve) -> None:
    uri = serve(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", b'["x"', b"]", pause_s=0.05)

    assert guarded_fetch().json(uri) == ["x"]


def test_drops_that_come_slowly_do_not_prolong_the_time(serve: Serve) -> None:
    uri = serve(*[b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 60], pause_s=0.1)

    with pytest.raises(FetchFailed):
        guarded_fetch(timeout_s=0.4).json(uri)


@pytest.mark.parametrize(
    "uri", ["http://rp.example.com/", "ftp://rp.example.com/", "file:///etc/passwd", "https://u@rp.example.com/", "/x", ""]
)
def test_only_https_is_fetched_beyond_this_machine(uri: str) -> None:
    with pytest.raises(FetchFailed):
        guarded_fetch().json(uri)


# -- keys ------------------------------------------------------------------------------------------------------------------


class CountingFetch(GuardedFetch):
    def __init__(self, answer: object) -> None:
        super().__init__(Outbound(ON_LOOPBACK), ON_LOOPBACK)
        self.answer = answer
        self.asked: list[str] = []

    def begin(self, uri: str, _accept: str = "application/json") -> Future[HttpAnswer]:
        self.asked.append(uri)
        if isinstance(self.answer, Exception):
            raise self.answer
        done: Future[HttpAnswer] = Future()
        done.set_result(HttpAnswer(200, {}, json.dumps(self.answer).encode()))
        return done


PUBLISHED = {"client_id": "rp", "jwks_uri": "https://rp.example.com/jwks"}
JWKS = generate_private_jwks()
KID = JWKS["keys"][0]["kid"]


def test_published_keys_are_fetched_once_and_again_when_they_are_old() -> None:
    fetch, clock = CountingFetch(JWKS), FakeClock()
    keys = ClientKeys(fetch, clock)

    assert [len(keys.of(PUBLISHED, KID)) for _ in range(5)] == [3] * 5
    assert len(fetch.asked) == 1
    clock.advance(3600)
    keys.of(PUBLISHED)
    assert len(fetch.asked) == 2


def test_an_unknown_kid_has_them_fetched_anew_once_a_minute_at_most() -> None:
    fetch, clock = CountingFetch(JWKS), FakeClock()
    keys = ClientKeys(fetch, clock)
    for _ in range(5):
        keys.of(PUBLISHED, "unknown")
    assert len(fetch.asked) == 1

    clock.advance(60)
    for _ in range(5):
        keys.of(PUBLISHED, "unknown")

    assert len(fetch.asked) == 2


def test_a_client_that_registers_anew_under_the_same_address_has_its_own_keys_at_once() -> None:
    fetch, clock = CountingFetch(JWKS), FakeClock()
    keys = ClientKeys(fetch, clock)
    keys.of(PUBLISHED, KID)
    fetch.answer = rotated = generate_private_jwks()
    anew = PUBLISHED | {"client_id": "rp, registered anew"}

    for kid in (rotated["keys"][0]["kid"], None):
        assert {jwk["kid"] for jwk in keys.jwks(anew, kid)} == {jwk["kid"] for jwk in rotated["keys"]}
    assert {jwk["kid"] for jwk in keys.jwks(PUBLISHED)} == {jwk["kid"] for jwk in JWKS["keys"]}
    assert len(fetch.asked) == 2


def test_when_they_cannot_be_fetched_anew_the_old_ones_serve() -> None:
    fetch, clock = CountingFetch(JWKS), FakeClock()
    keys = ClientKeys(fetch, clock)
    keys.of(PUBLISHED)
    fetch.answer = FetchFailed("could not be fetched")
    clock.advance(3600)

    assert len(keys.of(PUBLISHED)) == 3


@pytest.mark.parametrize(
    "jwks", [None, "x", {}, {"keys": 1}, {"keys": ["x", None, 1]}, {"keys": [{"kty": "RSA"}, {"kty": "EC", "x": 1}]}], ids=str
)
def test_malformed_keys_of_a_deployers_client_are_none(jwks: object) -> None:
    assert ClientKeys(CountingFetch(None), FakeClock()).of({"client_id": "rp", "jwks": jwks}) == []


def test_no_private_part_is_taken_over() -> None:
    found = ClientKeys(CountingFetch(JWKS), FakeClock()).usable_jwks(PUBLISHED)

    assert not any({"d", "p", "q"} & jwk.keys() for jwk in found)


# -- text --------------------------------------------------------------------------------------------------------------


def test_a_text_is_asked_for_by_its_media_types_and_returned_as_it_is(serve: Serve) -> None:
    assert guarded_fetch().ascii(serve(ok(b"a.b.c\n")), "application/jwt") == "a.b.c\n"


def test_a_text_beyond_ascii_is_refused(serve: Serve) -> None:
    with pytest.raises(FetchFailed, match="ASCII"):
        guarded_fetch().ascii(serve(ok("ä".encode())), "application/jwt")


def test_no_more_is_fetched_at_once_than_is_allowed(serve: Serve) -> None:
    fetch = guarded_fetch(max_concurrency=1)
    fetch.begin(serve(pause_s=5), "application/jwt")

    with pytest.raises(FetchFailed, match="too much"):
        fetch.ascii(serve(ok(b"x")), "application/jwt")
