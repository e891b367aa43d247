"""What both mixins do alike: construction, and pyoidc's methods of the authorization request.

The mixins define pyoidc's own method names and hand over to the objects behind `session_management`. What pyoidc, or the adopter's class
behind the mixins, would have done is passed on as `theirs`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from oic.oic.provider import AuthorizationEndpoint, TokenEndpoint
from oic.oic.provider import Provider as PyoidcProvider
from oic.utils.http_util import Response

from ..clock import Clock, system_clock
from ..crypto.secret_ring import SecretRing
from ..errors import ConfigError
from ..events import NO_HOOKS
from ..pages import Pages
from ..settings import SessionManagementSettings
from .extension import OpExtension, is_session_over
from .management import SessionManagement
from .policy import OpPolicy

if TYPE_CHECKING:
    from oic.oic.provider import Provider as _Provider
else:
    _Provider = object


class MixinBase(_Provider):
    """Cooperative base of the mixins; it is never used alone.

    Its keyword arguments are `session_management` (for `SessionManagementMixin`), or `secrets` and `clock` without that; `pages`; `policy`.
    Everything else goes on to the provider behind it.
    """

    session_management: OpExtension

    def __init__(
        self,
        *args: Any,
        session_management: SessionManagement | None = None,
        secrets: SecretRing | None = None,
        clock: Clock = system_clock,
        pages: Pages | None = None,
        policy: OpPolicy | None = None,
        **kwargs: Any,
    ) -> None:
        management = session_management
        secrets = secrets if management is None else management.secrets
        if secrets is None:
            raise ConfigError("secrets", "is missing: the key of all that this OP issues, such as SecretRing.load_or_create(path)")
        # pyoidc extends this list on the class if the instance has none: every OP in the process would share it
        self.endp = [AuthorizationEndpoint, TokenEndpoint]
        self.session_management = OpExtension(
            self,
            secrets=secrets,
            clock=clock if management is None else management.clock,
            pages=pages,
            policy=policy or OpPolicy(),
            settings=SessionManagementSettings() if management is None else management.settings,
            store=None if management is None else management.store,
            hooks=NO_HOOKS if management is None else management.hooks,
        )
        super().__init__(*args, **kwargs)
        # pyoidc sets an empty seed, with which any caller can forge its login cookie, and a random one some time later
        self.seed = secrets.derive("pyoidc cookies")
        self.cookie_func = _without_sso_cookie(self.cookie_func)
        self.session_management.build()

    def authorization_endpoint(
        self, request: Any = "", cookie: str | None = None, headers: Mapping[str, str] | None = None, **kwargs: Any
    ) -> Response:
        """Answer an authorization request; see `AuthorizationEndpoint.answer`."""
        has_own = _has_own_authorization_endpoint(type(self))  # type: ignore[arg-type]  # a class is hashable
        theirs = super().authorization_endpoint if has_own else None
        return self.session_management.authorization.answer(request, cookie, headers, theirs=theirs, **kwargs)

    def auth_init(self, request: Any) -> Any:
        """Parse the checked request; an error that pyoidc finds goes to the RP, not as JSON to the person."""
        return self.session_management.authorization.check_auth_init(super().auth_init(request))

    def required_user(self, areq: Any) -> str:
        """Return no user: pyoidc would sign the user of a hint in without a cookie. `do_auth` obeys the hint."""
        return ""

    def do_auth(self, areq: Any, redirect_uri: str, cinfo: Any, request: Any, cookie: Any, **kwargs: Any) -> Any:
        """Return the login that answers this request, or the response that asks for one."""
        return self.session_management.authorization.authenticate(areq, cinfo, cookie, kwargs.get("authn", ""))

    def setup_session(self, areq: Any, authn_event: Any, cinfo: Any) -> str:
        """Make the grant."""
        return self.session_management.authorization.make_grant(areq, authn_event, cinfo, super().setup_session)

    def response_mode(self, areq: Any, fragment_enc: bool, **kwargs: Any) -> None:
        """Leave the response mode to `authz_part2`, which knows them all."""

    def authz_part2(self, user: str, areq: Any, sid: str, **kwargs: Any) -> Response:
        """Answer a request of a user who is signed in."""
        return self.session_management.authorization.complete(user, areq, sid, **kwargs)

    def is_session_revoked(self, request: Any = "", cookie: Any = None) -> bool:
        """Return whether a browser's login is worth nothing."""
        return is_session_over(self.session_management, cookie)

    def id_token_as_signed_jwt(self, session: Mapping[str, Any], *args: Any, **kwargs: Any) -> str:
        """Return the signed ID Token of a grant; see `IdTokens.issue`."""
        return self.session_management.id_tokens.issue(session, *args, **kwargs)

    def userinfo_in_id_token_claims(self, session: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the claims that the request wants in the ID Token."""
        return self.session_management.user_claims.of_id_token(session)

    def _collect_user_info(self, session: Mapping[str, Any], userinfo_claims: Any = None) -> dict[str, Any]:
        return self.session_management.user_claims.of_userinfo(session)

    def recuperate_keys(self, cid: str, client_info: Mapping[str, Any]) -> None:
        """Load a client's registered keys into pyoidc's key jar."""
        self.session_management.pyoidc_keys.load(cid, client_info)

    def encrypt(self, payload: Any, client_info: Mapping[str, Any], cid: str, val_type: str = "id_token", cty: str = "") -> Any:
        """Encrypt for a client. Raises: JWEException: no key of the client's fits."""
        return self.session_management.pyoidc_keys.encrypt(payload, client_info, val_type, cty)


@lru_cache
def _has_own_authorization_endpoint(op_class: type) -> bool:
    """Return whether the adopter's class behind the mixins overrides pyoidc's authorization endpoint."""
    behind = op_class.__mro__[op_class.__mro__.index(MixinBase) + 1 :]
    return next(one for one in behind if "authorization_endpoint" in vars(one)) is not PyoidcProvider


def _without_sso_cookie(cookie_func: Callable[..., Any]) -> Callable[..., Any]:
    """pyoidc's `pyoidc_sso` cookie names the user and one client, in clear; the OP session knows better."""

    def cookie(value: str, typ: str = "", *args: Any, **kwargs: Any) -> Any:
        return None if typ == "sso" else cookie_func(value, typ, *args, **kwargs)

    return cookie
