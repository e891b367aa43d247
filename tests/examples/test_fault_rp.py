"""Each fault of the fault RP as a plain client on a socket sees it, and what it says that it was sent."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import OctKey

from tests.examples.fault_rp_process import FaultRpProcess, serving_fault_rp

FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def serving() -> Iterator[FaultRpProcess]:
    """One process for the module."""
    with serving_fault_rp() as fault_rp:
        yield fault_rp


@pytest.fixture
def fault_rp(serving: FaultRpProcess) -> FaultRpProcess:
    """The fault RP, as new."""
    serving.forget()
    return serving


@pytest.fixture
def send(fault_rp: FaultRpProcess) -> Iterator[Callable[[str], socket.socket]]:
    """Posts to the RP with a fault; gives the connection, whose every read has a time limit."""
    opened: list[socket.socket] = []

    def send(uri: str) -> socket.socket:
        parts = urlsplit(uri)
        connection = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=20)
        opened.append(connection)
        target = parts.path + ("?" + parts.query if parts.query else "")
        head = f"POST {target} HTTP/1.1\r\nHost: rp\r\nContent-Type: {FORM}\r\nContent-Length: 16\r\n\r\n"
        connection.sendall(head.encode() + b"logout_token=a.b")
        return connection

    yield send

    for connection in opened:
        connection.close()


def everything(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def a_token(**claims: object) -> str:
    """A Logout Token, as far as the fault RP looks."""
    return jwt.encode({"alg": "HS256", "typ": "logout+jwt"}, claims, OctKey.import_key("k" * 32))


@pytest.mark.parametrize(
    ("fault", "status", "headers"),
    [
        ("ok", 200, {}),
        ("no-content", 204, {}),
        ("400", 400, {"Content-Type": "application/json"}),
        ("400-html", 400, {"Content-Type": "application/json"}),
        ("429", 429, {"Retry-After": "2"}),
        ("429?retry_after=7", 429, {"Retry-After": "7"}),
        ("500", 500, {"Content-Type": "text/html"}),
        ("503", 503, {}),
        ("redirect", 302, {"Location": "/fault/ok/redirected"}),
    ],
)
def test_a_fault_that_answers(fault_rp: FaultRpProcess, fault: str, status: int, headers: dict[str, str]) -> None:
    name, _, query = fault.partition("?")

    response = requests.post(fault_rp.uri(name) + "?" + query, {"logout_token": "x"}, allow_redirects=False, timeout=20)

    assert response.status_code == status
    assert headers.items() <= response.headers.items()


def test_a_json_error_is_json_and_a_mislabelled_one_is_not(fault_rp: FaultRpProcess) -> None:
    assert requests.post(fault_rp.uri("400"), timeout=20).json()["error"] == "invalid_request"
    assert requests.post(fault_rp.uri("400-html"), timeout=20).text.startswith("<!DOCTYPE html>")


def test_hang_takes_the_request_and_says_nothing(fault_rp: FaultRpProcess, send: Callable[[str], socket.socket]) -> None:
    connection = send(fault_rp.uri("hang"))
    connection.settimeout(0.3)

    with pytest.raises(TimeoutError):
        connection.recv(1)
    assert len(fault_rp.received("hang")) == 1


def test_close_closes_without_an_answer(fault_rp: FaultRpProcess, send: Callable[[str], socket.socket]) -> None:
    assert everything(send(fault_rp.uri("close"))) == b""


def test_reset_breaks_the_connection_off(fault_rp: FaultRpProcess, send: Callable[[str], socket.socket]) -> None:
    with pytest.raises(ConnectionResetError):
        everything(send(fault_rp.uri("reset")))


def test_cut_closes_in_the_middle_of_the_answer(fault_rp: FaultRpProcess) -> None:
    parts = urlsplit(fault_rp.uri("cut"))
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    connection.request("POST", parts.path, b"")

    with pytest.raises(http.client.IncompleteRead):
        connection.getresponse().read()
    connection.close()


def test_slow_headers_come_byte_by_byte(fault_rp: FaultRpProcess, send: Callable[[str], socket.socket]) -> None:
    begun = time.monotonic()
    connection = send(fault_rp.uri("slow-headers"))

    assert [connection.recv(1), connection.recv(1)] == [b"H", b"T"]
    assert time.monotonic() - begun > 0.9


def test_an_endless_body_goes_on_and_on(fault_rp: FaultRpProcess, send: Callable[[str], socket.socket]) -> None:
    connection = send(fault_rp.uri("endless-body"))
    came = 0
    while came < 5_000_000:
        came += len(connection.recv(65536))

    connection.close()
    assert requests.get(fault_rp.base_url, timeout=20).status_code == 200


def test_a_refused_port_refuses_until_it_is_told_to_listen() -> None:
    with serving_fault_rp() as fault_rp:
        with pytest.raises(requests.ConnectionError):
            requests.post(fault_rp.uri("refused"), timeout=20)
        fault_rp.listen_on_the_refused_port()

        assert requests.post(fault_rp.uri("refused", "rp-1"), timeout=20).status_code == 200
        assert len(fault_rp.received("ok", "rp-1")) == 1


def test_one_rp_recovers_and_its_neighbours_do_not(fault_rp: FaultRpProcess) -> None:
    fault_rp.change("503", "ok", rp="rp-1")

    assert [requests.post(fault_rp.uri("503", rp), timeout=20).status_code for rp in ("rp-1", "rp-10", "rp-2")] == [200, 503, 503]


def test_all_rps_with_a_fault_recover_and_fall_ill_again(fault_rp: FaultRpProcess) -> None:
    fault_rp.change("503", "ok")
    well = requests.post(fault_rp.uri("503"), timeout=20).status_code
    fault_rp.forget()

    assert (well, requests.post(fault_rp.uri("503"), timeout=20).status_code) == (200, 503)


@pytest.mark.parametrize("path", ["/fault/unheard-of/x", "/nowhere", "/fault/"])
def test_what_there_is_not_is_not_found(fault_rp: FaultRpProcess, path: str) -> None:
    assert requests.post(fault_rp.base_url + path, timeout=20).status_code == 404


def test_a_change_to_an_unknown_fault_is_refused(fault_rp: FaultRpProcess) -> None:
    assert requests.post(fault_rp.base_url + "/control?path=/fault/503&as=unheard-of", timeout=20).status_code == 404


@pytest.mark.parametrize(
    "bytes_sent", [b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"]
)
def test_what_is_no_request_ends_the_connection_alone(fault_rp: FaultRpProcess, bytes_sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(fault_rp.base_url).port or 80), timeout=20) as connection:
        connection.sendall(bytes_sent)
        assert everything(connection) == b""

    assert requests.get(fault_rp.base_url, timeout=20).status_code == 200


def test_it_says_what_a_logout_token_said_and_keeps_no_token(fault_rp: FaultRpProcess) -> None:
    token = a_token(jti="j1", iat=1, exp=2, sid="s1", aud="c1")
    requests.post(fault_rp.uri("ok", "rp-3"), {"logout_token": token, "more": "x"}, timeout=20)

    (record,) = fault_rp.received("ok", "rp-3")
    assert {"jti": "j1", "iat": 1, "exp": 2, "sid": "s1", "aud": "c1", "sub": None}.items() <= record.items()
    assert (record["typ"], record["alg"]) == ("logout+jwt", "HS256")
    assert (record["method"], record["content_type"], record["parameters"]) == ("POST", FORM, ["logout_token", "more"])
    assert abs(record["at"] - time.time()) < 600
    assert token not in json.dumps(record)


def test_it_says_what_a_front_channel_request_asked(fault_rp: FaultRpProcess) -> None:
    requests.get(fault_rp.uri("ok", "rp-4", "frontchannel_logout") + "?iss=i&sid=s", timeout=20)

    (record,) = fault_rp.received("ok", "rp-4")
    assert (record["method"], record["query"]) == ("GET", "iss=i&sid=s")


def test_thousands_of_notices_on_pooled_connections_are_all_counted(fault_rp: FaultRpProcess) -> None:
    def send(number: int) -> None:
        with requests.Session() as session:
            for turn in range(250):
                session.post(fault_rp.uri("ok", f"rp-{number}"), {"logout_token": a_token(jti=f"{number}.{turn // 2}")}, timeout=60)

    with ThreadPoolExecutor(4) as senders:
        list(senders.map(send, range(4)))

    counted = fault_rp.summary("ok").values()
    assert [(one["requests"], one["different_jti"]) for one in counted] == [(250, 125)] * 4


def test_a_signal_ends_it_while_requests_hang() -> None:
    with serving_fault_rp() as fault_rp:
        parts = urlsplit(fault_rp.uri("hang"))
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=20) as connection:
            connection.sendall(f"GET {parts.path} HTTP/1.1\r\n\r\n".encode())
            while not fault_rp.received("hang"):
                time.sleep(0.01)
            os.kill(fault_rp.pid, signal.SIGTERM)

            assert everything(connection) == b""
