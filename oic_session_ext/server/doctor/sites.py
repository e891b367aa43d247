"""The site of a URI in browsers, on which cookies in frames depend (RFC 6265bis, 5.2; HTML, "schemelessly same site")."""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address

from publicsuffixlist import PublicSuffixList

from ...web.uri import split_absolute_uri


def site_of(uri: str) -> str:
    """Return the site of an http or https URI: its scheme and registrable domain, or its host if it has no such domain.

    Raises: ValueError: it is not an absolute URI.
    """
    parts = split_absolute_uri(uri)
    host = (parts.hostname or "").rstrip(".")
    return f"{parts.scheme}://{host if _is_address(host) else _list().privatesuffix(host) or host}"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@cache
def _list() -> PublicSuffixList:
    return PublicSuffixList()
