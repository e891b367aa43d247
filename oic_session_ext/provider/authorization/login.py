"""Who is signed in: by the browser's OP session, or by pyoidc's own login cookie (docs/adr/0007-login-is-the-op-session.md)."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from typing import Any, NamedTuple

from oic.utils.authn.user import NoSuchAuthentication, TamperAllert, ToOld
from oic.utils.http_util import InvalidCookieSign, make_cookie, parse_cookie

from ...model import EphemeralRecord
from ...sessions.op_session import begin_op_session
from ...store.changes import ClaimEphemeral
from ..parts import OpParts
from ..request.scope import BrowserSession, CompletedLogin, RequestScope

_LOGIN_RECORD = "login_ticket"
_FRESH_LOGIN_S = 120


class CurrentLogin(NamedTuple):
    """Who is signed in, None for no user, and whether they signed in for this very request."""

    login: CompletedLogin | None
    is_fresh: bool


class Logins:
    """Finds the login that answers an authorization request."""

    def __init__(self, parts: OpParts) -> None:
        self._parts = parts

    def current(self, scope: RequestScope, method: Any, acr: str, cookie: Any, authorization: str) -> CurrentLogin:
        """Return who is signed in. `method` is pyoidc's authentication method that the request leads to, `acr` its class."""
        if self._parts.store is None:
            return self._by_cookie(scope, method, acr, cookie, authorization)
        browser = scope.present_browser()
        login = scope.answered.login or self._by_login_record(scope, browser, method, acr, cookie, authorization)
        if login is not None:
            self.begin_session(scope, login)
            return CurrentLogin(login, is_fresh=True)
        if browser.present is None:
            return CurrentLogin(None, is_fresh=False)
        return CurrentLogin(
            CompletedLogin(browser.present.uid, browser.present.acr, browser.present.auth_time), is_fresh=scope.answered.is_signed_in
        )

    def begin_session(self, scope: RequestScope, login: CompletedLogin) -> None:
        """Begin an OP session in this browser for a user who has just signed in, or continue theirs under a new cookie."""
        browser = scope.present_browser()
        session, secret = begin_op_session(
            scope.unit(),
            uid=login.uid,
            acr=login.acr,
            auth_time=login.auth_time,
            present=browser.present or browser.over,
            settings=self._parts.settings,
            clients=self._parts.clients,
        )
        browser.begin_session(session, secret)

    def by_method(self, method: Any, acr: str, cookie: Any, authorization: str) -> CompletedLogin | None:
        """Return what a pyoidc authentication method reads from the request's cookie, None for no user or a bad cookie."""
        try:
            identity, at = method.authenticated_as(self._accepted_cookie(cookie), authorization=authorization, max_age=0)
        except (NoSuchAuthentication, TamperAllert, ToOld, InvalidCookieSign, CookieError, ValueError, AssertionError, KeyError):
            return None  # a forged or mangled cookie is no login; pyoidc would answer 500
        return None if identity is None else CompletedLogin(uid=str(identity["uid"]), acr=acr, auth_time=int(at) or self._parts.clock())

    def _by_cookie(self, scope: RequestScope, method: Any, acr: str, cookie: Any, authorization: str) -> CurrentLogin:
        if scope.answered.login is not None:
            return CurrentLogin(scope.answered.login, is_fresh=True)
        login = self.by_method(method, acr, cookie, authorization)
        claims_answer = scope.context().parameters.get("upm_answer") == "true"
        age_s = 0 if login is None else self._parts.clock() - login.auth_time
        if age_s >= self._parts.policy.login_lifetime_s:
            return CurrentLogin(None, is_fresh=False)  # pyoidc accepts its cookie for ever
        return CurrentLogin(login, is_fresh=login is not None and claims_answer and age_s < _FRESH_LOGIN_S)

    def _by_login_record(
        self, scope: RequestScope, browser: BrowserSession, method: Any, acr: str, cookie: Any, authorization: str
    ) -> CompletedLogin | None:
        """Return the login that a pyoidc authentication method has just made, once; None for an old or a used one.

        Otherwise a login cookie that is replayed after a logout would sign the user in again.
        """
        login = self.by_method(method, acr, cookie, authorization)
        uow, present = scope.unit(), browser.present
        lifetime_s = self._parts.settings.login_ticket_lifetime_s
        if login is None or uow.now - login.auth_time >= lifetime_s:
            return None
        if present is not None and present.uid == login.uid and login.auth_time <= present.auth_time:
            return None
        # not by the cookie's text: quoted or padded in another way, it would be another cookie for the same login
        key = hashlib.sha256(f"{login.uid} {login.auth_time}".encode()).hexdigest()
        if uow.ephemeral(_LOGIN_RECORD, key) is not None:
            return None
        uow.add(ClaimEphemeral(EphemeralRecord(_LOGIN_RECORD, key, login.auth_time + lifetime_s), uow.now))
        return login

    def _accepted_cookie(self, cookie: Any) -> Any:
        """Return a request's cookies so that pyoidc, which has one seed, accepts a login cookie made with any of the shared secrets."""
        if not isinstance(cookie, str):
            return cookie
        op = self._parts.op
        for seed in self._parts.secrets.derive_all("pyoidc cookies"):
            with suppress(InvalidCookieSign, CookieError, ValueError):
                found = parse_cookie(op.cookie_name, seed, cookie, op.symkey)
                if found is not None and seed != op.seed:
                    load, timestamp = found
                    _, made = make_cookie(op.cookie_name, load, op.seed, timestamp=timestamp, enc_key=op.symkey)
                    jar = SimpleCookie(cookie)
                    jar[op.cookie_name] = SimpleCookie(made)[op.cookie_name].value
                    return jar.output(attrs=[], header="", sep=";").strip()
        return cookie
