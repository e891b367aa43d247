"""Everything of ours in an OP, behind its one attribute `session_management`: the endpoint objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from ..session_management.browser_cookies import CookiePolicy
from ..session_management.sealed_salt import SealedSalts
from ..sessions.sweeper import Sweeper
from ..store.base import Store
from .authorization.endpoint import AuthorizationEndpoint
from .authorization.login import Logins
from .authorization.session_grants import SessionGrants
from .clients.endpoint import ClientEndpoint
from .clients.pyoidc_keys import PyoidcKeys
from .clients.registration import RegistrationEndpoint
from .discovery import Discovery
from .logout.check_session import CheckSessionEndpoint
from .logout.delivery import NoticeDelivery
from .logout.end_session import EndSessionEndpoint
from .logout.logout_token import LogoutTokens
from .logout.routes import session_routes
from .logout.session_status import SessionStatusEndpoint
from .parts import OpParts
from .request.browser import Browsers
from .request.web_request import Route, dispatch
from .tokens.grant_expiry import GrantExpiry
from .tokens.id_token import IdTokens
from .tokens.introspection import IntrospectionEndpoint
from .tokens.issued_token import IssuedTokens
from .tokens.revocation import RevocationEndpoint
from .tokens.token_endpoint import TokenEndpoint
from .tokens.user_claims import UserClaims
from .tokens.userinfo import UserinfoEndpoint

_WITH_STATE = ("op_keys", "outbound", "guarded_fetch", "public_keys", "pages", "authorization", "token", "userinfo", "grant_expiry")
_WITH_STATE_AND_STORE = ("browsers", "delivery", "end_session", "check_session")


class OpExtension(OpParts):
    """The parts of one OP and its endpoint objects.

    Those of session management (`browsers`, `end_session`, `check_session`, `session_status`, `delivery`) need a store.
    """

    def build(self) -> None:
        """Make the objects that hold state, once, before the first request.

        From Python 3.12 on `cached_property` has no lock: two first requests at the same time would each get a lock, a limit or a
        delivery of their own.
        """
        for name in _WITH_STATE if self.store is None else (*_WITH_STATE, *_WITH_STATE_AND_STORE):
            getattr(self, name)

    # -- what every OP has --------------------------------------------------------------------------------------------

    @cached_property
    def authorization(self) -> AuthorizationEndpoint:
        """The authorization endpoint."""
        if self.store is None:
            return AuthorizationEndpoint(self, self.logins, None, None)
        return AuthorizationEndpoint(self, self.logins, self.browsers, self.session_grants)

    @cached_property
    def logins(self) -> Logins:
        """Finds out who is signed in."""
        return Logins(self)

    @cached_property
    def pyoidc_keys(self) -> PyoidcKeys:
        """Clients' keys for pyoidc."""
        return PyoidcKeys(self)

    @cached_property
    def id_tokens(self) -> IdTokens:
        """Issues ID Tokens."""
        return IdTokens(self)

    @cached_property
    def user_claims(self) -> UserClaims:
        """Decides which claims a client gets."""
        return UserClaims(self)

    # -- the hardened endpoints ---------------------------------------------------------------------------------------

    @cached_property
    def client_endpoint(self) -> ClientEndpoint:
        """Authenticates clients."""
        return ClientEndpoint(self)

    @cached_property
    def issued_tokens(self) -> IssuedTokens:
        """Finds the grants of codes and tokens."""
        return IssuedTokens(self)

    @cached_property
    def token(self) -> TokenEndpoint:
        """The token endpoint."""
        return TokenEndpoint(self, self.client_endpoint, self.issued_tokens)

    @cached_property
    def userinfo(self) -> UserinfoEndpoint:
        """The userinfo endpoint."""
        return UserinfoEndpoint(self, self.issued_tokens, self.id_tokens)

    @cached_property
    def revocation(self) -> RevocationEndpoint:
        """The revocation endpoint."""
        return RevocationEndpoint(self.client_endpoint, self.issued_tokens)

    @cached_property
    def introspection(self) -> IntrospectionEndpoint:
        """The introspection endpoint."""
        return IntrospectionEndpoint(self, self.client_endpoint, self.issued_tokens)

    @cached_property
    def registration(self) -> RegistrationEndpoint:
        """The registration endpoint."""
        return RegistrationEndpoint(self)

    @cached_property
    def discovery(self) -> Discovery:
        """The discovery document and the OP's public keys."""
        return Discovery(self, self.user_claims)

    @cached_property
    def grant_expiry(self) -> GrantExpiry:
        """Removes grants that are over where no store of ours does it."""
        return GrantExpiry(self, self.issued_tokens)

    # -- session management -------------------------------------------------------------------------------------------

    @cached_property
    def browsers(self) -> Browsers:
        """The browsers' sessions and cookies."""
        return Browsers(self.issuer, self.settings, self.session_store, self.clients, self.policy.check_session)

    @cached_property
    def session_grants(self) -> SessionGrants:
        """Puts grants into OP sessions."""
        return SessionGrants(self, self.browsers, self.sealed_salts)

    @cached_property
    def sealed_salts(self) -> SealedSalts | None:
        """Seals the salts of `session_state`; None if the setting `session_status` is off."""
        return SealedSalts(self.secrets) if self.settings.session_status else None

    @cached_property
    def end_session(self) -> EndSessionEndpoint:
        """The end-session endpoint."""
        return EndSessionEndpoint(self, self.browsers, self.delivery)

    @cached_property
    def check_session(self) -> CheckSessionEndpoint:
        """The check-session iframe."""
        return CheckSessionEndpoint(self, self.session_store, self.browsers.cookies, self.sealed_salts)

    @cached_property
    def session_status(self) -> SessionStatusEndpoint:
        """The session-status endpoint."""
        return SessionStatusEndpoint(self, self.session_store, self.client_endpoint)

    @cached_property
    def delivery(self) -> NoticeDelivery:
        """Notifies RPs over the back channel."""
        return NoticeDelivery(self, self.session_store, LogoutTokens(self))

    @property
    def cookie_policy(self) -> CookiePolicy:
        """The two cookies of browsers."""
        return self.browsers.cookies

    def routes(self) -> list[Route]:
        """Return the routes to mount beside the OP's own: end-session, check-session and the pages' assets."""
        return session_routes(self, self.check_session)

    def middleware(self, application: Callable[..., Iterable[bytes]], *, deliver: bool = True) -> Callable[..., Iterable[bytes]]:
        """Return a WSGI application that answers the session routes and hands every other request to `application`.

        With the first request each process also starts to notify RPs over the back channel; not with `deliver=False`.
        """
        answer = dispatch(self.routes(), application)
        return self.delivery.started_with(answer) if deliver else answer

    def sweep(self) -> int:
        """Remove what is over from the store, in bounded batches, and return how much that was; call it every half minute, in any process.

        What is over is refused at once; until it is removed it takes up space.
        """
        return self._sweeper.sweep()

    @cached_property
    def _sweeper(self) -> Sweeper:
        return Sweeper(self.session_store, self.clients, self.settings, self.clock, self.hooks)

    @property
    def session_store(self) -> Store:
        """The store of an OP with session management. Raises: RuntimeError: it has none."""
        if self.store is None:
            raise RuntimeError("this OP has no session management")
        return self.store


def is_session_over(extension: OpExtension, cookie: Any) -> bool:
    """Return whether a browser's login is worth nothing: no user is signed in, or the user's sessions are revoked.

    pyoidc raises a TypeError for a browser without a cookie.
    """
    if extension.store is not None:
        return extension.browsers.look_up(extension.transactions.new_scope(), cookie, None).present is None
    method, acr = extension.op.pick_auth({}, "any")
    login = extension.logins.by_method(method, acr, cookie, "")
    return login is None or bool(extension.op.sdb.is_revoke_uid(login.uid))
