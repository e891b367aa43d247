"""The section `listen` of the YAML file: address, processes, TLS, trusted proxies, and limits on requests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StrictInt
from pydantic.networks import IPvAnyNetwork

from ...validation import Problem
from .types import ConfigPath, Count, Duration, SettingsSection


class TlsSettings(SettingsSection):
    """TLS in the server itself, if no proxy terminates it."""

    certificate: ConfigPath
    """The certificate and its chain, PEM."""

    key: ConfigPath
    """The certificate's private key, PEM, readable by the server only."""

    def problems(self) -> Iterator[Problem]:
        """Yield missing and unreadable files."""
        for name, file in (("certificate", self.certificate), ("key", self.key)):
            if not os.access(file, os.R_OK):
                yield (name,), f"{file} does not exist or is not readable"


class ProxySettings(SettingsSection):
    """Proxies whose header with the browser's address is trusted. Without this section proxy headers are ignored."""

    trusted: Annotated[tuple[IPvAnyNetwork, ...], Field(min_length=1)]
    """Addresses or networks of the proxies in front, such as 127.0.0.1 or 10.0.0.0/8; the header of others is ignored."""

    client_address_header: Literal["X-Forwarded-For", "X-Real-IP"] = "X-Forwarded-For"
    """The header with the browser's address. The proxy must set it itself on every request."""


class LimitSettings(SettingsSection):
    """Limits on one request and one connection."""

    max_body_bytes: Count = 65536
    """The response to a larger request body is 413."""

    max_header_bytes: Count = 32768
    """A larger request line with headers is refused; the limit must allow an `id_token_hint` in a URL."""

    socket_timeout_s: Duration = 10
    """The maximum time to receive a request, from first byte to last, and of silence on a connection; then the connection is closed."""

    shutdown_timeout_s: Duration = 10
    """How long a stopping server waits for the current requests."""


class ListenSettings(SettingsSection):
    """Address, processes and limits of the server."""

    host: Annotated[str, Field(pattern=r"^[0-9A-Za-z.:_-]{1,255}$")] = "127.0.0.1"
    """The address to listen on; `0.0.0.0` or `::` for all addresses."""

    port: Annotated[StrictInt, Field(ge=1, le=65535)] = 8080
    """The port to listen on."""

    threads: Annotated[StrictInt, Field(ge=1, le=1000)] = 10
    """How many requests each process handles at the same time."""

    processes: Annotated[StrictInt, Field(ge=1, le=256)] = 1
    """How many processes listen on the address. With more than one, a supervisor starts them and restarts a process that dies. A Python
    process uses one processor, so set the number of processors to use. The processes share only the store."""

    tls: TlsSettings | None = None
    """TLS in the server itself; without it the server speaks plain HTTP, for use behind a proxy or for trials."""

    proxy: ProxySettings | None = None
    """Required if a proxy is in front, so that failed sign-ins are counted for each browser's address."""

    limits: LimitSettings = LimitSettings()
    """Size and time limits."""
