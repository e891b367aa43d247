"""The client's address of a request behind proxies; only headers of trusted proxies are used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...web.ip_address import parse_address
from ..config.listen import ProxySettings

_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}|\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?")


def with_client_address(application: Callable[..., Iterable[bytes]], proxy: ProxySettings | None) -> Callable[..., Iterable[bytes]]:
    """Return the application with `REMOTE_ADDR` set to the browser's address; without a proxy it is the peer's address already."""
    if proxy is None:
        return application

    def trusting(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["REMOTE_ADDR"] = client_address(environ, proxy)
        return application(environ, start_response)

    return trusting


def client_address(environ: Mapping[str, Any], proxy: ProxySettings) -> str:
    """Return the last address that is not a trusted proxy's; any client can forge the addresses before it."""
    peer = str(environ.get("REMOTE_ADDR", ""))
    name = "HTTP_" + proxy.client_address_header.upper().replace("-", "_")
    hops = [hop.strip() for hop in str(environ.get(name, "")).split(",") if hop.strip()]
    address = peer
    while hops and _is_trusted(address, proxy):
        address = hops.pop()
    parsed = parse_address(_without_port(address))
    return peer if parsed is None else str(parsed)


def _without_port(hop: str) -> str:
    """Return the address of a hop that some proxies write as `192.0.2.1:51004` or `[2001:db8::1]:51004`."""
    match = _WITH_PORT.fullmatch(hop)
    return hop if match is None else match[1] or match[2]


def _is_trusted(address: str, proxy: ProxySettings) -> bool:
    parsed = parse_address(_without_port(address))
    return parsed is not None and any(parsed in network for network in proxy.trusted if network.version == parsed.version)
