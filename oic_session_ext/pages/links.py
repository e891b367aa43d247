"""Which URLs may stand in a page: a last check behind those made at registration (SEC-11).

Both are Jinja2 filters; escaping stays the template's autoescape.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# Browsers read "//host" and "/\host" as another server, and drop tabs and line ends before they look for the scheme.
_FORM_ACTION = re.compile(r"(?:/(?![/\\])|https?://)[^\s\x00-\x1f\x7f]*", re.IGNORECASE)


def form_action(value: object) -> str:
    """`value`, if a form may be sent there: a path of this server, or an http(s) URL.

    Raises: ValueError: it is anything else, such as a `javascript:` URL.
    """
    action = str(value)
    if not _FORM_ACTION.fullmatch(action):
        raise ValueError("a form may only be sent to a path of this server or to an http(s) URL")
    return action


def https_link(value: object) -> str | None:
    """`value`, if it is an https URL with a host that may be offered as a link; None when it is not."""
    if not isinstance(value, str) or re.search(r"[\s\x00-\x1f\x7f\\]", value):
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme == "https" and parts.hostname else None
