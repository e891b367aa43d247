"""What befalls the thread that receives for all connections when two things happen at once."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from oic_session_ext.server.http.connection_manager import ArrivingConnection, ConnectionManager


class Server:
    """What `ConnectionManager` asks of a server."""

    timeout = 60
    max_request_header_size = max_request_body_size = 1000
    shutdown_timeout = 0
    peercreds_enabled = peercreds_resolve_enabled = False
    ConnectionClass = ArrivingConnection

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.ssl_adapter: Any = None

    def connect(self) -> socket.socket:
        """Return a connection as a client has it."""
        return socket.create_connection(self.socket.getsockname(), timeout=20)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    with made.socket:
        yield made


def test_a_connection_that_is_closed_to_make_room_may_have_said_something_just_then(server: Server) -> None:
    arrivals = ConnectionManager(server)
    arrivals._most = 1
    with server.connect() as first:
        arrivals._accept()
        with server.connect():
            first.sendall(b"GET / HTTP/1.1\r\n")
            thread = threading.Thread(target=arrivals.run, args=(0.05,))
            thread.start()
            answer = first.recv(1000)
            arrivals.stop()
            thread.join()
    arrivals.close()

    assert answer.startswith(b"HTTP/1.1 408 ")


# Python 3.11 leaves the socket that it could not wrap to the garbage collector
@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01"])
def test_a_connection_that_is_reset_before_its_tls_begins_is_passed_over(server: Server, said: bytes) -> None:
    server.ssl_adapter = SimpleNamespace(context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    arrivals = ConnectionManager(server)
    with server.connect() as connection:
        connection.sendall(said)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    arrivals._accept()

    assert arrivals._waiting() == []
    arrivals.stop()
    arrivals.close()
