"""Fetches a small document from where a client's registration says: its keys, its sector's redirect URIs, its request objects.

Whoever registers chooses the address, so it is guarded when it is connected to, and all is bounded: time, size, redirects (none).
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import json
import socket
import ssl
import threading
import time
from typing import Any
from urllib.parse import SplitResult

from ..errors import SessionExtError
from .address_guard import AddressGuard
from .uri import fetched_problem, split_absolute_uri

_MAX_BYTES = 64 * 1024


class FetchFailed(SessionExtError):
    """The document could not be had; the message says why and may be shown to the client."""


class GuardedFetch:
    """Gets a document by `GET` within `timeout_s` as a whole, from addresses that `guard` does not refuse; proxies are not used.

    `ca_file`: the certificates (PEM) to check servers by, None for those of the system. `max_at_once`: how many fetches it makes at a
    time; the other threads of the process are for users, however slow a client's server is.
    """

    def __init__(self, guard: AddressGuard, *, timeout_s: float = 5.0, ca_file: str | None = None, max_at_once: int = 4) -> None:
        self._guard = guard
        self._timeout_s = timeout_s
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._free = threading.BoundedSemaphore(max_at_once)

    def json(self, uri: str) -> Any:
        """Return a JSON document. Raises: FetchFailed: refused, not there, too slow, too large, or not JSON."""
        body = self._fetch(uri, "application/json")
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as err:
            raise FetchFailed("is not JSON") from err

    def ascii(self, uri: str, accept: str) -> str:
        """Return a text in ASCII; `accept` are the media types asked for. Raises: FetchFailed: as `json`, or not ASCII."""
        try:
            return self._fetch(uri, accept).decode("ascii")
        except UnicodeDecodeError as err:
            raise FetchFailed("is not ASCII") from err

    def _fetch(self, uri: str, accept: str) -> bytes:
        if problem := fetched_problem(uri) or self._guard.refuses_uri(uri):
            raise FetchFailed(problem)
        if not self._free.acquire(blocking=False):
            raise FetchFailed("cannot be fetched now: too much is being fetched")
        try:
            return self._get(split_absolute_uri(uri), accept)
        except (OSError, http.client.HTTPException, ValueError) as err:
            raise FetchFailed("could not be fetched") from err  # no more: it would tell what answers inside of our network
        finally:
            self._free.release()

    def _get(self, parts: SplitResult, accept: str) -> bytes:
        deadline = time.monotonic() + self._timeout_s
        host, is_https = parts.hostname or "", parts.scheme == "https"
        connection = http.client.HTTPConnection(host, parts.port or (443 if is_https else 80))
        sock = self._connect(host, connection.port, deadline)
        try:
            if is_https:
                sock.settimeout(_left(deadline))
                sock = self._tls.wrap_socket(sock, server_hostname=host)
            connection.sock = _Deadlined(sock, deadline)  # all that http.client asks of a socket
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("GET", target, headers={"Accept": accept, "Connection": "close"})
            answer = connection.getresponse()
            if answer.status != 200:  # a redirect too: it could lead to anywhere
                raise FetchFailed("does not answer with 200 OK")
            body = answer.read(_MAX_BYTES + 1)
            if len(body) > _MAX_BYTES:
                raise FetchFailed("is too large")
            return body
        finally:
            sock.close()

    def _connect(self, host: str, port: int, deadline: float) -> socket.socket:
        """Return a connection to the very address that was judged: a name may resolve to something else a moment later."""
        failure: OSError | None = None
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            if self._guard.refuses_address(ipaddress.ip_address(str(address[0]).partition("%")[0])):
                raise FetchFailed("could not be fetched")
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(_left(deadline))
                sock.connect(address)
                return sock
            except OSError as err:
                sock.close()
                failure = err
        raise failure or OSError("no address")


class _Deadlined:
    """A socket each of whose steps may take what is left of the whole time: drops that come slowly do not prolong it."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(_left(self._deadline))
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._deadline))

    def close(self) -> None:
        """Do nothing: http.client closes once it has the header lines of a last answer, and the body is still to be read."""


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time is over")
    return left
