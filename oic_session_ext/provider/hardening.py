"""The protocol fixes that an OP on pyoidc needs before it can be trusted with a login.

`HardeningMixin` stands before the provider that it hardens: `class MyOP(HardeningMixin, Provider)`. Each endpoint object behind it
names the behaviour of pyoidc that it replaces.
"""

from __future__ import annotations

from typing import Any

from oic.exception import RedirectURIError
from oic.utils.authn.client import verify_client
from oic.utils.http_util import Response

from ..clients.uris import is_registered_redirect
from .base import MixinBase


class HardeningMixin(MixinBase):
    """Token, userinfo, discovery and registration endpoints that a certified OP can stand on.

    Without `SessionManagementMixin` it needs the keyword argument `secrets`, a `SecretRing`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.client_authn is verify_client:
            self.client_authn = self.session_management.client_endpoint.verify_client

    def token_endpoint(self, request: Any = "", authn: str | None = "", dtype: str = "urlencoded", **kwargs: Any) -> Response:
        """Answer a token request; see `TokenEndpoint.answer`."""
        return self.session_management.token.answer(request, authn)

    def code_grant_type(self, areq: Any) -> Response:
        """Redeem a code; see `TokenEndpoint.redeem_code`."""
        return self.session_management.token.redeem_code(areq)

    def refresh_token_grant_type(self, areq: Any) -> Response:
        """Exchange a refresh token; see `TokenEndpoint.refresh`."""
        return self.session_management.token.refresh(areq)

    def userinfo_endpoint(self, request: Any = "", **kwargs: Any) -> Response:
        """Answer a userinfo request; see `UserinfoEndpoint.answer`."""
        return self.session_management.userinfo.answer(request, kwargs.get("authn"))

    def _do_user_info(self, token: str, **kwargs: Any) -> Response:
        return self.session_management.userinfo.claims_response(token)

    def setup_session(self, areq: Any, authn_event: Any, cinfo: Any) -> str:
        """Make the grant, and remove some that are over where no store of ours does it."""
        grant_id = super().setup_session(areq, authn_event, cinfo)
        self.session_management.grant_expiry.note_grant(grant_id)
        return grant_id

    def registration_endpoint(self, request: Any, authn: str | None = None, method: str = "POST", **kwargs: Any) -> Response:
        """Answer a registration request; see `RegistrationEndpoint.answer`."""
        return self.session_management.registration.answer(request, authn, method, super().registration_endpoint, **kwargs)

    def do_client_registration(self, request: Any, client_id: str, ignore: list[str] | None = None) -> Any:
        """Return what is kept of a client; see `RegistrationEndpoint.keep_client`."""
        return self.session_management.registration.keep_client(request, client_id, ignore, super().do_client_registration)

    def _verify_sector_identifier(self, request: Any) -> tuple[list[str], str]:
        return self.session_management.registration.verify_sector_identifier(request)

    @staticmethod
    def client_secret_expiration_time() -> int:
        """Return 0, never (RFC 7591, 3.2.1): with its secret the whole client would end."""
        return 0

    def create_providerinfo(self, setup: Any = None) -> Any:
        """Return the provider's metadata; see `Discovery.message`."""
        return self.session_management.discovery.message()

    def providerinfo_endpoint(self, handle: Any = "", **kwargs: Any) -> Response:
        """Answer a discovery request."""
        return self.session_management.discovery.answer()

    def _verify_redirect_uri(self, areq: Any) -> None:
        # as text: pyoidc decodes before it compares, and accepts more query than was registered
        client = self.session_management.clients.get(str(areq["client_id"]))
        if client is None or not is_registered_redirect(areq["redirect_uri"], client["redirect_uris"]):
            raise RedirectURIError("redirect_uri is not registered")
