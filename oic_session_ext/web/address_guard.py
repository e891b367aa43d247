"""Which addresses the OP may be sent to by a client's registration (SSRF): those of the public Internet, and what is explicitly allowed.

Asked twice: of a URI's text when a client registers, and of the very address that is about to be connected to, since a name may
resolve to something else by then.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias
from urllib.parse import urlsplit

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
_LOCALHOST_NAMES = frozenset(
    {"localhost", "localhost.localdomain", "localhost6", "localhost6.localdomain6", "ip6-localhost", "ip6-loopback"}
)
_HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_HAS_TWO_READINGS = re.compile(r"[\x00-\x20\x7f\\]")  # some readers drop these or take "\" for "/", others do not
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
# Beyond what `ipaddress` knows to be special. Python versions differ on some of them, so they are named here.
_NEVER: tuple[Network, ...] = (
    IPv4Network("100.64.0.0/10"),  # shared address space of carriers; metadata at Alibaba
    IPv4Network("168.63.129.16/32"),  # a public address that is the host inside of an Azure machine
    IPv4Network("192.0.0.0/24"),  # protocol assignments; metadata at Oracle
    IPv4Network("192.88.99.0/24"),  # relays of 6to4
    IPv6Network("2001::/23"),  # protocol assignments: Teredo, ORCHID
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),  # 6to4: carries an IPv4 address, retired (RFC 7526)
    IPv6Network("3fff::/20"),
)


class AddressGuard:
    """Refuses loopback, private, link-local, metadata, multicast and every other address that is not of the public Internet.

    `allow` are the networks that may be connected to nevertheless: a deployer's own, where RPs live beside the OP.
    """

    def __init__(self, allow: Sequence[Network] = ()) -> None:
        self._allow = tuple(allow)

    def refuses_uri(self, uri: str) -> str | None:
        """Return why a client may not register this `http` or `https` URI for the OP to call, None when nothing speaks against it.

        Only its text is looked at, no name is resolved. An address must be written in its usual form: what resolvers take for one
        (`2130706433`, `0x7f.1`, `0177.0.0.1`) is refused whatever it stands for.
        """
        try:
            parts = urlsplit(uri)
            host = (parts.hostname or "").removesuffix(".")
            parts.port  # noqa: B018 - reading it checks it
        except ValueError:
            return "is not a URI"
        if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or _HAS_TWO_READINGS.search(uri):
            return "must be an http or https URI with a host and without a user name"
        address = address_of_host(host)
        if ("[" in parts.netloc) != isinstance(address, IPv6Address) or "%" in host:
            return "must write an IPv6 address in brackets, without a zone"
        if address is not None:
            return f"must not lead to {host}, which is not an address of the public Internet" if self.refuses_address(address) else None
        if not host.isascii() or not _HOST_NAME.fullmatch(host):
            return "must name its host in plain ASCII (a name beyond it in its xn-- form)"
        if _NUMERIC_LABEL.fullmatch(host.rpartition(".")[2]):
            return "must write an IPv4 address as four decimal numbers"
        is_localhost = host in _LOCALHOST_NAMES or host.endswith(".localhost")
        if is_localhost and all(self.refuses_address(address) for address in _LOOPBACK):
            return f"must not lead to {host}, which is the OP's own machine"
        return None

    def refuses_address(self, address: Address) -> bool:
        """Return whether this address must not be connected to. IPv6 forms that carry an IPv4 address are judged by that one too."""
        if self._allows(address):
            return False
        if isinstance(address, IPv4Address):
            return not address.is_global or address.is_multicast or address.is_reserved or _is_in(address, _NEVER)
        embedded = _embedded_ipv4(address)
        if embedded is not None:
            return self.refuses_address(embedded)
        return not address.is_global or address not in _GLOBAL_UNICAST or _is_in(address, _NEVER)

    def _allows(self, address: Address) -> bool:
        return _is_in(address, self._allow)


def address_of_host(host: str) -> Address | None:
    """Return the address that a URI's host is (IPv6 without its brackets), None when it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _embedded_ipv4(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address to which the packets for this one go in the end, None when it carries none."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
