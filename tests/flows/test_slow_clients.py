"""Clients that are slow to send, to shake hands or to read hold no thread: everybody else is answered meanwhile."""

from __future__ import annotations

import contextlib
import resource
import socket
import threading
from collections.abc import Iterator

import pytest

from oic_session_ext.server.config.listen import LimitSettings
from tests.flows.machines.running_op import RunningOp, read_all
from tests.flows.test_tls import RunningTlsOp

HOST = b"Host: localhost\r\n"
LENGTH = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n"
MOST_OF_HEAD = LimitSettings().max_header_bytes
WELL_KNOWN = b"GET /.well-known/openid-configuration HTTP/1.1\r\n" + HOST
SLOW = {
    "says nothing": b"",
    "has begun a header": b"GET /login HTTP/1.1\r\n" + HOST + b"X: y",
    "has gone to the limit of a head": (b"GET /login HTTP/1.1\r\n" + HOST + b"X: ").ljust(MOST_OF_HEAD + 1, b"y"),
    "has gone to the limit of a first line": b"GET /".ljust(MOST_OF_HEAD + 1, b"y"),
    "has begun a body": b"POST /token HTTP/1.1\r\n" + HOST + LENGTH + b"\r\na",
    "does not go on": b"POST /token HTTP/1.1\r\n" + HOST + LENGTH + b"Expect: 100-continue\r\n\r\n",
    "does not read": (WELL_KNOWN + b"\r\n") * 3000,
}


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningOp]:
    """A server with one thread, which waits a long while for what is slow to arrive."""
    op = RunningOp(tmp_path_factory.mktemp("patient"))
    op.configure(listen={"host": "127.0.0.1", "port": op.port, "threads": 1, "limits": {"socket_timeout": "2m"}})
    op.start()
    yield op
    op.close()


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW.keys())
def test_others_are_answered_while_a_client(patient: RunningOp, sent: bytes) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            connection = stack.enter_context(patient.connect())
            connection.settimeout(0.5)
            with contextlib.suppress(TimeoutError):
                connection.sendall(sent)

        assert patient.browser().sign_in()


@pytest.fixture(scope="module")
def patient_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTlsOp]:
    """The same with TLS."""
    op = RunningTlsOp(tmp_path_factory.mktemp("tls"))
    op.configure(listen=op.settings["listen"] | {"threads": 1, "limits": {"socket_timeout": "2m"}})
    op.start()
    yield op
    op.close()


def test_others_are_answered_while_a_client_does_not_go_on_with_a_tls_handshake(patient_tls: RunningTlsOp) -> None:
    with patient_tls.connect(), patient_tls.connect() as other:
        other.sendall(b"\x16\x03\x01")

        assert patient_tls.browser().sign_in()


def test_a_client_that_speaks_no_tls_where_it_should_is_told_so(patient_tls: RunningTlsOp) -> None:
    answer = patient_tls.exchange(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert "Traceback" not in patient_tls.log


def test_a_request_in_many_pieces_is_answered(patient: RunningOp) -> None:
    with patient.connect() as connection:
        for byte in WELL_KNOWN + b"Connection: close\r\n\r\n":
            connection.sendall(bytes([byte]))

        assert b"end_session_endpoint" in read_all(connection)


def test_whoever_waits_to_be_told_to_go_on_is_told_once(patient: RunningOp) -> None:
    with patient.connect() as connection:
        connection.sendall(b"POST /token HTTP/1.1\r\n" + HOST + LENGTH + b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
        told = connection.recv(1000)
        connection.sendall(b"a=b")
        answer = read_all(connection)

    assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert b"grant_type is missing" in answer


def test_a_request_that_arrives_drop_by_drop_is_given_up_however_steady_the_drops(tmp_path_factory: pytest.TempPathFactory) -> None:
    op = RunningOp(tmp_path_factory.mktemp("hasty"))
    op.configure(listen={"host": "127.0.0.1", "port": op.port, "limits": {"socket_timeout": "1s"}})
    op.start()
    try:
        with op.connect() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"X: ")
            is_over = threading.Event()
            dripping = threading.Thread(target=_drip, args=(connection, is_over))
            dripping.start()
            answer = read_all(connection)
            is_over.set()
            dripping.join()
    finally:
        op.close()

    assert answer.startswith(b"HTTP/1.1 408 ")


def _drip(connection: socket.socket, is_over: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while not is_over.wait(0.1):
            connection.sendall(b"a")


def test_of_too_many_connections_that_wait_the_oldest_is_closed(patient: RunningOp) -> None:
    most = min(1024, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)

    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(patient.connect()) for _ in range(most + 10)]

        assert patient.browser().get("/health/live").status == 200
        assert connections[0].recv(1) == b""
        connections[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            connections[-1].recv(1)
