"""The example RP's own sessions: kept in memory, found by a cookie, by `sid` or by `sub`, gone at sign-out.

A browser has an RP session before anybody signs in, since the pending sign-in must be bound to that browser.
The OP's back channel comes without a cookie, so everybody who is signed in is also in an index by the OP's own names.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from openid_client import Identity, PendingSignIn

MAX_PENDING = 8
ENDED_SID_KEPT_S = 600  # as long as a sign-in may be on its way


class AlreadyEnded(Exception):
    """The OP has said that this very session is over, before the RP had begun it."""


class NotOfThisUser(Exception):
    """A `sid` and a `sub` that do not belong together; nothing has been ended."""


@dataclass(frozen=True)
class SignedIn:
    """One sign-in in this browser. `sign_in_id` names it to the page: a page of an earlier sign-in must not renew a later one."""

    identity: Identity
    name: str
    sign_in_id: str

    @property
    def names(self) -> tuple[tuple[str, str, str], ...]:
        """What the OP may call it in a Logout Token (OIDCBCL-2.4)."""
        by_sub = (("sub", self.identity.iss, self.identity.sub),)
        return by_sub if self.identity.sid is None else (*by_sub, ("sid", self.identity.iss, self.identity.sid))


@dataclass(eq=False)
class BrowserSession:
    """What the RP keeps for one browser under the secret value `key` of its cookie. `user` is None while nobody is signed in.

    `ended_by` says who ended the latest sign-in, where that was neither the End-User nor the page. `over` is set at the end.
    `asked_at` is when the OP was asked whether it still knows the session.
    """

    expires_at: int
    key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    csrf_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    pending: dict[str, PendingSignIn] = field(default_factory=dict)
    logout_state: str | None = None
    user: SignedIn | None = None
    ended_by: str | None = None
    asked_at: float = float("-inf")
    over: threading.Event = field(default_factory=threading.Event)

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
    """All sessions of this RP by their secret cookie value, and by issuer with `sid` or `sub`; bounded in number and age."""

    def __init__(self, lifetime_s: int = 8 * 3600, max_sessions: int = 10_000, now: Callable[[], int] = lambda: int(time.time())) -> None:
        self.lifetime_s = lifetime_s
        self._max_sessions = max_sessions
        self._now = now
        self._lock = threading.Lock()
        self._sessions: dict[str, BrowserSession] = {}
        self._signed_in: defaultdict[tuple[str, str, str], set[BrowserSession]] = defaultdict(set)
        self._ended_sids: dict[tuple[str, str, str], int] = {}

    def find(self, key: str | None) -> BrowserSession | None:
        """The live session of a cookie value, None when there is none."""
        with self._lock:
            session = self._sessions.get(key) if key is not None else None
            if session is not None and session.expires_at <= self._now():
                self._remove(session)
                return None
            return session

    def open(self) -> BrowserSession:
        """Begin a session for nobody yet; the oldest one gives way when the table is full."""
        session = BrowserSession(self._now() + self.lifetime_s)
        with self._lock:
            while len(self._sessions) >= self._max_sessions:
                self._remove(next(iter(self._sessions.values())))
            self._sessions[session.key] = session
        return session

    def close(self, key: str | None) -> None:
        """End a session; one that has already ended is no error."""
        with self._lock:
            if key is not None and (session := self._sessions.get(key)) is not None:
                self._remove(session)

    def sign_in(self, session: BrowserSession, user: SignedIn, instead_of: SignedIn | None = None) -> None:
        """Let `user` be who is signed in, if it still is `instead_of` that they take the place of.

        Raises: AlreadyEnded: a logout has overtaken the sign-in, or the renewal, that this is the answer to.
        """
        with self._lock:
            if session.user is not instead_of or any(name in self._ended_sids for name in user.names):
                raise AlreadyEnded
            self._take_out(session)
            session.user, session.ended_by = user, None
            for name in user.names:
                self._signed_in[name].add(session)

    def end_by_op(self, iss: str, sub: str | None, sid: str | None, *, ended_by: str) -> int:
        """End what the OP says has ended, and count it; nothing to end is a success as well (OIDCBCL-2.7).

        With `sid` it is that one session, whose user must be `sub` where that is given too; with `sub` alone every session of that user.

        Raises: NotOfThisUser: the session of `sid` is not that of `sub` (OIDCBCL-2.6, step 10).
        """
        name = ("sub", iss, sub or "") if sid is None else ("sid", iss, sid)
        with self._lock:
            sessions = [session for session in self._signed_in.get(name, ()) if session.user is not None]
            if sub is not None and any(session.user and session.user.identity.sub != sub for session in sessions):
                raise NotOfThisUser
            if sid is not None:
                self._remember_ended(name)
            for session in sessions:
                self._take_out(session)
                session.user, session.ended_by = None, ended_by
                session.over.set()
            return len(sessions)

    def _remember_ended(self, name: tuple[str, str, str]) -> None:
        now = self._now()
        self._ended_sids = {each: until for each, until in self._ended_sids.items() if until > now}
        self._ended_sids[name] = now + ENDED_SID_KEPT_S

    def _remove(self, session: BrowserSession) -> None:
        self._take_out(session)
        del self._sessions[session.key]
        session.user = None
        session.over.set()

    def _take_out(self, session: BrowserSession) -> None:
        for name in session.user.names if session.user is not None else ():
            sessions = self._signed_in[name]
            sessions.discard(session)
            if not sessions:
                del self._signed_in[name]
