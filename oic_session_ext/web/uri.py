"""Absolute URIs as settings and clients give them: read once, strictly, so that no two readers see two different hosts in one."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

_DEFAULT_PORT = {"http": 80, "https": 443}


def split_absolute_uri(text: str) -> SplitResult:
    """Return the parts of an absolute URI without fragment, user name or anything a browser might read differently.

    Raises: ValueError: it is not such a URI; the message gives the reason.
    Spec: OIDCFCL-2, OIDCBCL-2.2, RFC 3986-4.3
    """
    if not text.isascii() or re.search(r'[\x00-\x20\x7f"<>\\^`{|}]', text):
        raise ValueError("must hold no spaces, backslashes, quotes or non-ASCII characters; percent-encode them")
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as err:
        raise ValueError(f"is not a URI: {err}") from err
    if not parts.scheme:
        raise ValueError("must be an absolute URI, with its scheme, such as https://rp.example.com/callback")
    if "#" in text:
        raise ValueError("must have no fragment (#)")
    if parts.scheme in ("http", "https") and not parts.hostname:
        raise ValueError("must name a host")
    if "@" in parts.netloc:
        raise ValueError("must have no user name or password")
    return parts


def scheme_host_port(parts: SplitResult) -> tuple[str, str, int | None]:
    """Return what two URIs of one origin have in common; no port is the scheme's default one."""
    return parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORT.get(parts.scheme)


def fetched_problem(uri: str) -> str:
    """Return what is wrong with a URI that the OP fetches a client's keys or URIs from, an empty string when nothing is.

    Any host on the way could have written what comes over plain http; on this machine there is none on the way.
    """
    parts, problem = _split(uri)
    if parts is None:
        return problem
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)
    return "" if is_safe else "must be https"


def _split(uri: str) -> tuple[SplitResult | None, str]:
    try:
        return split_absolute_uri(uri), ""
    except ValueError as err:
        return None, str(err)
