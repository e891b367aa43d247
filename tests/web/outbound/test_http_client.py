"""The HTTP client against servers of this process that do what a test says, byte by byte."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from oic_session_ext.web.address_guard import AddressGuard
from oic_session_ext.web.outbound.failures import RequestFailed
from oic_session_ext.web.outbound.http_answer import HttpAnswer
from oic_session_ext.web.outbound.http_client import HttpClient
from oic_session_ext.web.outbound.name_lookup import NameLookup
from tests.flows.test_tls import make_certificate

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
TLS = ssl.create_default_context()
LOOPBACK = [ip_network("127.0.0.0/8"), ip_network("::1/128")]


def in_a_loop_of_its_own(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run it to its end in another thread: in this one Playwright may have left its loop running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def names() -> NameLookup:
    return NameLookup(threads=8, cache_s=0)


Serve = Callable[["Rp", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Rp:
    """A server on 127.0.0.1; `serve` has each connection."""

    def __init__(self, serve: Serve) -> None:
        self.serve = serve
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []

    def uri(self, path: str = "/logout", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """One whole request."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        request = head + await reader.readexactly(length)
        self.requests.append(request)
        return request

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.serve(self, reader, writer)
        except (OSError, EOFError):
            pass
        finally:
            writer.close()


def answering(*answers: bytes) -> Serve:
    """One connection after the other, each with these answers to its requests."""

    async def serve(rp: Rp, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await rp.read(reader)
            writer.write(answer)
            await writer.drain()
        await reader.read()

    return serve


@asynccontextmanager
async def running(serve: Serve, **options: Any) -> Any:
    rp = Rp(serve)
    server = await asyncio.start_server(rp.connected, "127.0.0.1", 0)
    rp.port = server.sockets[0].getsockname()[1]
    given: dict[str, Any] = {
        "tls": TLS,
        "timeout_s": 20,
        "connect_timeout_s": 20,
        "guard": AddressGuard(LOOPBACK),
        "names": names(),
    } | options
    client = HttpClient(**given)
    try:
        yield rp, client
    finally:
        await client.close()
        server.close()
        for _ in range(3):
            await asyncio.sleep(0)


def run(test: Callable[[Rp, HttpClient], Coroutine[Any, Any, Any]], serve: Serve, **options: Any) -> Any:
    async def main() -> Any:
        async with running(serve, **options) as (rp, client):
            return await test(rp, client)

    return in_a_loop_of_its_own(main())


def problem_of(serve: Serve, **options: Any) -> str:
    async def post(rp: Rp, client: HttpClient) -> str:
        with pytest.raises(RequestFailed) as caught:
            await client.post(rp.uri(), b"logout_token=x")
        return caught.value.problem

    return run(post, serve, **options)


@pytest.mark.spec("BC-30", "BC-31")
def test_the_request_is_a_form_at_the_registered_uri_byte_for_byte() -> None:
    async def post(rp: Rp, client: HttpClient) -> bytes:
        await client.post(rp.uri("/a%2Fb/../c?x=1&y=%20&&z"), b"logout_token=x.y.z")
        return rp.requests[0].replace(str(rp.port).encode(), b"PORT")

    head, _, body = run(post, answering(OK)).partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    assert (line, body) == (b"POST /a%2Fb/../c?x=1&y=%20&&z HTTP/1.1", b"logout_token=x.y.z")
    assert sorted(headers) == [
        b"Accept: */*",
        b"Content-Length: 18",
        b"Content-Type: application/x-www-form-urlencoded",
        b"Host: 127.0.0.1:PORT",
        b"User-Agent: oic_session_ext",
    ]


@pytest.mark.parametrize(("path", "target"), [("", b"POST / "), ("?a=b", b"POST /?a=b "), ("/#x", b"POST / ")])
def test_a_uri_without_a_path_is_asked_for_the_root(path: str, target: bytes) -> None:
    async def post(rp: Rp, client: HttpClient) -> bytes:
        await client.post(rp.uri(path), b"")
        return rp.requests[0]

    assert run(post, answering(OK)).startswith(target)


@pytest.mark.spec("BC-32")
@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK,
        b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok",
    ],
)
def test_the_status_of_every_kind_of_answer_is_read(answer: bytes) -> None:
    async def post(rp: Rp, client: HttpClient) -> HttpAnswer:
        return await client.post(rp.uri(), b"")

    assert run(post, answering(answer)).status in (200, 204)


def test_the_answers_retry_after_and_the_beginning_of_its_body_are_handed_on() -> None:
    async def post(rp: Rp, client: HttpClient) -> HttpAnswer:
        return await client.post(rp.uri(), b"")

    body = b"e" * 1000
    answer = run(post, answering(b"HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 1000\r\n\r\n" + body))

    assert (answer.status, answer.headers["retry-after"], answer.body[:300]) == (503, "7", body[:300])


def test_connections_are_used_again() -> None:
    async def post(rp: Rp, client: HttpClient) -> int:
        for _ in range(3):
            await client.post(rp.uri(), b"")
        return rp.connections

    assert run(post, answering(OK, OK, OK)) == 1


def test_a_kept_connection_that_the_rp_has_closed_is_replaced_without_a_failure() -> None:
    async def one_each(rp: Rp, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await rp.read(reader)
        writer.write(OK)
        await writer.drain()

    async def post(rp: Rp, client: HttpClient) -> int:
        for _ in range(3):
            assert (await client.post(rp.uri(), b"")).status == 200
            for _ in range(20):
                await asyncio.sleep(0)  # the loop hears of the end of the connection
        return rp.connections

    assert run(post, one_each) == 3


def test_an_answer_that_nobody_asked_for_is_never_taken_for_that_to_the_next_request() -> None:
    async def post(rp: Rp, client: HttpClient) -> list[int]:
        return [(await client.post(rp.uri(), b"")).status for _ in range(2)]

    two = OK + b"HTTP/1.1 299 Not asked for\r\nContent-Length: 0\r\n\r\n"

    assert run(post, answering(two)) == [200, 200]


@pytest.mark.spec("BC-33")
def test_an_answer_with_a_body_of_any_size_costs_its_head_alone() -> None:
    async def endless(rp: Rp, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await rp.read(reader)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
            await writer.drain()

    async def post(rp: Rp, client: HttpClient) -> HttpAnswer:
        return await client.post(rp.uri(), b"")

    assert run(post, endless).status == 400


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "bad_answer"),
        (b"HTTP/1.1 two OK\r\n\r\n", "bad_answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "bad_answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Filler: y\r\n" * 2000, "bad_answer"),
    ],
    ids=["no HTTP", "no status", "two lengths", "huge head"],
)
def test_what_is_no_answer_is_told_as_one_word(answer: bytes, problem: str) -> None:
    assert problem_of(answering(answer)) == problem


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_a_connection_that_is_closed_before_the_answer_is_a_failure(part: bytes) -> None:
    async def cut(rp: Rp, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await rp.read(reader)
        writer.write(part)
        await writer.drain()

    assert problem_of(cut) == "connection_lost"


@pytest.mark.spec("BC-37")
def test_an_rp_that_hangs_or_dribbles_is_given_up_on_in_time() -> None:
    async def dribble(rp: Rp, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await rp.read(reader)
        for byte in b"HTTP/1.1 200 OK\r\n" * 1000:
            writer.write(bytes((byte,)))
            await asyncio.sleep(0.05)

    assert problem_of(dribble, timeout_s=0.4) == "timeout"


@pytest.mark.spec("BC-37")
def test_a_connection_that_is_never_accepted_is_given_up_on_in_time() -> None:
    async def post() -> str:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            port = full.getsockname()[1]
            waiting = [socket.socket() for _ in range(4)]
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            client = HttpClient(AddressGuard(LOOPBACK), timeout_s=10, connect_timeout_s=0.3, tls=TLS, names=names())
            with pytest.raises(RequestFailed) as caught:
                await client.post(f"http://127.0.0.1:{port}/", b"")
            await client.close()
            for one in waiting:
                one.close()
            return caught.value.problem

    assert in_a_loop_of_its_own(post()) == "connect_timeout"


def test_a_refused_connection_is_told_as_such() -> None:
    async def post(rp: Rp, client: HttpClient) -> str:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            with pytest.raises(RequestFailed) as caught:
                await client.post(f"http://127.0.0.1:{held.getsockname()[1]}/", b"")
        return caught.value.problem

    assert run(post, answering()) == "connect_refused"


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Have every name resolve to these addresses; return the names that are looked up from now on."""
    looked_up: list[str] = []
    numeric = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        looked_up.append(host)
        return [found for address in addresses for found in numeric(address, port, type=socket.SOCK_STREAM)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return looked_up


# -- where it may go -----------------------------------------------------------------------------------------------------


@pytest.mark.spec("SEC-08")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"])
def test_nothing_is_sent_to_an_address_that_is_not_allowed(host: str) -> None:
    async def post(rp: Rp, client: HttpClient) -> tuple[str, int]:
        with pytest.raises(RequestFailed) as caught:
            await client.post(rp.uri(host=host), b"")
        return caught.value.problem, rp.connections

    assert run(post, answering(OK), guard=AddressGuard()) == ("address_refused", 0)


@pytest.mark.spec("SEC-08")
def test_a_public_name_that_resolves_to_an_inner_address_is_not_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "127.0.0.1", "::1", "10.0.0.1", "169.254.169.254")

    async def post(rp: Rp, client: HttpClient) -> tuple[str, int]:
        with pytest.raises(RequestFailed) as caught:
            await client.post(rp.uri(host="rp.example.org"), b"")
        return caught.value.problem, rp.connections

    assert run(post, answering(OK), guard=AddressGuard()) == ("address_refused", 0)


def test_of_a_names_addresses_the_next_one_is_tried_when_one_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up = resolve_to(monkeypatch, "::1", "127.0.0.1")

    async def post(rp: Rp, client: HttpClient) -> int:
        return (await client.post(rp.uri(host="rp.example.org"), b"")).status

    assert run(post, answering(OK)) == 200
    assert looked_up == ["rp.example.org"]


@pytest.mark.parametrize("host", ["no-such-name.invalid", "a" * 64 + ".example.org"])
def test_a_name_that_resolves_to_nothing_is_told_as_such(host: str) -> None:
    async def post(rp: Rp, client: HttpClient) -> str:
        with pytest.raises(RequestFailed) as caught:
            await client.post(rp.uri(host=host), b"")
        return caught.value.problem

    assert run(post, answering(OK)) == "dns"


@pytest.mark.parametrize("path", ["/a b", "/a\r\nX-Header: y", "/ä", "/a\tb"])
def test_a_uri_that_would_write_headers_of_its_own_is_not_sent_to(path: str) -> None:
    async def post(rp: Rp, client: HttpClient) -> tuple[str, int]:
        with pytest.raises(RequestFailed) as caught:
            await client.post(rp.uri(path), b"")
        return caught.value.problem, rp.connections

    assert run(post, answering(OK)) == ("bad_uri", 0)


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_proxies_of_the_environment_are_not_used(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:1")

    async def post(rp: Rp, client: HttpClient) -> int:
        return (await client.post(rp.uri(), b"")).status

    assert run(post, answering(OK)) == 200


# -- TLS -----------------------------------------------------------------------------------------------------------------


async def post_over_tls(folder: Path, host: str, *, is_trusted: bool) -> int:
    certificate, key = make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    tls = ssl.create_default_context(cafile=str(certificate)) if is_trusted else TLS
    rp = Rp(answering(OK))
    server = await asyncio.start_server(rp.connected, "127.0.0.1", 0, ssl=context)
    rp.port = server.sockets[0].getsockname()[1]
    client = HttpClient(AddressGuard(LOOPBACK), timeout_s=20, connect_timeout_s=20, tls=tls, names=names())
    try:
        return (await client.post(rp.uri(host=host).replace("http:", "https:"), b"")).status
    finally:
        await client.close()
        server.close()
        for _ in range(5):
            await asyncio.sleep(0)


def test_an_rp_whose_certificate_is_good_is_told(tmp_path: Path) -> None:
    assert in_a_loop_of_its_own(post_over_tls(tmp_path, "localhost", is_trusted=True)) == 200


@pytest.mark.spec("BC-38")
@pytest.mark.parametrize(("host", "is_trusted"), [("localhost", False), ("127.0.0.1", True)], ids=["unknown authority", "another name"])
def test_an_rp_whose_certificate_is_not_good_is_not_told(tmp_path: Path, host: str, is_trusted: bool) -> None:
    with pytest.raises(RequestFailed) as caught:
        in_a_loop_of_its_own(post_over_tls(tmp_path, host, is_trusted=is_trusted))

    assert caught.value.problem == "tls"
