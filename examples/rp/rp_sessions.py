"""The example RP's own sessions: kept in memory, found by a cookie, gone at local sign-out.

A browser has an RP session before anybody signs in, since the pending sign-in must be bound to that browser.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from openid_client import Identity, PendingSignIn

MAX_PENDING = 8


@dataclass(frozen=True)
class SignedIn:
    """One sign-in in this browser. `sign_in_id` names it to the page: a page of an earlier sign-in must not renew a later one."""

    identity: Identity
    name: str
    sign_in_id: str


@dataclass
class BrowserSession:
    """What the RP keeps for one browser. `user` is None while nobody is signed in."""

    expires_at: int
    csrf_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    pending: dict[str, PendingSignIn] = field(default_factory=dict)
    logout_state: str | None = None
    user: SignedIn | None = None

    def remember(self, state: str, pending: PendingSignIn) -> None:
        """Keep a pending sign-in; the oldest gives way when there are too many (open tabs, or somebody playing)."""
        while len(self.pending) >= MAX_PENDING:
            del self.pending[next(iter(self.pending))]
        self.pending[state] = pending

    def take_pending(self, state: str | None, redirect_uri: str) -> PendingSignIn | None:
        """Hand out the pending sign-in of `state`, once, and only at the redirect URI it was begun for; else None."""
        pending = self.pending.pop(state, None) if state is not None else None
        return pending if pending is not None and pending.redirect_uri == redirect_uri else None

    def take_logout_state(self, state: str | None) -> bool:
        """Whether `state` is the one of the logout that this browser began; true at most once."""
        expected, self.logout_state = self.logout_state, None
        return expected is not None and state is not None and hmac.compare_digest(expected.encode(), state.encode())

    def accepts(self, csrf_token: str | None) -> bool:
        """Whether a form came from a page of this very session."""
        return csrf_token is not None and hmac.compare_digest(self.csrf_token.encode(), csrf_token.encode())


class SessionTable:
    """All sessions of this RP by their secret cookie value; bounded in number and age."""

    def __init__(self, lifetime_s: int = 8 * 3600, max_sessions: int = 10_000, now: Callable[[], int] = lambda: int(time.time())) -> None:
        self.lifetime_s = lifetime_s
        self._max_sessions = max_sessions
        self._now = now
        self._lock = threading.Lock()
        self._sessions: dict[str, BrowserSession] = {}

    def find(self, key: str | None) -> BrowserSession | None:
        """The live session of a cookie value, None when there is none."""
        with self._lock:
            session = self._sessions.get(key) if key is not None else None
            if key is not None and session is not None and session.expires_at <= self._now():
                del self._sessions[key]
                return None
            return session

    def open(self) -> tuple[str, BrowserSession]:
        """Begin a session for nobody yet; the oldest one gives way when the table is full."""
        key, session = secrets.token_urlsafe(32), BrowserSession(self._now() + self.lifetime_s)
        with self._lock:
            while len(self._sessions) >= self._max_sessions:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[key] = session
        return key, session

    def close(self, key: str | None) -> None:
        """End a session; one that has already ended is no error."""
        with self._lock:
            if key is not None:
                self._sessions.pop(key, None)
