"""The HTTP side of back-channel logout: POSTs a form to URIs that clients registered, and believes little of what comes back.

aiohttp does the talking; what is said here is what it may do. The address guard is asked about every address that a name resolves
to, and the connection goes to an address that it has passed, so a name that resolves to something else than at registration gains
nothing. No redirects, cookies, proxies or compression; of an answer its head and a few kilobytes are read.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from ...web.address_guard import AddressGuard

_MAX_BODY = 16 * 1024
_BODY_S = 1
_EXCERPT = 300
_KEEP_IDLE_S = 15
_PRINTABLE = re.compile(r"[!-~]+")


class PostFailed(Exception):
    """No answer came; `problem` is a short code such as `timeout`, `connect_refused`, `dns`, `tls`, `address_refused`."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class PostAnswer:
    """The head of an answer; `excerpt` is the beginning of its body as far as it came along, for debugging alone (OIDCBCL-2.8)."""

    status: int
    retry_after: str
    excerpt: bytes


class _AddressRefused(OSError):
    """A name leads to nothing but addresses that the guard refuses."""


class _GuardedResolver(AbstractResolver):
    """Looks names up in threads and lets through what the guard passes."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        passed = [result for result in found if not self._guard.refuses_address(ip_address(result["host"].partition("%")[0]))]
        if found and not passed:
            raise _AddressRefused(host)
        return passed

    async def close(self) -> None:
        await self._resolver.close()


class HttpPoster:
    """Posts forms, in one event loop.

    `timeout_s` bounds one attempt as a whole, `connect_timeout_s` the making of its connection, `tls` says which certificates are
    believed. Connections are kept for a quarter of a minute and used again.
    """

    def __init__(self, guard: AddressGuard, *, timeout_s: float, connect_timeout_s: float, tls: ssl.SSLContext) -> None:
        self._guard = guard
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=connect_timeout_s)
        self._tls = tls
        self._opened: aiohttp.ClientSession | None = None

    async def post(self, uri: str, form: bytes) -> PostAnswer:
        """Return the RP's answer, whatever its status. Raises: PostFailed."""
        if not _PRINTABLE.fullmatch(uri):
            raise PostFailed("bad_uri")  # it would write headers of its own
        if self._guard.refuses_uri(uri) is not None:
            raise PostFailed("address_refused")
        try:
            # the registered URI byte for byte
            async with self._session().post(URL(uri, encoded=True), data=form, allow_redirects=False) as answer:
                return PostAnswer(answer.status, answer.headers.get("Retry-After", "")[:_EXCERPT], await _beginning_of(answer))
        except (aiohttp.ClientError, OSError, ValueError) as err:
            raise PostFailed(_problem_of(err)) from err

    async def close(self) -> None:
        """Close what is kept; attempts under way are the caller's to cancel."""
        if self._opened is not None:
            await self._opened.close()

    def _session(self) -> aiohttp.ClientSession:
        """Return aiohttp's session, which belongs to the loop that runs when it is made."""
        if self._opened is None:
            connector = aiohttp.TCPConnector(
                limit=0,  # how much is sent at once, the caller decides
                resolver=_GuardedResolver(self._guard),
                ssl=self._tls,
                keepalive_timeout=_KEEP_IDLE_S,
            )
            self._opened = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
                auto_decompress=False,
                read_bufsize=_MAX_BODY,
                headers={"User-Agent": "oic_session_ext", "Content-Type": "application/x-www-form-urlencoded"},
                skip_auto_headers=("Accept-Encoding",),
            )
        return self._opened


async def _beginning_of(answer: aiohttp.ClientResponse) -> bytes:
    """Return the beginning of the body. A short one is read to its end, so that its connection can be used again."""
    body = b""
    with suppress(aiohttp.ClientError, OSError):  # the status has been said already
        async with asyncio.timeout(_BODY_S):
            while len(body) < _MAX_BODY and (chunk := await answer.content.readany()):
                body += chunk
    return body[:_EXCERPT]


def _problem_of(err: Exception) -> str:
    cause = err.os_error if isinstance(err, aiohttp.ClientConnectorError) else err
    for kind, problem in _PROBLEMS:
        if isinstance(cause, kind) or isinstance(err, kind):
            return problem
    return "bad_answer"


_PROBLEMS: tuple[tuple[type[Exception], str], ...] = (
    (_AddressRefused, "address_refused"),
    (aiohttp.ClientConnectorDNSError, "dns"),
    (UnicodeError, "dns"),  # a label of more than 63 characters
    (aiohttp.ConnectionTimeoutError, "connect_timeout"),
    (TimeoutError, "timeout"),
    (ssl.SSLError, "tls"),
    (ssl.CertificateError, "tls"),
    (aiohttp.ClientSSLError, "tls"),
    (ConnectionRefusedError, "connect_refused"),
    (aiohttp.ClientConnectorError, "connect_failed"),
    (aiohttp.ServerDisconnectedError, "connection_lost"),
    (aiohttp.ClientOSError, "connection_lost"),
    (ConnectionError, "connection_lost"),
)
