"""The login pages' own web session, carried by Beaker: a random id in a signed cookie, and nothing else.

It binds the pages' forms to the browser. It never holds who is signed in, and nothing of it is stored: the requests that wait for the
user travel in the forms (`waiting_request.py`; docs/adr/0004-beakers-part.md).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any

from beaker.middleware import SessionMiddleware
from beaker.session import Session

from ...crypto.secret_ring import SecretRing
from ...session_management.browser_cookies import read_cookies

ENVIRON_KEY = "oic_session_ext.web_session"
_SIGNATURE = 40


class SignedIdSession(Session):  # type: ignore[misc]
    """A Beaker session of which only the id exists; any of the shared secrets may have signed it. Beaker itself accepts one secret.

    Beaker gets its own cookie alone, and only if it came once: its parser stops at a cookie name that it does not like, so a cookie of a
    sibling host would keep every user from signing in, and of two cookies it takes the last.
    """

    def __init__(self, request: MutableMapping[str, Any], *, secrets: SecretRing, key: str, **options: Any) -> None:
        ours, *others = (one.hex() for one in secrets.derive_all("web session"))
        signed = read_cookies(request.get("cookie")).get(key, "")
        if any(hmac.compare_digest(signed.encode(), _signed(signed[_SIGNATURE:], one).encode()) for one in others):
            signed = _signed(signed[_SIGNATURE:], ours)
        request["cookie"] = f"{key}={signed}" if signed.isascii() and signed.isalnum() else ""
        super().__init__(request, key=key, **options | {"secret": ours})

    def load(self) -> None:
        """Load nothing: a session that was named before is known by its id."""
        self.request["set_cookie"] = False

    def save(self, accessed_only: bool = False) -> None:
        """Send the cookie of a new session; store nothing."""
        self._update_cookie_out()


def _signed(session_id: str, secret: str) -> str:
    """Return a session's id as Beaker's `SignedCookie` writes it."""
    return hmac.new(secret.encode(), session_id.encode(), "sha1").hexdigest() + session_id


def web_session_middleware(
    application: Callable[..., Iterable[bytes]], *, secrets: SecretRing, is_https: bool
) -> Callable[..., Iterable[bytes]]:
    """Return the application with a web session in its environ; a key of `secrets` signs the session's id."""
    return SessionMiddleware(  # type: ignore[no-any-return]
        application,
        {
            "session.key": "__Host-op_login" if is_https else "op_login",
            "session.session_class": SignedIdSession,
            "session.data_serializer": "json",
            "session.httponly": True,
            "session.secure": is_https,
            "session.samesite": "Lax",
            "session.cookie_path": "/",
            "session.save_accessed_time": False,
        },
        environ_key=ENVIRON_KEY,
        secrets=secrets,
    )


class WebSession:
    """The browser that shows the login and consent pages."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._session = environ[ENVIRON_KEY]

    @property
    def browser_id(self) -> str:
        """A value that is the same for all requests of this browser, until it is closed; it is not the cookie's."""
        return hashlib.sha256(f"form token {self._session.id}".encode()).hexdigest()

    def csrf_token(self) -> str:
        """Return the token that the pages' forms carry; a browser without a session gets one with this response."""
        if self._session.is_new:
            self._session.save()
        return self.browser_id

    def is_csrf_token(self, given: str) -> bool:
        """Return whether a form carries the token of this browser; False for a browser without a session."""
        token = self.browser_id
        return not self._session.is_new and hmac.compare_digest(token.encode(), given.encode("utf-8", "surrogatepass"))
