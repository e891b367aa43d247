"""The HTTP client of back-channel logout: POSTs a form to addresses that strangers registered, and believes little of what comes back.

Connections are kept and used again. It asks the address guard about the very address that it connects to, so a name that resolves
to something else than at registration gains nothing. It follows no redirects, knows no cookies and no proxies, and reads of an answer
its head and a few kilobytes. An RP that dribbles or hangs costs one waiting task until the time limit of the attempt.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from .address_guard import AddressGuard, address_of_host
from .http_connection import Connection, PostAnswer, PostFailed, WentStale

_IDLE_S = 15
_RESOLVERS = 16
_MOST_ADDRESSES = 4
_PRINTABLE = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a URI leads: an origin to connect to, and a request target that is the registered one byte for byte."""

    is_tls: bool
    host: str
    port: int
    authority: str
    path: str

    @classmethod
    def of(cls, uri: str) -> _Target:
        parts = urlsplit(uri)
        is_tls = parts.scheme == "https"
        host = (parts.hostname or "").removesuffix(".")
        rest = uri.partition("#")[0].split("://", 1)[1].removeprefix(parts.netloc)
        path = rest if rest.startswith("/") else f"/{rest}"
        return cls(is_tls, host, parts.port or (443 if is_tls else 80), parts.netloc, path)

    @property
    def origin(self) -> tuple[bool, str, int]:
        return self.is_tls, self.host, self.port


class HttpPoster:
    """Posts forms, in one event loop.

    `tls` says how certificates are checked. `timeout_s` bounds one attempt as a whole, `connect_timeout_s` the making of its
    connection. `max_idle` connections to one origin are kept for a quarter of a minute.
    """

    def __init__(self, guard: AddressGuard, *, timeout_s: float, connect_timeout_s: float, tls: ssl.SSLContext, max_idle: int = 8) -> None:
        self._guard = guard
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._max_idle = max_idle
        self._tls = tls
        self._idle: defaultdict[tuple[bool, str, int], list[Connection]] = defaultdict(list)
        # names are looked up in threads of their own, so that a dead name server holds up nothing but look-ups
        self._resolvers = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="delivery-dns")

    async def post(self, uri: str, form: bytes) -> PostAnswer:
        """Return the RP's answer, whatever its status. Raises: PostFailed."""
        if not _PRINTABLE.fullmatch(uri):
            raise PostFailed("bad_uri")  # it would write headers of its own
        if self._guard.refuses_uri(uri) is not None:
            raise PostFailed("address_refused")
        target = _Target.of(uri)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(target, form)
        except TimeoutError as err:
            raise PostFailed("timeout") from err
        except ConnectionRefusedError as err:
            raise PostFailed("connect_refused") from err
        except ssl.SSLError as err:
            raise PostFailed("tls") from err
        except OSError as err:
            raise PostFailed("connection_lost" if isinstance(err, ConnectionError) else "connect_failed") from err

    def close(self) -> None:
        """Close what is kept; attempts under way are the caller's to cancel."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    def drop_idle(self) -> None:
        """Close the connections that nobody has used for a while."""
        too_old = time.monotonic() - _IDLE_S
        for origin, connections in list(self._idle.items()):
            for connection in connections:
                if connection.idle_since < too_old:
                    connection.close()
            connections[:] = [connection for connection in connections if connection.is_open]
            if not connections:
                del self._idle[origin]

    async def _exchange(self, target: _Target, form: bytes) -> PostAnswer:
        request = (
            f"POST {target.path} HTTP/1.1\r\nHost: {target.authority}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Accept: */*\r\nUser-Agent: oic_session_ext\r\nContent-Length: {len(form)}\r\n\r\n"
        ).encode("ascii") + form
        for connection in self._kept(target):
            try:
                return await connection.exchange(request)
            except WentStale:
                continue
        try:
            return await (await self._connect(target)).exchange(request)
        except WentStale as err:
            raise PostFailed("connection_lost") from err

    def _kept(self, target: _Target) -> Iterator[Connection]:
        connections = self._idle.get(target.origin, [])
        while connections:
            connection = connections.pop()
            if connection.is_open:
                yield connection

    def _keep(self, origin: tuple[bool, str, int], connection: Connection) -> None:
        kept = self._idle[origin]
        if len(kept) < self._max_idle:
            kept.append(connection)
        else:
            connection.close()

    async def _connect(self, target: _Target) -> Connection:
        give_up_at = time.monotonic() + self._connect_timeout_s
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                found = await self._addresses(target)
                addresses = [address for address in found if not self._guard.refuses_address(ip_address(address))]
                if not addresses:
                    raise PostFailed("address_refused")
                for address in addresses[: _MOST_ADDRESSES - 1]:
                    if address == addresses[-1]:
                        break
                    with suppress(OSError):  # half of the time that is left, so that one dead address of two costs no attempt
                        async with asyncio.timeout((give_up_at - time.monotonic()) / 2):
                            return await self._connect_to(address, target)
                return await self._connect_to(addresses[-1], target)
        except TimeoutError as err:
            raise PostFailed("connect_timeout") from err

    async def _connect_to(self, address: str, target: _Target) -> Connection:
        """Connect to an address that the guard has passed: it is not resolved again."""
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(lambda kept: self._keep(target.origin, kept)),
            address,
            target.port,
            ssl=self._tls if target.is_tls else None,
            server_hostname=target.host if target.is_tls else None,
        )
        return connection

    async def _addresses(self, target: _Target) -> list[str]:
        if address_of_host(target.host) is not None:
            return [target.host]
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._resolvers, _look_up, target.host, target.port)
        except (OSError, UnicodeError) as err:  # a label of more than 63 characters is the latter
            raise PostFailed("dns") from err
        return list(dict.fromkeys(found))


def _look_up(host: str, port: int) -> list[str]:
    return [str(sockaddr[0]) for *_, sockaddr in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
