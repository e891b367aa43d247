"""Which address a request came from, when proxies stand in front: only the word of trusted ones counts."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .settings import ProxySettings


def with_client_address(application: Callable[..., Iterable[bytes]], proxy: ProxySettings | None) -> Callable[..., Iterable[bytes]]:
    """Return the application with `REMOTE_ADDR` set to the browser's address; without a proxy it is the peer's already."""
    if proxy is None:
        return application

    def trusting(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["REMOTE_ADDR"] = client_address(environ, proxy)
        return application(environ, start_response)

    return trusting


def client_address(environ: Mapping[str, Any], proxy: ProxySettings) -> str:
    """Return the nearest address that is not a trusted proxy's; what stands left of it anybody could have written."""
    peer = str(environ.get("REMOTE_ADDR", ""))
    name = "HTTP_" + proxy.client_address_header.upper().replace("-", "_")
    hops = [hop.strip() for hop in str(environ.get(name, "")).split(",") if hop.strip()]
    address = peer
    while hops and _is_trusted(address, proxy):
        address = hops.pop()
    parsed = parse_address(address)
    return peer if parsed is None else str(parsed)


def _is_trusted(address: str, proxy: ProxySettings) -> bool:
    parsed = parse_address(address)
    return parsed is not None and any(parsed in network for network in proxy.trusted if network.version == parsed.version)


def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address, None for any other text; an IPv4 address as a socket for both versions writes it is one of IPv4."""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return parsed if mapped is None else mapped


def household_of(address: str) -> str:
    """Return what one attacker has of an address: of IPv6 the whole /64, out of which anybody takes as many as they like."""
    parsed = parse_address(address)
    if not isinstance(parsed, ipaddress.IPv6Address):
        return address if parsed is None else str(parsed)
    return str(ipaddress.IPv6Network((parsed.packed[:8] + bytes(8), 64)))
