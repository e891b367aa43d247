"""The origin of a URI, as a browser serialises it (RFC 6454)."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from itertools import groupby
from urllib.parse import unquote

import idna

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


# The last "@" ends the userinfo. "\" ends the host in a browser and "/" in RFC 3986: a URI with one before the path has two readings.
_AUTHORITY = re.compile(r"//(?:[^/?#\\]*@)?(\[[0-9A-Fa-f:.]+\]|[^/?#\\@:\[\]]+)(?::([0-9]{0,6}))?(?=[/?#]|$)")
_NOT_IN_A_URI = re.compile(r"[\x00-\x20\x7f]")
_HOST_NAME = re.compile(r"[a-z0-9._~-]+")
_ENDS_IN_A_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$")
_MAX_HOST = 255


@lru_cache(maxsize=1024)
def origin_of(uri: str) -> str:
    r"""Return the origin of an absolute URI as browsers write it in `event.origin` (RFC 6454, 6.2; SM-06).

    Only http and https URIs have one; for every other scheme, such as a native application's own, it is `null`.

    Raises: ValueError: browsers and RFC 3986 read the URI differently (`https:host`, `\`, spaces), or its host, port or address
        is not valid. An IPv4 address must be in plain dotted form.
    """
    scheme_match = _SCHEME.match(uri)
    if scheme_match is None or _NOT_IN_A_URI.search(uri):
        raise ValueError("not an absolute URI")
    scheme = scheme_match[1].lower()
    if scheme not in _DEFAULT_PORTS:
        return "null"
    authority = _AUTHORITY.match(uri, scheme_match.end())
    if authority is None:
        raise ValueError("the URI has no host, or one that is not valid")
    host, port_digits = authority[1], authority[2]
    try:
        serialised_host = _ipv6(host[1:-1]) if host.startswith("[") else _name_or_ipv4(host)
    except ValueError as err:
        raise ValueError("the URI's host is not valid") from err
    port = int(port_digits) if port_digits else _DEFAULT_PORTS[scheme]
    if port > 0xFFFF:
        raise ValueError("the URI's port is not valid")
    if port == _DEFAULT_PORTS[scheme]:
        return f"{scheme}://{serialised_host}"
    return f"{scheme}://{serialised_host}:{port}"


def _name_or_ipv4(host: str) -> str:
    """The host as browsers send it to DNS: percent-decoded, mapped by UTS 46 without its ASCII rules ("_" is fine), in Punycode."""
    if len(host) > _MAX_HOST:
        raise ValueError("the URI's host is too long")
    mapped = idna.uts46_remap(unquote(host, errors="strict"), std3_rules=False)
    name = ".".join(label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii") for label in mapped.split("."))
    # RFC 3986 allows "!$&'()*+,;=" as well; no DNS name has them, and browsers do not agree on how to write them.
    if not name.strip(".") or not _HOST_NAME.fullmatch(name):
        raise ValueError("the URI's host is not valid")
    if _ENDS_IN_A_NUMBER.search(name):
        # Browsers take 127.1 and 0x7f.0.0.1 for addresses as well; ipaddress refuses these, and so do we.
        return str(ipaddress.IPv4Address(name))
    return name


def _ipv6(text: str) -> str:
    """The address in brackets, its longest run of zeros shortened.

    Not `str(IPv6Address)`: from Python 3.13 on that writes the end of an IPv4-mapped address in dots, which browsers never do.
    """
    number = int(ipaddress.IPv6Address(text))
    pieces = [f"{number >> shift & 0xFFFF:x}" for shift in range(112, -1, -16)]
    start, longest, position = 0, 1, 0
    for piece, group in groupby(pieces):
        length = len(list(group))
        if piece == "0" and length > longest:
            start, longest = position, length
        position += length
    if longest == 1:
        return f"[{':'.join(pieces)}]"
    return f"[{':'.join(pieces[:start])}::{':'.join(pieces[start + longest :])}]"
