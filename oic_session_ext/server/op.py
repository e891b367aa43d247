"""The bundled server's provider: its own login page and consent in place of pyoidc's, its settings turned into parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from oic.utils.authn.authn_context import AuthnBroker
from oic.utils.authn.client import verify_client
from oic.utils.authn.user import UserAuthnMethod
from oic.utils.authz import AuthzHandling
from oic.utils.http_util import Response
from oic.utils.keyio import KeyJar

from ..claims import consent_for_claims
from ..clock import Clock, system_clock
from ..crypto.secret_ring import SecretRing
from ..events import NO_HOOKS, Hooks
from ..model import Consent, OpSession, Reason
from ..pages import Pages
from ..provider import CompletedLogin, OpPolicy, Provider, SessionManagement
from ..provider.authorization.request import AuthorizationError
from ..provider.parts import ASSETS_URL
from ..provider.request.responses import RedirectResponse
from ..provider.request.scope import AuthorizationContext, BrowserSession, RequestScope, present_scope
from ..provider.request.web_request import WebRequest
from ..provider.tokens.issued_token import TokenRefused
from ..sessions.op_session import end_op_session
from ..store.base import Store
from ..store.changes import PutConsent
from ..web.origin import origin_of
from .clients import ServerClients
from .config.settings import ServerSettings
from .users import UserDirectory

PASSWORD_ACR = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
"""The `acr` of a login with user name and password."""

LOGIN_URL = "login"
CONSENT_URL = "consent"


class ConsentRedirect(RedirectResponse):
    """The user must be asked whether the client may have what it wants: off to the consent page."""


class LoginRedirect(UserAuthnMethod):
    """pyoidc's authentication method: here, a redirect to the login page. The OP session holds who is signed in."""

    def __init__(self, login_path: str) -> None:
        super().__init__(None)
        self._login_path = login_path

    def __call__(self, query: str = "", **kwargs: Any) -> Response:
        """Return the way to the login page for an authorization request."""
        return RedirectResponse(f"{self._login_path}?{query}")

    def authenticated_as(self, cookie: Any = None, **kwargs: Any) -> tuple[None, int]:
        """Return no user: only the OP session's cookie signs a user in."""
        return None, 0


class BundledPolicy(OpPolicy):
    """The decisions of the bundled server: consent, users of the settings file, what discovery names."""

    offers_revocation = offers_introspection = True

    def __init__(self, settings: ServerSettings, base_path: str) -> None:
        self.request_objects = settings.request_object_settings()
        self.accepts_registration = settings.registration.mode != "off"
        self._base_path = base_path
        self.op: BundledProvider

    def metadata(self, metadata: dict[str, Any]) -> dict[str, Any]:
        """Return the provider metadata, without what no client of this server can register."""
        algs = [alg for alg in self.op.session_management.op_keys.signing_algs() if alg in ("RS256", "ES256")]
        metadata["id_token_signing_alg_values_supported"] = metadata["userinfo_signing_alg_values_supported"] = algs
        metadata["claims_supported"] = sorted({*metadata["claims_supported"], *self.op.users.claim_names})
        if self.op.users.claim_locales:
            metadata["claims_locales_supported"] = sorted(self.op.users.claim_locales)
        return metadata

    def consent_response(self, scope: RequestScope, context: AuthorizationContext, uid: str, client: Mapping[str, Any]) -> Response | None:
        """Return the way to the consent page if the user has not allowed the client all that it asks for (OIDCC-3.1.2.4)."""
        uow, answer = scope.unit(), scope.answered.consent
        if answer == "denied":
            raise AuthorizationError(context, "access_denied", "the user does not allow it")
        if answer is None and "consent" not in context.prompt and client.get("consent") == "skip":
            return None
        wanted = self.consent_needed(context)
        given = uow.consent(uid, context.client_id)
        allowed = given.scopes if given is not None else frozenset()
        if answer == "allowed":  # to ask for less takes nothing back
            uow.add(PutConsent(Consent(uid, context.client_id, allowed | wanted, uow.now)))
            return None
        if given is not None and wanted <= allowed and "consent" not in context.prompt:
            return None
        if "none" in context.prompt:
            raise AuthorizationError(context, "consent_required", "the user must be asked")
        return ConsentRedirect(f"{self._base_path}/{CONSENT_URL}?{urlencode(context.parameters)}")

    def consent_needed(self, context: AuthorizationContext) -> frozenset[str]:
        """Return what a user must allow for a request: its scopes, and what the claims need that it asks for by name."""
        scopes = frozenset(context.parameters.get("scope", "").split())
        return scopes | consent_for_claims(context.parameters, self.op.session_management.user_claims.claims_of_scope())

    def check_session(self, scope: RequestScope, browser: BrowserSession) -> None:
        """End the session of a user who was removed from the settings."""
        if browser.present is not None and self.op.users.claims(browser.present.uid) is None:
            management = self.op.session_management
            end_op_session(scope.unit(), browser.present, Reason.ADMIN, management.clients, management.settings)
            browser.end_session()

    def check_grant(self, grant_id: str, row: Mapping[str, Any]) -> None:
        """Refuse what was issued to a user who was removed from the settings. Raises: TokenRefused."""
        grant = present_scope().unit().grant(grant_id)
        if grant is None or self.op.users.claims(grant.uid) is None:
            raise TokenRefused("its user is not in the settings any more")


class BundledProvider(Provider):
    """The provider behind the bundled server's routes."""

    def __init__(
        self,
        settings: ServerSettings,
        store: Store,
        secrets: SecretRing,
        keyjar: KeyJar,
        *,
        clock: Clock = system_clock,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        self.base_path = urlsplit(settings.issuer).path.rstrip("/")
        self.origin = origin_of(settings.issuer)
        self.users = UserDirectory(settings.users)
        self.server_clients = ServerClients(settings.clients, store)
        self.policy = BundledPolicy(settings, self.base_path)
        self.policy.op = self
        broker = AuthnBroker()
        broker.add(PASSWORD_ACR, LoginRedirect(f"{self.base_path}/{LOGIN_URL}"), 10, "")
        management = SessionManagement(store, secrets, settings.session_management_settings(), clock, hooks)
        super().__init__(
            settings.issuer,
            management.session_db(settings.issuer),
            self.server_clients,
            broker,
            self._userinfo,
            AuthzHandling(),
            verify_client,
            keyjar=keyjar,
            baseurl=settings.issuer,
            session_management=management,
            pages=Pages(asset_base=f"{self.base_path}/{ASSETS_URL}", override=settings.pages.folder),
            policy=self.policy,
        )

    def sign_in(self, request: WebRequest, login: CompletedLogin) -> Response:
        """Begin an OP session for a user who signed in at the OP itself, for no RP; return the way to the front page."""
        management = self.session_management

        def work(scope: RequestScope) -> Response:
            management.browsers.look_up(scope, request.cookie, request.headers)
            management.logins.begin_session(scope, login)
            return RedirectResponse(f"{self.base_path}/", management.browsers.set_cookies(scope))

        return management.transactions.run(work)

    def session_of(self, cookie: str | None) -> OpSession | None:
        """Return the live OP session of a browser, None if no user is signed in."""
        management = self.session_management
        return management.browsers.look_up(management.transactions.new_scope(), cookie, None).present

    def _userinfo(self, uid: str, client_id: str, wanted: Any = None) -> dict[str, Any]:
        return dict(self.users.claims(uid) or {})  # no claims of a user who was removed from the settings
