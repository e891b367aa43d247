"""The browser of a request: the OP session that its cookie names, and the cookies that it gets (OIDCSM-3.2, -4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from ...clients.registry import ClientRegistry
from ...errors import InvalidRequest
from ...model import OpSession
from ...session_management.browser_cookies import CookiePolicy, is_too_long
from ...session_management.login_status import login_status_headers
from ...session_management.op_browser_state import may_write_browser_state, unauthenticated_op_browser_state
from ...sessions.op_session import end_if_over, op_session_of_cookie
from ...settings import SessionManagementSettings
from ...store.base import Store
from .scope import BrowserSession, RequestScope

CheckSession: TypeAlias = Callable[[RequestScope, BrowserSession], None]
"""Called with each browser whose session is known; it may end the session."""


class Browsers:
    """Looks up browsers' sessions and sets their cookies, for one OP with session management."""

    def __init__(
        self, issuer: str, settings: SessionManagementSettings, store: Store, clients: ClientRegistry, check_session: CheckSession
    ) -> None:
        self.cookies = CookiePolicy(issuer, settings)
        self._settings = settings
        self._clients = clients
        self._check_session = check_session
        self._unauthenticated_state = unauthenticated_op_browser_state(settings, store)

    def look_up(self, scope: RequestScope, cookie: str | None, headers: Mapping[str, str] | None) -> BrowserSession:
        """Return the browser with the OP session that its cookie names, and keep it in the scope.

        A session that is over, or whose user the policy refuses, ends with this request.

        Raises: InvalidRequest: the Cookie header is too long to be read (431).
        """
        if is_too_long(cookie):  # what is in it is not known: neither a sign-in nor a logout may take that for "no session"
            raise InvalidRequest("the browser sent more cookies than this server reads; delete cookies of this site", status=431)
        uow = scope.unit()
        named = [(op_session_of_cookie(uow, secret), secret) for secret in self.cookies.session_secrets(cookie)]
        known = {session.id: (session, secret) for session, secret in named if session is not None}
        live = [one for one in known.values() if one[0].is_live(uow.now)]
        if len(live) > 1:  # one of them may have been planted: it signs no user in, and a logout ends them all
            browser = scope.browser = BrowserSession(cookie, headers or {}, others=[session for session, _ in live])
            return browser
        found, secret = next(iter(live or known.values()), (None, named[0][1] if named else None))
        browser = BrowserSession(
            cookie_header=cookie,
            headers=headers or {},
            present=found if live else None,
            over=None if live else found,
            carried_session=bool(live),
            secret=secret,
        )
        self._check_session(scope, browser)
        scope.browser = browser
        return browser

    def set_cookies(self, scope: RequestScope) -> list[tuple[str, str]]:
        """Return the headers with the cookies that the browser is to have from now on; part of the transaction."""
        browser = scope.present_browser()
        if browser.over is not None and browser.new_secret is None:
            end_if_over(scope.unit(), browser.over, self._clients, self._settings)
            browser.ended = True
        headers: list[tuple[str, str]] = []
        if browser.new_secret is not None:
            headers.append(("Set-Cookie", self.cookies.session_cookie(browser.new_secret)))
        elif browser.ended:
            headers.append(("Set-Cookie", self.cookies.expire_session_cookie()))
        state = self.state_of(browser.present)
        is_due = self._settings.check_session and self.cookies.browser_state(browser.cookie_header) != state
        if is_due and (browser.new_secret is not None or may_write_browser_state(browser.headers, browser.carried_session)):
            headers.append(("Set-Cookie", self.cookies.browser_state_cookie(state)))
        has_begun = browser.new_secret is not None
        return headers + login_status_headers(browser.headers, self._settings, has_begun=has_begun, has_ended=browser.ended)

    def state_of(self, session: OpSession | None) -> str:
        """Return the `op_browser_state` of a session, or that of a browser in which no user is signed in."""
        return session.op_browser_state if session is not None else self._unauthenticated_state
