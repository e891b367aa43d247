"""The HTTP client, on aiohttp: connects only to addresses that the guard allows, and treats responses as untrusted.

The guard judges every address that a name resolves to, and the connection goes to one of the allowed addresses, so a name that
resolves to another address than at registration gains nothing. No redirects, cookies, proxies or compression; bodies are bounded.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from ..address_guard import AddressGuard
from .failures import RequestFailed
from .http_answer import HttpAnswer
from .name_lookup import NameLookup

MAX_DOCUMENT = 64 * 1024
"""Bytes of a document that is fetched."""

_MAX_BODY = 16 * 1024
_BODY_S = 1
_KEEP_IDLE_S = 15
_PRINTABLE = re.compile(r"[!-~]+")
_FORM = "application/x-www-form-urlencoded"


class _AddressRefused(OSError):
    """A name resolves only to addresses that the guard refuses."""


class _GuardedResolver(AbstractResolver):
    """Returns the allowed addresses of a name to aiohttp."""

    def __init__(self, guard: AddressGuard, names: NameLookup) -> None:
        self._guard = guard
        self._names = names

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        found = [one for one in await asyncio.wrap_future(self._names.look_up(host)) if family in (socket.AF_UNSPEC, one[0])]
        allowed = [one for one in found if not self._guard.refuses_address(ip_address(one[1].partition("%")[0]))]
        if found and not allowed:
            raise _AddressRefused(host)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, address in allowed
        ]

    async def close(self) -> None:
        """Do nothing: the look-up belongs to the caller."""


class HttpClient:
    """Sends requests, in one event loop. Connections are kept open for some seconds and used again.

    `timeout_s` limits a request as a whole: name look-up, connection, TLS, headers and body; `connect_timeout_s` the first three of
    them. `tls` defines which certificates are accepted.
    """

    def __init__(self, guard: AddressGuard, *, timeout_s: float, connect_timeout_s: float, tls: ssl.SSLContext, names: NameLookup) -> None:
        self._guard = guard
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._tls = tls
        self._names = names
        self._opened: aiohttp.ClientSession | None = None

    async def post(self, uri: str, form: bytes, *, timeout_s: float | None = None, connect_timeout_s: float | None = None) -> HttpAnswer:
        """Post a form; return the answer, whatever its status, with the beginning of its body as far as it arrives quickly.

        Raises: RequestFailed.
        """
        return await self._send("POST", uri, {"Content-Type": _FORM}, form, timeout_s, connect_timeout_s)

    async def get(self, uri: str, accept: str, *, timeout_s: float | None = None) -> HttpAnswer:
        """Get a document; return the answer, whatever its status, with its whole body.

        Raises: RequestFailed: also `too_large`: the body has more than `MAX_DOCUMENT` bytes; `compressed`: it was to be as it is.
        """
        return await self._send("GET", uri, {"Accept": accept, "Accept-Encoding": "identity"}, None, timeout_s)

    async def close(self) -> None:
        """Close kept connections; the caller must cancel requests that are under way."""
        if self._opened is not None:
            await self._opened.close()

    async def _send(
        self,
        method: str,
        uri: str,
        headers: Mapping[str, str],
        form: bytes | None,
        timeout_s: float | None,
        connect_timeout_s: float | None = None,
    ) -> HttpAnswer:
        if not _PRINTABLE.fullmatch(uri):
            raise RequestFailed("bad_uri")  # it could add header lines
        if self._guard.refuses_uri(uri) is not None:
            raise RequestFailed("address_refused")
        whole_s = timeout_s or self._timeout_s
        timeout = aiohttp.ClientTimeout(
            total=whole_s, connect=min(connect_timeout_s or self._connect_timeout_s, whole_s), ceil_threshold=float("inf")
        )
        try:
            # the registered URI byte for byte
            async with self._session().request(
                method, URL(uri, encoded=True), data=form, headers=headers, allow_redirects=False, timeout=timeout
            ) as answer:
                body = await (_whole_body(answer) if method == "GET" else _beginning_of(answer))
                return HttpAnswer(answer.status, _joined(answer), body)
        except (aiohttp.ClientError, OSError, ValueError) as err:
            raise RequestFailed(_problem_of(err)) from err

    def _session(self) -> aiohttp.ClientSession:
        """Return aiohttp's session, which belongs to the loop that runs when it is made."""
        if self._opened is None:
            connector = aiohttp.TCPConnector(
                limit=0,  # the callers limit how many requests are under way
                resolver=_GuardedResolver(self._guard, self._names),
                use_dns_cache=False,  # `NameLookup` has one
                ssl=self._tls,
                keepalive_timeout=_KEEP_IDLE_S,
            )
            self._opened = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                read_bufsize=_MAX_BODY,
                headers={"User-Agent": "oic_session_ext"},
                skip_auto_headers=("Accept-Encoding",),
            )
        return self._opened


def _joined(answer: aiohttp.ClientResponse) -> dict[str, str]:
    """Return the headers by name in lower case; the values of a repeated one are joined."""
    return {name.lower(): ", ".join(answer.headers.getall(name)) for name in answer.headers}


async def _whole_body(answer: aiohttp.ClientResponse) -> bytes:
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise RequestFailed("compressed")  # a small body could become a large one
    body = b""
    while chunk := await answer.content.readany():
        body += chunk
        if len(body) > MAX_DOCUMENT:
            raise RequestFailed("too_large")
    return body


async def _beginning_of(answer: aiohttp.ClientResponse) -> bytes:
    """Return the beginning of the body. A short body is read to its end, so that its connection can be used again."""
    body = b""
    with suppress(aiohttp.ClientError, OSError):  # the status is known already
        async with asyncio.timeout(_BODY_S):
            while len(body) < _MAX_BODY and (chunk := await answer.content.readany()):
                body += chunk
    return body


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
