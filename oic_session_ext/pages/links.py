"""URLs that are allowed in a page: a last check after those at registration (SEC-11).

All functions are Jinja2 filters; the template's autoescape does the escaping.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from .security_headers import NEVER_A_TARGET

# Browsers read "//host" and "/\host" as another server, and drop tabs and line ends before they look for the scheme.
_FORM_ACTION = re.compile(r"(?:/(?![/\\])|https?://)[^\s\x00-\x1f\x7f]*", re.IGNORECASE)

_HTTP_URL = re.compile(r"https?://[^\s\x00-\x1f\x7f\\]+", re.IGNORECASE)
_ABSOLUTE_URI = re.compile(r"[a-z][a-z0-9+.-]*:[^\x00-\x1f\x7f]+", re.IGNORECASE)


def form_action(value: object) -> str:
    """Return `value` if a form may be sent there: a path of this server, or an http(s) URL.

    Raises: ValueError: it is anything else, such as a `javascript:` URL.
    """
    action = str(value)
    if not _FORM_ACTION.fullmatch(action):
        raise ValueError("a form may only be sent to a path of this server or to an http(s) URL")
    return action


def frame_uri(value: object) -> str:
    """Return `value` if a page may frame it: an http(s) URL.

    Raises: ValueError: it is anything else.
    """
    uri = str(value)
    if not _HTTP_URL.fullmatch(uri):
        raise ValueError("only an http(s) URL may be framed")
    return uri


def redirect_uri(value: object) -> str:
    """Return `value` if a page may link there after a logout: an absolute URI, also with a native application's own scheme.

    Raises: ValueError: it is anything else, or it would run as a script or show foreign content as the OP's.
    """
    uri = str(value)
    if not _ABSOLUTE_URI.fullmatch(uri) or uri.partition(":")[0].lower() in NEVER_A_TARGET:
        raise ValueError("a page may only lead to an absolute URI that is no script")
    return uri


def https_link(value: object) -> str | None:
    """Return `value` if it is an https URL with a host, which may be a link; otherwise None."""
    if not isinstance(value, str) or re.search(r"[\s\x00-\x1f\x7f\\]", value):
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme == "https" and parts.hostname else None
