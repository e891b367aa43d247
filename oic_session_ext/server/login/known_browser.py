"""Browsers in which a user has signed in before: a cookie that records it, and nothing else.

It signs no user in. It exempts the user from limits that other people's guesses fill (`throttle.py`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from http.cookies import SimpleCookie

from ...clock import Clock
from ...crypto.secret_ring import SecretRing
from ...session_management.browser_cookies import read_cookies
from ..config.user import normalize_username

_PURPOSE = "known browsers"
_MOST_USERS = 5
"""How many users of one browser its cookie remembers, the latest first."""
_VALUE = re.compile(r"([A-Za-z0-9_-]{22})\.(\d{1,12})((?:\.[A-Za-z0-9_-]{22}){1,5})")


class KnownBrowsers:
    """Writes and reads the cookie of browsers in which users have signed in.

    Args:
        secrets_: Key the cookie; without the secrets it was made with a cookie is worth nothing.
        path: The path of the login page, the only one to which browsers send the cookie.
        is_secure: Whether the issuer is https.
        lifetime_s: For how long after the last sign-in a browser is known; 0 for never.
    """

    def __init__(self, secrets_: SecretRing, path: str, *, is_secure: bool, lifetime_s: int, clock: Clock) -> None:
        self._secrets = secrets_
        self._path = path
        self._is_secure = is_secure
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._name = f"{'__Secure-' if is_secure else ''}known_browser"

    def id_for(self, cookie_header: str | None, username: str) -> str | None:
        """Return the id of the browser if this user has signed in there before, None for any other browser."""
        browser, since, tags = self._parse(cookie_header)
        if not browser or self._clock() - since >= self._lifetime_s:
            return None
        expected = self._tags(browser, since, username)
        return browser if any(hmac.compare_digest(tag, good) for tag in tags for good in expected) else None

    def cookie_after(self, cookie_header: str | None, username: str) -> list[tuple[str, str]]:
        """Return the header that makes the browser known for a user who has just signed in, none if browsers are not remembered."""
        if not self._lifetime_s:
            return []
        browser, since, tags = self._parse(cookie_header)
        now = self._clock()
        if not browser or not 0 <= now - since < self._lifetime_s:
            browser, since, tags = secrets.token_urlsafe(16), now, []
        mine = self._tags(browser, since, username)
        kept = [mine[0], *(tag for tag in tags if tag not in mine)][:_MOST_USERS]
        cookie: SimpleCookie = SimpleCookie()
        cookie[self._name] = ".".join([browser, str(since), *kept])
        morsel = cookie[self._name]
        morsel["path"], morsel["max-age"] = self._path, str(since + self._lifetime_s - now)
        morsel["httponly"], morsel["samesite"], morsel["secure"] = True, "Lax", self._is_secure
        return [("Set-Cookie", morsel.OutputString())]

    def _parse(self, cookie_header: str | None) -> tuple[str, int, list[str]]:
        match = _VALUE.fullmatch(read_cookies(cookie_header).get(self._name, ""))
        return (match[1], int(match[2]), match[3].split(".")[1:]) if match else ("", 0, [])

    def _tags(self, browser: str, since: int, username: str) -> list[str]:
        text = f"{browser}\n{since}\n{normalize_username(username)}".encode("utf-8", "surrogatepass")
        digests = (hmac.digest(key, text, hashlib.sha256)[:16] for key in self._secrets.derive_all(_PURPOSE))
        return [base64.urlsafe_b64encode(digest).rstrip(b"=").decode() for digest in digests]
