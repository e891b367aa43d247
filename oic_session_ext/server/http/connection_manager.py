"""Connections wait without a thread until a whole request has arrived.

cheroot gives each connection a thread at once, so that a few intentionally slow clients could block all others
(docs/adr/0017-a-thread-for-a-request-that-has-arrived.md).
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import resource
import select
import selectors
import socket
import ssl
import threading
import time
from typing import Any

from cheroot.makefile import StreamWriter
from cheroot.server import HTTPConnection

_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_BODY_HEADER = re.compile(rb"^(content-length|transfer-encoding)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_EXPECTS = re.compile(rb"\nexpect:[ \t]*100-continue[ \t]*\r", re.IGNORECASE)
_MOST_DIGITS = 12
_CHUNK = 65536
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
_NO_TLS = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
_MOST_WAITING = 1024


class ArrivedReader(io.BytesIO):
    """Reads received bytes only, never the socket: no thread waits for a client, even if the two parse a request differently."""

    def add(self, data: bytes) -> None:
        """Append received bytes to the unread ones."""
        arrived = self.waiting() + data
        self.seek(0)
        self.truncate()
        self.write(arrived)
        self.seek(0)

    def waiting(self) -> bytes:
        """Return the unread bytes."""
        return self.getvalue()[self.tell() :]

    def has_data(self) -> bool:
        """Return whether there are unread bytes."""
        return self.tell() < len(self.getbuffer())


class ArrivingConnection(HTTPConnection):
    """A connection with the state of its incoming request."""

    def __init__(self, server: Any, connected: socket.socket, _: Any = None) -> None:
        super().__init__(server, connected, _make_file)
        self.is_tls_ready = server.ssl_adapter is None
        self.await_request(0.0)
        self.has_served = False

    def await_request(self, due: float) -> None:
        """Start to wait for a request, which must arrive by `due` (monotonic seconds)."""
        self.due = due
        self.has_begun = False
        self._looked_to = 0  # no head ends before this position
        self._length: int | None = None  # of head and body together, known when the head has arrived

    def is_whole(self, max_head: int, max_body: int) -> bool:
        """Return whether a whole request has arrived, or enough of it to refuse it.

        A client that expects `100 Continue` before its body (RFC 9110, 10.1.1) gets it.
        """
        arrived = self.rfile.waiting()
        if self._length is None:
            end = _END_OF_HEAD.search(arrived, self._looked_to)
            self._looked_to = max(0, len(arrived) - 3)
            if end is None:
                return len(arrived) > max_head
            head = arrived[: end.end()]
            self._length = len(head) + _length_of_body(head, max_body)
            if len(arrived) < self._length and _EXPECTS.search(head) and head.partition(b"\r\n")[0].endswith(b" HTTP/1.1"):
                _try_send(self.socket, _CONTINUE)
        return len(arrived) >= self._length


def _length_of_body(head: bytes, max_body: int) -> int:
    """Return the number of bytes of the body; 0 if the head is going to be refused."""
    found = _BODY_HEADER.findall(head)
    if len(found) != 1 or found[0][0].lower() != b"content-length":
        return 0
    digits = found[0][1].strip()
    length = int(digits) if digits.isdigit() and len(digits) <= _MOST_DIGITS else 0
    return length if length <= max_body else 0


class ConnectionManager:
    """Receives for all connections in one thread without blocking; dispatches those with a whole request and a writable socket.

    It replaces cheroot's `ConnectionManager`. The server's `timeout` limits the time in which a request must arrive, from its
    first byte, and the silence on a connection. If too many connections wait, the oldest is closed.
    """

    can_add_keepalive_connection = True

    def __init__(self, server: Any) -> None:
        self.server = server
        self._most = min(_MOST_WAITING, max(64, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))
        self._selector = selectors.DefaultSelector()
        self._selector.register(server.socket, selectors.EVENT_READ)
        self._lock = threading.Lock()  # worker threads return connections with `put`
        self._stop_requested = threading.Event()
        self._has_stopped = threading.Event()
        self._has_stopped.set()

    def run(self, expiration_interval: float) -> None:
        """Serve until `stop`; every `expiration_interval` seconds close overdue connections."""
        self._has_stopped.clear()
        try:
            checked_at = time.monotonic()
            while not self._stop_requested.is_set():
                has_new = False
                for key, _ in self._selector.select(expiration_interval):
                    if key.data is None:
                        has_new = True
                    else:
                        self._receive(key.data, is_registered=True)
                if has_new:  # last, because it may close one of these connections
                    self._accept()
                now = time.monotonic()
                if now - checked_at > expiration_interval:
                    self._close_overdue(now)
                    checked_at = now
        finally:
            self._has_stopped.set()

    def stop(self) -> None:
        """End `run`, within its expiration interval."""
        self._stop_requested.set()
        self._has_stopped.wait()
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(self.server.socket)

    def close(self) -> None:
        """Close every connection; partly received requests get the same time as current requests."""
        for key, _ in self._selector.select(0):
            self._receive(key.data, is_registered=True)
        for conn in self._waiting():
            if not conn.has_begun:
                self._close(conn, is_registered=True)
        until = time.monotonic() + self.server.shutdown_timeout
        while (left_s := until - time.monotonic()) > 0 and self._waiting():
            for key, _ in self._selector.select(left_s):
                self._receive(key.data, is_registered=True)
        for conn in self._waiting():
            self._drop(conn)
        self._selector.close()

    def put(self, conn: ArrivingConnection) -> None:
        """Return a connection after the response to its request; worker threads call this."""
        conn.has_served = True
        conn.await_request(time.monotonic() + self.server.timeout)
        conn.socket.settimeout(0)
        if conn.rfile.has_data():
            conn.has_begun = True
            if self._is_whole(conn):
                self._dispatch(conn, is_registered=False)
                return
        self._wait(conn, selectors.EVENT_READ, is_registered=False)

    def _accept(self) -> None:
        try:
            connected, address = self.server.socket.accept()
            connected.settimeout(0)
            if self.server.ssl_adapter is not None:
                # the handshake does not block; in cheroot it would block before the next connection is accepted
                context = self.server.ssl_adapter.context
                connected = context.wrap_socket(connected, server_side=True, do_handshake_on_connect=False)
        except OSError as err:  # another process accepted it, or the peer has disconnected
            if err.errno in (errno.EMFILE, errno.ENFILE) and (waiting := self._waiting()):
                self._drop(waiting[0])
            return
        conn = self.server.ConnectionClass(self.server, connected)
        conn.remote_addr, conn.remote_port = address[:2]
        conn.ssl_env = {}
        conn.await_request(time.monotonic() + self.server.timeout)
        waiting = self._waiting() if len(self._selector.get_map()) > self._most else []
        if waiting:
            self._drop(waiting[0])
        self._receive(conn, is_registered=False)

    def _receive(self, conn: ArrivingConnection, *, is_registered: bool) -> None:
        """Read received bytes; then dispatch the connection, let it wait, or close it."""
        wanted = selectors.EVENT_READ
        try:
            if not conn.is_tls_ready:
                conn.socket.do_handshake()
                conn.ssl_env = self.server.ssl_adapter.get_environ(conn.socket)
                conn.is_tls_ready = True
            if self._read_request(conn):
                self._dispatch(conn, is_registered=is_registered)
                return
        except ssl.SSLWantWriteError:
            wanted = selectors.EVENT_WRITE
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except OSError as err:
            if isinstance(err, ssl.SSLError) and err.reason == "HTTP_REQUEST":
                _send_without_tls(conn.socket, _NO_TLS)
            self._close(conn, is_registered=is_registered)
            return
        self._wait(conn, wanted, is_registered=is_registered)

    def _read_request(self, conn: ArrivingConnection) -> bool:
        """Read until the request is whole and return True; raises if there are no more bytes for now."""
        if conn.has_begun and self._is_whole(conn):  # it waited for a writable socket only
            return True
        while True:
            data = conn.socket.recv(_CHUNK)
            if not data:
                if conn.has_begun:
                    return True  # the end: the worker thread detects the missing bytes and closes
                raise ConnectionAbortedError
            if not conn.has_begun:
                conn.has_begun = True
                conn.due = time.monotonic() + self.server.timeout
            conn.rfile.add(data)
            if self._is_whole(conn):
                return True

    def _is_whole(self, conn: ArrivingConnection) -> bool:
        return conn.is_whole(self.server.max_request_header_size, self.server.max_request_body_size)

    def _dispatch(self, conn: ArrivingConnection, *, is_registered: bool) -> None:
        """Give the connection a thread; if the client has not read earlier responses, wait until the socket is writable."""
        if conn.has_served and not _has_room(conn.socket):
            self._wait(conn, selectors.EVENT_WRITE, is_registered=is_registered)
            return
        if is_registered:
            self._forget(conn)
        conn.socket.settimeout(self.server.timeout)
        self.server.process_conn(conn)

    def _wait(self, conn: ArrivingConnection, event: int, *, is_registered: bool) -> None:
        with self._lock:
            if is_registered:
                self._selector.modify(conn.socket, event, conn)
            else:
                self._selector.register(conn.socket, event, conn)

    def _waiting(self) -> list[ArrivingConnection]:
        """Return the waiting connections, the oldest first."""
        with self._lock:
            return [key.data for key in self._selector.get_map().values() if key.data is not None]

    def _close_overdue(self, now: float) -> None:
        for conn in self._waiting():
            if conn.due < now:
                self._drop(conn)

    def _drop(self, conn: ArrivingConnection) -> None:
        if conn.has_begun and conn.is_tls_ready:
            _try_send(conn.socket, _TOO_SLOW)
        self._close(conn, is_registered=True)

    def _close(self, conn: ArrivingConnection, *, is_registered: bool) -> None:
        if is_registered:
            self._forget(conn)
        with contextlib.suppress(OSError):
            conn.close()

    def _forget(self, conn: ArrivingConnection) -> None:
        with self._lock:
            self._selector.unregister(conn.socket)


def _make_file(connected: socket.socket, mode: str, size: int) -> ArrivedReader | StreamWriter:
    return ArrivedReader() if "r" in mode else StreamWriter(connected, mode, size)


def _has_room(connected: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connected.fileno(), select.POLLOUT)
    return bool(poll.poll(0))


def _send_without_tls(connected: socket.socket, data: bytes) -> None:
    """Send a few bytes in plain text on a TLS connection."""
    with contextlib.suppress(OSError):
        os.write(connected.fileno(), data)


def _try_send(connected: socket.socket, data: bytes) -> None:
    """Send a few bytes if this is possible without waiting."""
    with contextlib.suppress(OSError):
        connected.send(data)
