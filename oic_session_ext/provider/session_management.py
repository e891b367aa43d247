"""Session management and logout for a pyoidc OP: `class MyOP(SessionManagementMixin, TheirOP)`.

It brings `session_state`, `sid`, the check-session iframe and the end-session endpoint, on an OP session that lives in a store. pyoidc's
own login cookie becomes a ticket that begins such a session once (docs/adr/0007-login-is-the-op-session.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from oic.utils.http_util import Response
from oic.utils.sdb import SessionDB

from ..clients.logout_metadata import LogoutSupport
from ..clock import Clock, system_clock
from ..crypto.secret_ring import SecretRing
from ..errors import ConfigError, InvalidClient, InvalidGrant, InvalidToken
from ..events import NO_HOOKS, Hooks
from ..model import EphemeralRecord, OpSession
from ..session_management.browser_cookies import CookiePolicy
from ..session_management.login_status import login_status_headers
from ..session_management.op_browser_state import may_write_browser_state, unauthenticated_op_browser_state
from ..session_management.sealed_salt import SealedSalts
from ..session_management.session_state import issue_session_state
from ..session_management.storage_access import retry_headers
from ..sessions.op_session import begin_op_session, end_if_over, join_rp, op_session_of_cookie, use_op_session
from ..settings import DeliverySettings, OutboundSettings, SessionManagementSettings
from ..store.base import Store
from ..store.changes import ClaimEphemeral
from ..store.unit_of_work import UnitOfWork
from ..web.origin import origin_of
from .authorization.endpoint import AuthorizationSeam
from .authorization.request import has_refresh_grant
from .client_database import check_clients
from .logout.logout_token import LogoutTokenSeam
from .logout.routes import SessionRoutes
from .request.responses import json_error
from .request.scope import AuthorizationContext, BrowserSession, CompletedLogin, RequestScope
from .tokens.id_token import IdTokenSeam
from .tokens.sealed_token import NoSuchGrant
from .tokens.session_backend import StoreSessionBackend, create_session_db, stored_row

_TICKET = "login_ticket"
_ASSERTION = "client_assertion"


@dataclass(frozen=True, slots=True)
class SessionManagement:
    """What `SessionManagementMixin` works with: where sessions are kept, the secrets, the settings, who listens to what happens."""

    store: Store
    secrets: SecretRing
    settings: SessionManagementSettings = SessionManagementSettings()
    clock: Clock = system_clock
    hooks: Hooks = NO_HOOKS

    def session_db(self, issuer: str) -> SessionDB:
        """Return the session database to give to the provider in place of pyoidc's."""
        return create_session_db(issuer, self.store, self.secrets, self.settings, self.clock)


class SessionManagementMixin(SessionRoutes, LogoutTokenSeam, IdTokenSeam, AuthorizationSeam):
    """Adds OP sessions, session management and logout to the provider behind it.

    `session_management` is its one keyword argument; the provider's `sdb` must be `session_management.session_db(issuer)`.
    Raises: ConfigError: it is another one, whose sessions could not be ended together with the rest.
    """

    def __init__(self, *args: Any, session_management: SessionManagement, **kwargs: Any) -> None:
        self.session_management = session_management
        self.session_settings = session_management.settings
        self.store = session_management.store
        self.hooks = session_management.hooks
        super().__init__(*args, secrets=session_management.secrets, clock=session_management.clock, **kwargs)
        if not isinstance(getattr(self.sdb, "_db", None), StoreSessionBackend):
            raise ConfigError("sdb", "must be session_management.session_db(issuer)")
        if isinstance(self.cdb, dict):  # other databases may be large, and what is in them was registered
            check_clients(self.cdb, LogoutSupport.of(self.outbound_settings()), self.name)
        self.id_token_lifetime_s = self.session_settings.id_token_lifetime_s
        self.cookie_policy = CookiePolicy(self.name, self.session_settings)
        self.sealed_salts = SealedSalts(self.secrets) if self.session_settings.session_status else None
        self.unauthenticated_browser_state = unauthenticated_op_browser_state(self.session_settings, self.store)

    def outbound_settings(self) -> DeliverySettings:
        """Return how RPs are reached: by the settings of delivery."""
        return self.session_settings.delivery

    def outbound_limits(self) -> OutboundSettings:
        """Return the limits for documents that this OP fetches: those of the settings."""
        return self.session_settings.outbound

    def session_middleware(self, application: Callable[..., Iterable[bytes]], *, deliver: bool = True) -> Callable[..., Iterable[bytes]]:
        """Return a WSGI application that answers the session routes and hands every other request to `application`.

        From its first request on, each process also tells RPs over the back channel (`start_delivery`); not with `deliver=False`.
        """
        answer = super().session_middleware(application)
        if not deliver:
            return answer

        def delivering(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            self.ensure_delivery()
            return answer(environ, start_response)

        return delivering

    def new_scope(self) -> RequestScope:
        """Return a fresh scope with a unit of work on the store."""
        return RequestScope(UnitOfWork(self.store, self.clock(), stored_row=stored_row, hooks=self.hooks))

    # -- endpoints ----------------------------------------------------------------------------------------------------

    def authorization_endpoint(
        self, request: Any = "", cookie: str | None = None, headers: Mapping[str, str] | None = None, **kwargs: Any
    ) -> Response:
        """Answer an authorization request, with `session_state` on success and on error (OIDCSM-2).

        `headers` are the request's headers, in any case, of which the Fetch Metadata are read; None where the framework hides them.
        """

        def work(scope: RequestScope) -> Response:
            scope.browser = self.browser_session(scope, cookie, headers)
            response = super(SessionManagementMixin, self).authorization_endpoint(request, cookie, **kwargs)
            response.headers += self._retry_headers(scope)
            return self.dress(scope, response)

        return self.in_scope(work)

    def _retry_headers(self, scope: RequestScope) -> list[tuple[str, str]]:
        context, headers = scope.authorization, self._browser_of(scope).headers
        if context is None or "none" not in context.prompt or not headers:
            return []
        return retry_headers(headers, (self.client(context.client_id) or {}).get("redirect_uris") or ())

    def token_endpoint(self, request: Any = "", authn: str | None = "", dtype: str = "urlencoded", **kwargs: Any) -> Response:
        """Answer a token request in one unit of work, whichever token endpoint the provider behind it has."""

        def work(_: RequestScope) -> Response:
            try:
                return super(SessionManagementMixin, self).token_endpoint(request, authn, dtype, **kwargs)
            except NoSuchGrant:  # out of pyoidc's own endpoint, asked with a code or token whose grant has ended
                return json_error(InvalidGrant("the grant has ended"), realm=self.name)

        return self.in_scope(work, refuse=self.refuse_as_json)

    def userinfo_endpoint(self, request: Any = "", **kwargs: Any) -> Response:
        """Answer a userinfo request in one unit of work, whichever userinfo endpoint the provider behind it has."""

        def work(_: RequestScope) -> Response:
            try:
                return super(SessionManagementMixin, self).userinfo_endpoint(request, **kwargs)
            except NoSuchGrant:  # out of pyoidc's own endpoint, asked with a token whose grant has ended
                return json_error(InvalidToken("this access token is not good"), realm=self.name)

        return self.in_scope(work, refuse=self.refuse_as_json)

    # -- the login ----------------------------------------------------------------------------------------------------

    def current_login(self, method: Any, acr: str, cookie: Any, authorization: str) -> tuple[CompletedLogin | None, bool]:
        """Return who the browser's OP session says is signed in; a login that has just been made begins one."""
        scope, _ = self.scope_and_context()
        browser = self._browser_of(scope)
        login = scope.answered.login or self._login_of_ticket(scope, browser, method, acr, cookie, authorization)
        if login is not None:
            self.begin(scope, browser, login)
            return login, True
        if browser.present is None:
            return None, False
        return CompletedLogin(browser.present.uid, browser.present.acr, browser.present.auth_time), scope.answered.is_signed_in

    def begin(self, scope: RequestScope, browser: BrowserSession, login: CompletedLogin) -> None:
        """Begin an OP session in this browser for a user who has just signed in, or carry on theirs under a new cookie."""
        session, secret = begin_op_session(
            self._uow_of(scope),
            uid=login.uid,
            acr=login.acr,
            auth_time=login.auth_time,
            present=browser.present or browser.over,
            settings=self.session_settings,
            clients=self.clients,
        )
        browser.begin(session, secret)

    def _login_of_ticket(
        self, scope: RequestScope, browser: BrowserSession, method: Any, acr: str, cookie: Any, authorization: str
    ) -> CompletedLogin | None:
        """Return the login that a pyoidc authentication method has just made, once; None for an old or a spent one.

        Without this a login cookie that is replayed after logout would sign the user in again.
        """
        login = self.login_of_method(method, acr, cookie, authorization)
        uow, present = self._uow_of(scope), browser.present
        if login is None or uow.now - login.auth_time >= self.session_settings.login_ticket_lifetime_s:
            return None
        if present is not None and present.uid == login.uid and login.auth_time <= present.auth_time:
            return None
        # not by the cookie's text: quoted or padded differently it would be another one that says the same
        key = hashlib.sha256(f"{login.uid} {login.auth_time}".encode()).hexdigest()
        if uow.ephemeral(_TICKET, key) is not None:
            return None
        until = login.auth_time + self.session_settings.login_ticket_lifetime_s
        uow.add(ClaimEphemeral(EphemeralRecord(_TICKET, key, until), uow.now))
        return login

    # -- the grant ----------------------------------------------------------------------------------------------------

    def setup_session(self, areq: Any, authn_event: Any, cinfo: Any) -> str:
        """Make the grant and give it its place in the OP session: the client's `sid`, the same at each renewal."""
        scope, context = self.scope_and_context()
        uow, session = self._uow_of(scope), self._browser_of(scope).present
        if session is None:
            raise RuntimeError("a grant without an OP session")
        grant_id: str = super().setup_session(areq, authn_event, cinfo)
        grant = uow.grant(grant_id)
        assert grant is not None
        sub = str(grant.data["sub"])
        use_op_session(uow, session, self.session_settings)
        sid = join_rp(uow, session, context.client_id, sub, self.session_settings).sid
        uow.put_grant(replace(grant, sub=sub, op_session_id=session.id, sid=sid, data={**grant.data, "sid": sid}))
        return grant_id

    def create_authn_response(self, areq: Any, sid: str) -> Any:
        """Return pyoidc's response with `session_state` beside its code and tokens, whatever the response mode (OIDCSM-2)."""
        created = super().create_authn_response(areq, sid)
        if isinstance(created, tuple) and self.session_settings.check_session:
            created[0]["session_state"] = self._session_state(self.scope_and_context()[1])
        return created

    def error_parameters(self, context: AuthorizationContext) -> dict[str, str]:
        """Return `session_state` for an error response too (OIDCSM-2: SHOULD)."""
        return {"session_state": self._session_state(context)} if self.session_settings.check_session else {}

    def _session_state(self, context: AuthorizationContext) -> str:
        present, handles, salt = self._browser_of(self.scope()).present, self.sealed_salts, None
        if handles is not None:
            origin = origin_of(context.redirect_uri)
            salt = handles.of_nobody() if present is None else handles.seal(present.id, context.client_id, origin)
        return issue_session_state(context.client_id, context.redirect_uri, self._browser_state(present), salt)

    def may_refresh(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a grant gets a refresh token: its client registered that, and has asked for `offline_access`, or need not ask."""
        is_wanted = self.session_settings.refresh_without_offline_access or "offline_access" in row.get("scope", ())
        return is_wanted and has_refresh_grant(self.client(row["client_id"]) or {})

    def claim_assertion(self, key: str, expires_at: int) -> None:
        """Remember a client assertion in the store, so that it is good once in the whole cluster (OIDCC-9)."""
        uow = self._uow_of(self.scope())
        digest = hashlib.sha256(key.encode()).hexdigest()
        if uow.ephemeral(_ASSERTION, digest) is not None:
            raise InvalidClient("client authentication failed", detail="client assertion used before")
        uow.add(ClaimEphemeral(EphemeralRecord(_ASSERTION, digest, expires_at), uow.now))

    # -- the browser --------------------------------------------------------------------------------------------------

    def browser_session(self, scope: RequestScope, cookie: str | None, headers: Mapping[str, str] | None) -> BrowserSession:
        """Return the OP session that the browser's cookie names; one that is over is ended with this request."""
        uow = self._uow_of(scope)
        found = op_session_of_cookie(uow, self.cookie_policy.session_secret(cookie))
        live = found if found is not None and found.is_live(uow.now) else None
        return BrowserSession(
            cookie_header=cookie, headers=headers or {}, present=live, over=None if live else found, carried_session=live is not None
        )

    def is_session_revoked(self, request: Any = "", cookie: Any = None) -> bool:
        """Tell whether the OP session that a browser's cookie names is over, or there is none."""
        return self.browser_session(self.new_scope(), cookie, None).present is None

    def dress(self, scope: RequestScope, response: Response) -> Response:
        """Return the response with the cookies that the browser is to have from now on."""
        browser = self._browser_of(scope)
        if browser.over is not None and browser.new_secret is None:
            end_if_over(self._uow_of(scope), browser.over, self.clients, self.session_settings)
            browser.ended = True
        if browser.new_secret is not None:
            response.headers.append(("Set-Cookie", self.cookie_policy.session_cookie(browser.new_secret)))
        elif browser.ended:
            response.headers.append(("Set-Cookie", self.cookie_policy.expire_session_cookie()))
        state = self._browser_state(browser.present)
        is_due = self.session_settings.check_session and self.cookie_policy.browser_state(browser.cookie_header) != state
        if is_due and (browser.new_secret is not None or may_write_browser_state(browser.headers, browser.carried_session)):
            response.headers.append(("Set-Cookie", self.cookie_policy.browser_state_cookie(state)))
        has_begun = browser.new_secret is not None
        response.headers += login_status_headers(browser.headers, self.session_settings, has_begun=has_begun, has_ended=browser.ended)
        return response

    def _browser_state(self, session: OpSession | None) -> str:
        return session.op_browser_state if session is not None else self.unauthenticated_browser_state

    @staticmethod
    def _browser_of(scope: RequestScope) -> BrowserSession:
        if scope.browser is None:
            raise RuntimeError("called for a request without a browser")
        return scope.browser

    @staticmethod
    def _uow_of(scope: RequestScope) -> UnitOfWork:
        if scope.uow is None:
            raise RuntimeError("called for a request without a store")
        return scope.uow
