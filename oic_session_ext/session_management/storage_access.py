"""Silent authorization requests of browsers that hold the cookies back although the user has let this RP's pages use them.

`Sec-Fetch-Storage-Access: inactive` reports that; the response may ask for the same request once more, with the cookies
(Storage Access Headers; docs/adr/0013-browser-headers.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..web.origin import origin_of


def retry_headers(headers: Mapping[str, str], redirect_uris: Iterable[str]) -> list[tuple[str, str]]:
    """Return the headers that have the browser send a request again with its cookies; none where that is not called for.

    The page that sent it must be of an origin to which the client may be answered. The second request does not have `inactive`, so there
    is no third. A browser that knows nothing of this takes the answer as it is.
    """
    given = {name.lower(): value for name, value in headers.items()}
    origin = given.get("origin", "")
    if given.get("sec-fetch-storage-access") != "inactive" or origin not in _origins(redirect_uris):
        return []
    return [("Activate-Storage-Access", f'retry; allowed-origin="{origin}"'), ("Vary", "Sec-Fetch-Storage-Access")]


def _origins(uris: Iterable[str]) -> set[str]:
    found = set()
    for uri in uris:
        try:
            found.add(origin_of(uri))
        except ValueError:
            continue
    return found - {"null"}
