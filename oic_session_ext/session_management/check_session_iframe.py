"""The page behind `check_session_iframe`: what its template needs, and how it is sent (OIDCSM-3.3).

It is the same for everybody, so it is rendered once at start and costs a static page afterwards. All that it does is done
by `check_session.js` in the browser.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from .browser_cookies import CookiePolicy

_MAX_AGE_S = 3600

_POLICY = "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'"

# No X-Frame-Options and no frame-ancestors: every RP must be able to frame it, and it holds nothing that could be clicked (SM-27).
_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", f"public, max-age={_MAX_AGE_S}"),
    # An RP's page that is cross-origin isolated can frame only pages with these two headers.
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("Cross-Origin-Resource-Policy", "cross-origin"),
    # Where the user lets the OP see its cookies below the RP's page, the page starts with them.
    ("Activate-Storage-Access", "load"),
)


@dataclass(frozen=True, slots=True)
class StatusByRequest:
    """Where the page of an OP that answers without cookies asks it: the endpoint, and the script `check_session_status.js` that does so."""

    url: str
    script_url: str


def check_session_context(
    cookies: CookiePolicy, script_url: str, *, loop_guard: bool = True, status: StatusByRequest | None = None
) -> dict[str, Any]:
    """Return the values of the template `check_session.html`.

    `script_url` is where this OP serves `check_session.js`, on its own origin and best under a name that changes with the content.
    Without `loop_guard` the script answers `changed` to any number of mismatches, as OIDCSM-3.2 has it to the letter; with it,
    more than three in one `op_browser_state` are answered `error`, since then the iframe sees another cookie than the OP does. With
    `status` a page from which the cookie is hidden asks the OP; without it, it makes no request at all.
    """
    return {
        "script_url": script_url,
        "cookie_name": cookies.browser_state_cookie_name,
        "loop_guard": "on" if loop_guard else "off",
        "status_url": None if status is None else status.url,
        "status_script_url": None if status is None else status.script_url,
    }


@dataclass(frozen=True, slots=True)
class CheckSessionAnswer:
    """What is sent: `headers` are complete but for Content-Length. No cookie goes with it, for caches keep it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class CheckSessionPage:
    """The rendered page; `html` is the template's output as UTF-8. `may_ask` lets its script make requests to the OP."""

    def __init__(self, html: bytes, *, may_ask: bool = False) -> None:
        self._etag = f'"{sha256(html).hexdigest()[:32]}"'
        policy = f"{_POLICY}; connect-src 'self'" if may_ask else _POLICY
        headers = [("Content-Security-Policy", policy), *_HEADERS, ("ETag", self._etag)]
        self._whole = CheckSessionAnswer(200, [("Content-Type", "text/html; charset=utf-8"), *headers], html)
        self._not_modified = CheckSessionAnswer(304, headers, b"")

    def answer(self, if_none_match: str | None = None) -> CheckSessionAnswer:
        """Return the answer to GET: a 304 without a body when the If-None-Match header names this very page (RFC 9110, 13.1.2)."""
        known = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
        return self._not_modified if self._etag in known or "*" in known else self._whole
