"""The headers for the browser itself at login and logout: Set-Login and Clear-Site-Data, each where the deployer wants it.

Both apply to the whole origin of the OP, so neither is sent unless a setting states that the origin is the OP's alone
(docs/adr/0013-browser-headers.md).
"""

from __future__ import annotations

from collections.abc import Mapping

from ..settings import SessionManagementSettings

_LEFTOVERS = '"cache", "storage"'
"""Never "cookies": they go with all of the registrable domain, other hosts' sessions too, and `op_browser_state` must be replaced and
not removed (SM-17). Never "executionContexts", which reloads the OP's other pages."""


def login_status_headers(
    headers: Mapping[str, str], settings: SessionManagementSettings, *, has_begun: bool, has_ended: bool
) -> list[tuple[str, str]]:
    """Return what goes with the answer to a request of these headers, in which a session has begun, ended, or neither.

    Only a top-level navigation is answered so: in another site's frame the jar, cache and storage are not the ones in question.
    """
    if not (has_begun or has_ended) or not _is_top_level(headers):
        return []
    found = []
    if settings.login_status:
        found.append(("Set-Login", "logged-in" if has_begun else "logged-out"))
    if settings.clear_site_data and not has_begun:
        found.append(("Clear-Site-Data", _LEFTOVERS))
    return found


def _is_top_level(headers: Mapping[str, str]) -> bool:
    """Return whether a request is one; of a browser too old for Fetch Metadata it is taken for granted."""
    fetch = {name.lower(): value for name, value in headers.items() if name.lower().startswith("sec-fetch-")}
    return not fetch or fetch.get("sec-fetch-dest") == "document"
