"""The protocol fixes that an OP on pyoidc needs before anybody can trust it with a login.

`HardeningMixin` stands before the provider that it hardens: `class MyOP(HardeningMixin, Provider)`. Each part of it says which behaviour
of pyoidc it replaces.
"""

from __future__ import annotations

from typing import Any

from oic.exception import RedirectURIError

from .clients.registration import RegistrationSeam
from .tokens.grant_expiry import GrantExpirySeam
from .tokens.introspection import IntrospectionSeam
from .tokens.revocation import RevocationSeam
from .tokens.token_endpoint import TokenEndpointSeam
from .tokens.userinfo import UserinfoSeam


class HardeningMixin(TokenEndpointSeam, UserinfoSeam, RevocationSeam, IntrospectionSeam, RegistrationSeam, GrantExpirySeam):
    """Token, userinfo, discovery, registration, revocation and introspection endpoints that a certified OP can stand on."""

    def _verify_redirect_uri(self, areq: Any) -> None:
        """Compare as text: pyoidc decodes before it compares, and accepts more query than was registered."""
        client = self.clients.get(str(areq["client_id"]))
        if client is None or areq["redirect_uri"] not in client["redirect_uris"]:
            raise RedirectURIError("redirect_uri is not registered")
