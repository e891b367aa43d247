"""Whether a logout request is a visit of the user, as the browser's Fetch Metadata report it.

A valid hint in a URL must not end a session because a browser fetched the URL ahead of a visit, or because a page named it as an image.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import InvalidRequest

_DESTINATIONS = frozenset({"document", "iframe", "frame"})
"""A hidden frame counts: RPs log out in one."""


def check_navigation(method: str, headers: Mapping[str, str], *, asks_for_logout: bool) -> None:
    """Accept a navigation, or a request whose browser reports nothing.

    `asks_for_logout` is whether the request has parameters; without them it leads to the question at most, also by HEAD.

    Raises: InvalidRequest: it is a HEAD request with parameters (405), was made ahead of a visit, or loads a part of another page (403).
    """
    if method.upper() == "HEAD" and asks_for_logout:
        raise InvalidRequest("a logout needs GET or POST", status=405)
    given = {name.lower(): value.lower() for name, value in headers.items()}
    if "prefetch" in given.get("sec-purpose", given.get("purpose", given.get("x-moz", ""))):
        raise InvalidRequest("the browser loads this page ahead of a visit, which does not log out", status=403)
    if given.get("sec-fetch-mode", "navigate") != "navigate" or given.get("sec-fetch-dest", "document") not in _DESTINATIONS:
        raise InvalidRequest("this is not a visit of the page, so it does not log out", status=403)
