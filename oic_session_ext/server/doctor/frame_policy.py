"""Whether a page may be framed by another page: CSP `frame-ancestors`, else `X-Frame-Options` (CSP Level 3, 6.4.2; RFC 7034)."""

from __future__ import annotations

from collections.abc import Mapping

from ...web.origin import origin_of
from ...web.uri import split_absolute_uri


def refuses_frame(headers: Mapping[str, str], page: str, ancestor: str) -> str | None:
    """Return the header by which `page` refuses to be framed by `ancestor` (an absolute URI), or None."""
    policies = [
        sources.split()
        for directive in headers.get("content-security-policy", "").replace(",", ";").split(";")
        for name, _, sources in [directive.strip().partition(" ")]
        if name.lower() == "frame-ancestors"
    ]
    for sources in policies:
        if not any(_matches(source.lower(), page, ancestor) for source in sources):
            return f"Content-Security-Policy: frame-ancestors {' '.join(sources)}"
    option = headers.get("x-frame-options", "").partition(",")[0].strip().upper()
    if policies or not option:
        return None
    is_refused = option == "DENY" or (option == "SAMEORIGIN" and not _is_of_one_origin(page, ancestor))
    return f"X-Frame-Options: {option}" if is_refused else None


def _matches(source: str, page: str, ancestor: str) -> bool:
    if source == "*":
        return True
    if source == "'self'":
        return _is_of_one_origin(page, ancestor)
    framing = split_absolute_uri(ancestor)
    if source.endswith(":"):
        return _fits(source[:-1], framing.scheme)
    scheme, _, place = source.rpartition("://")
    host, _, port = place.partition("/")[0].partition(":")
    default_port = {"http": 80, "https": 443}.get(framing.scheme)
    if not _fits(scheme or page.partition(":")[0].lower(), framing.scheme):
        return False
    if port not in ("*", f"{framing.port or default_port}") and not (port == "" and framing.port in (None, default_port)):
        return False
    own_host = framing.hostname or ""
    return own_host.endswith(host[1:]) if host.startswith("*.") else own_host == host


def _is_of_one_origin(page: str, ancestor: str) -> bool:
    try:
        return origin_of(page) == origin_of(ancestor)
    except ValueError:  # an address that cannot be parsed has no origin in common with another
        return False


def _fits(wanted: str, scheme: str) -> bool:
    return wanted == scheme or (wanted, scheme) == ("http", "https")
