"""Network addresses as text: read, and counted by."""

from __future__ import annotations

import ipaddress


def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address, None for any other text; an IPv4 address as a socket for both versions writes it is one of IPv4."""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return parsed if mapped is None else mapped


def rate_limit_key(address: str) -> str:
    """Return the key to rate-limit by: an IPv4 address, or the /64 of an IPv6 address."""
    parsed = parse_address(address)
    if not isinstance(parsed, ipaddress.IPv6Address):
        return address if parsed is None else str(parsed)
    return str(ipaddress.IPv6Network((parsed.packed[:8] + bytes(8), 64)))
