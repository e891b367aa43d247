"""What the settings file says about listening: address, processes, TLS, proxies in front, and what one request may cost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StrictInt
from pydantic.networks import IPvAnyNetwork

from ...validation import Problem
from .types import ConfigPath, Count, Duration, SettingsSection


class TlsSettings(SettingsSection):
    """TLS in the server itself, where no proxy ends it."""

    certificate: ConfigPath
    """The certificate and its chain, PEM."""

    key: ConfigPath
    """The certificate's private key, PEM, readable by the server alone."""

    def problems(self) -> Iterator[Problem]:
        """Yield the files that are not there."""
        for name, file in (("certificate", self.certificate), ("key", self.key)):
            if not os.access(file, os.R_OK):
                yield (name,), f"{file} is not there or not readable"


class ProxySettings(SettingsSection):
    """Whose word on the browser's address is believed. Without this section proxy headers are ignored."""

    trusted: Annotated[tuple[IPvAnyNetwork, ...], Field(min_length=1)]
    """Addresses or networks of the proxies in front, such as 127.0.0.1 or 10.0.0.0/8; a header from elsewhere is ignored."""

    client_address_header: Literal["X-Forwarded-For", "X-Real-IP"] = "X-Forwarded-For"
    """The header in which the proxy puts the browser's address. The proxy must set it itself on every request."""


class LimitSettings(SettingsSection):
    """What one request, and one connection, may cost."""

    max_body_bytes: Count = 65536
    """A larger request body is answered 413."""

    max_header_bytes: Count = 32768
    """A larger request line with headers is refused; leave room for an `id_token_hint` in a URL."""

    socket_timeout_s: Duration = 10
    """A request that takes longer to arrive, from first byte to last, is given up; so is a connection that is silent for so long."""

    shutdown_timeout_s: Duration = 10
    """How long a stopping server waits for requests under way."""


class ListenSettings(SettingsSection):
    """Where the server listens."""

    host: Annotated[str, Field(pattern=r"^[0-9A-Za-z.:_-]{1,255}$")] = "127.0.0.1"
    """The address to listen on; `0.0.0.0` or `::` is every one."""

    port: Annotated[StrictInt, Field(ge=1, le=65535)] = 8080
    """The port to listen on."""

    threads: Annotated[StrictInt, Field(ge=1, le=1000)] = 10
    """How many requests each process works on at the same time."""

    processes: Annotated[StrictInt, Field(ge=1, le=256)] = 1
    """How many processes answer on the address. With more than one a supervisor starts them, and starts again one that dies. Python
    computes on one processor per process, so as many as there are processors to use. They share nothing but the store."""

    tls: TlsSettings | None = None
    """TLS in the server itself; without it the server speaks plain HTTP, for a proxy in front or for trying out."""

    proxy: ProxySettings | None = None
    """Set it when a proxy is in front, so that failed sign-ins are counted per browser address."""

    limits: LimitSettings = LimitSettings()
    """Size and time limits."""
